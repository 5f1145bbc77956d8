//! `hpcapctl doctor`: what on this machine costs frames, and what to do about it.
//!
//! [`Facts`] are gathered first; the [`CHECKS`] judge them and change nothing, so that
//! `hpcapctl install` can run them before it begins.

mod checks;
mod facts;
mod finding;

use hpcap::Result;
use hpcap::report::json_line;

pub use checks::{CHECKS, Check, Theme};
pub use facts::{Facts, InterfaceFacts, QueueFacts, SlowListener};
pub use finding::{Finding, Outcome, State};

/// Runs every check, and sorts the findings: the most serious first.
#[must_use]
pub fn examine(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = CHECKS
        .iter()
        .flat_map(|check| check.findings(facts))
        .collect();
    findings.sort_by_key(|finding| finding.state);
    findings
}

/// Returns whether a finding is a problem, which makes the command fail.
#[must_use]
pub fn has_problem(findings: &[Finding]) -> bool {
    findings
        .iter()
        .any(|finding| finding.state == State::Problem)
}

/// Writes the findings as text, or as one JSON object a line.
///
/// # Errors
/// [`hpcap::Kind::Io`] if a finding cannot be written as JSON.
pub fn render(findings: &[Finding], json: bool) -> Result<String> {
    if json {
        return findings.iter().map(json_line).collect();
    }
    let mut out = String::new();
    for finding in findings {
        finding.write(&mut out);
    }
    let count = |state| findings.iter().filter(|f| f.state == state).count();
    out += &format!(
        "{} problems, {} pieces of advice, {} unknown, {} ok\n",
        count(State::Problem),
        count(State::Advice),
        count(State::Unknown),
        count(State::Ok)
    );
    Ok(out)
}
