//! Prints one line for each kind of warning, with the usual cause.

use hpcap::raw::check::{Kinds, Problem, Report, Severity};

/// Returns a line for each kind of warning.
pub(super) fn lines(report: &Report) -> impl Iterator<Item = String> {
    report
        .kinds
        .iter()
        .filter(|kinds| kinds.first.problem.severity() == Severity::Warning)
        .map(line)
}

fn line(kinds: &Kinds) -> String {
    let first = &kinds.first;
    match (kinds.count, words(first.problem)) {
        (1, Some((_, cause))) => format!("  warning: {first} ({cause})"),
        (count, Some((what, cause))) => {
            format!("  warning: {count} {what}, the first: {first} ({cause})")
        }
        (1, None) => format!("  warning: {first}"),
        (count, None) => format!("  warning: {count} of a kind, the first: {first}"),
    }
}

/// Returns the plural name of a kind of warning and its usual cause.
fn words(problem: Problem) -> Option<(&'static str, &'static str)> {
    Some(match problem {
        Problem::LongFrame { .. } => (
            "long frames",
            "usually jumbo frames, or segments that were put together: ethtool -K IFACE gro off lro off",
        ),
        Problem::ShortFrame { .. } => (
            "short frames",
            "usually sent by the capturing machine, before its NIC pads them",
        ),
        Problem::BeforeName { .. } => (
            "frames from before the file's name",
            "usually a clock that was set back, or a capture file that was replayed",
        ),
        Problem::AfterPadding => (
            "frames after padding",
            "usually an idle link, whose frames were stored at once; hpcap's readers go on there",
        ),
        Problem::TimeBackwards { .. } => (
            "times that go back",
            "usually several receive queues, or a clock that was set",
        ),
        _ => return None,
    })
}
