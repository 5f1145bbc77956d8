//! What `--verbose` says on stderr, in the original's words.

use hpcap_source::af_packet::streams::Rule;

use crate::members::to_list;
use crate::plan::{Plan, direction_word};
use crate::say::say;
use crate::subject::{Roster, Subject};

/// How many streams there could be.
pub(crate) fn found(verbose: bool, subject: Subject, count: u32) {
    if verbose {
        say(format_args!("Found '{count}' {}s.", subject.one()));
    }
}

/// Which streams are left out because they are offline.
pub(crate) fn offline(verbose: bool, subject: Subject, roster: &Roster) {
    if !verbose {
        return;
    }
    for number in (0..roster.count).filter(|number| !roster.online.contains(number)) {
        say(format_args!(
            "Skipping {} '{number}' since it is offline.",
            subject.one()
        ));
    }
}

/// Describes what is captured and how. `group` is the fanout group of the packet sockets, if those are used.
pub(crate) fn capture(plan: &Plan, group: Option<u16>) {
    if !plan.verbose {
        return;
    }
    let wanted = |yes: bool| if yes { "requested" } else { "unwanted" };
    say(format_args!(
        "using direction '{}'",
        direction_word(plan.direction)
    ));
    if let Some(group) = group {
        say(format_args!("using fanout group id '{group}'"));
        let mode = match plan.roster.rule {
            Rule::Cpu => 2,
            Rule::Queue | Rule::Node { .. } => 6,
        };
        say(format_args!("using fanout mode '{mode}'"));
    }
    let (index, name) = (plan.interface.index, &plan.interface.name);
    let is_any = plan.interface.is_any();
    if is_any {
        say(format_args!("using ifindex '{index}' for any interface"));
    } else {
        say(format_args!(
            "using ifindex '{index}' for interface '{name}'"
        ));
    }
    say(format_args!(
        "packet buffered output {}",
        wanted(plan.packet_buffered)
    ));
    match plan.count {
        None => say(format_args!("using packet count '0' (infinite)")),
        Some(count) => say(format_args!("using packet count '{count}'")),
    }
    say(format_args!(
        "promiscuous mode {}",
        wanted(plan.promiscuous)
    ));
    if plan.promiscuous && is_any {
        say(format_args!(
            "skipping promiscuous mode for ifindex '{index}' (any interface)"
        ));
    }
    say(format_args!("using ring count '{}'", plan.roster.count));
    say(format_args!("verbose output requested"));
    say(format_args!("using ring set '{}'", to_list(&plan.wanted)));
}
