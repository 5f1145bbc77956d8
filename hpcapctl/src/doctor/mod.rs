//! `hpcapctl doctor`: what on this machine costs frames, and what to do about it.
//!
//! [`Facts`] are gathered first; the [`CHECKS`] judge them and change nothing, so that
//! `hpcapctl install` can run them before it begins.

mod checks;
mod facts;
mod finding;

use std::process::ExitCode;

use clap::Args;
use hpcap::Result;
use hpcap::report::json_line;

use crate::output::print;

pub use checks::{CHECKS, Check, Theme};
pub use facts::{Facts, InterfaceFacts, QueueFacts, SlowListener};
pub use finding::{Finding, Outcome, State};

/// What is examined, and how it is shown.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcapctl doctor                every check
  hpcapctl doctor eth0           those of one interface, and of the machine
  hpcapctl doctor --json         one JSON object for each finding

The exit code is 1 if there is a problem. docs/tuning.md has an entry for each check.")]
pub struct Doctor {
    /// Network interfaces to check; without a name, those that capture or have hardware
    #[arg(value_name = "IF")]
    pub interfaces: Vec<String>,
    /// Print JSON, one finding a line
    #[arg(long)]
    pub json: bool,
}

impl Doctor {
    /// Prints what the checks find. The exit code is 1 if there is a problem.
    ///
    /// # Errors
    /// Returns the errors of [`Facts::gather`].
    pub fn run(&self) -> Result<ExitCode> {
        let findings = examine(&Facts::gather(&self.interfaces)?);
        print(&render(&findings, self.json)?)?;
        Ok(ExitCode::from(u8::from(has_problem(&findings))))
    }
}

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
