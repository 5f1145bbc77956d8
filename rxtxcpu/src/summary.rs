//! What is printed at the end: how many frames each stream has captured.

use std::fmt::Write as _;
use std::io::ErrorKind;

use crate::capture::CaptureResult;
use crate::failure::{Failure, plain};
use crate::output::{self, Output};
use crate::plan::Plan;
use crate::repeats::report;
use crate::say::{say, say_text};

/// Prints the summary to standard output, or to standard error if frames go to standard output. Lost
/// frames go to standard error, because programs read the summary.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(plan: &Plan, result: &CaptureResult) -> Result<(), Failure> {
    for counts in result.streams.iter().filter(|counts| counts.lost != 0) {
        say(format_args!(
            "{} packets dropped on {}: a larger --ring holds more of them",
            counts.lost,
            plan.subject.label(counts.number)
        ));
    }
    for counts in result.streams.iter().filter(|counts| counts.unwritten != 0) {
        say(format_args!(
            "{} packets captured on {} were not written, or are not known to be",
            counts.unwritten,
            plan.subject.label(counts.number)
        ));
    }
    let text = text(plan, result);
    if matches!(plan.output, Some(Output::Stdout(_))) {
        say_text(&text);
        return Ok(());
    }
    match output::print(&text) {
        // The reader has read enough.
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(e) if e.kind() == ErrorKind::WouldBlock => Err(Failure::known(
            "cannot write the summary to standard output: its reader reads nothing",
        )),
        Err(e) => {
            let why = plain(&e);
            Err(Failure::known(format!(
                "cannot write the summary to standard output: {why}"
            )))
        }
        Ok(()) => Ok(()),
    }
}

fn text(plan: &Plan, result: &CaptureResult) -> String {
    let mut text = String::new();
    for counts in &result.streams {
        let label = plan.subject.label(counts.number);
        let _ = writeln!(text, "{} packets captured on {label}.", counts.captured());
    }
    let total: u64 = result.streams.iter().map(|counts| counts.captured()).sum();
    let _ = writeln!(text, "{total} packets captured total.");
    for (counts, repeats) in result.streams.iter().zip(&result.repeats) {
        report(&mut text, plan.subject, counts.number, repeats);
    }
    text
}
