//! Checks of a configuration: of its values with each other, and with the machine.
//!
//! ```
//! use hpcap_config::check::check;
//! use hpcap_config::{Document, Machine};
//!
//! let document = Document::parse("example.toml", "
//! [[interface]]
//! name = \"eth0\"
//! ").unwrap();
//! // Without a machine, only the values are compared with each other.
//! assert!(check(&document, None).is_empty());
//! // A machine without interfaces has no eth0.
//! let problems = check(&document, Some(&Machine::default()));
//! assert!(problems.iter().any(|problem| problem.to_string().contains("eth0")));
//! ```

pub mod consistency;
mod machine;

use crate::document::Document;
use crate::machine::Machine;
use crate::problem::{Level, Problem};

/// Returns what is doubtful in `document`, and what of it does not fit `machine`, if one is
/// given.
#[must_use]
pub fn check(document: &Document, machine: Option<&Machine>) -> Vec<Problem> {
    let mut findings = consistency::check(&document.config);
    // Parsing has refused a document with errors, so only warnings are left of these.
    findings.retain(|finding| finding.level == Level::Warning);
    if let Some(machine) = machine {
        findings.extend(machine::check(&document.config, machine));
    }
    let mut problems: Vec<Problem> = findings.iter().map(|f| document.problem(f)).collect();
    problems.sort_by(|a, b| a.place.cmp(&b.place));
    problems
}
