//! Facts of the machine as a whole.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::Subject;
use crate::bundle::Bundle;
use crate::record::{QueuesRecord, VERSIONS};

/// Settings of the kernel, by the end of their path.
const SETTINGS: [(&str, &str); 7] = [
    ("netdev_budget", "core/netdev_budget"),
    ("netdev_max_backlog", "core/netdev_max_backlog"),
    ("rmem_default", "core/rmem_default"),
    ("rmem_max", "core/rmem_max"),
    ("ipfrag_high_thresh", "ipv4/ipfrag_high_thresh"),
    ("ipfrag_time", "ipv4/ipfrag_time"),
    ("ip6frag_high_thresh", "ipv6/ip6frag_high_thresh"),
];

/// Lines of the kernel's log that are counted, by the words in them.
const LOG_LINES: [(&str, &[&str]); 4] = [
    (
        "kernel_faults",
        &[
            "BUG: ",
            "Oops: ",
            "general protection fault",
            "kernel BUG at",
        ],
    ),
    (
        "lockups",
        &[
            "soft lockup",
            "hard LOCKUP",
            "rcu_sched self-detected stall",
            "rcu_preempt self-detected stall",
        ],
    ),
    (
        "hardware_errors",
        &["[Hardware Error]", "Machine Check Exception", "EDAC MC"],
    ),
    (
        "memory_exhausted",
        &["Out of memory: Killed process", "page allocation failure"],
    ),
];

/// Makes the subject of the machine.
pub(super) fn subject(
    bundle: &Bundle,
    later: &QueuesRecord,
    queues: &[Subject],
    seconds: f64,
) -> Subject {
    let mut machine = Subject::new("machine", "");
    machine.number("seconds", seconds);
    machine.flag("capturing", !later.queues.is_empty());
    for name in ["lost", "ring_full", "nic_missed", "nic_error"] {
        for name in [name.to_owned(), format!("{name}_new")] {
            let of = queues.iter().filter(|subject| subject.kind == "queue");
            machine.number(&name, of.map(|queue| queue.get_number(&name)).sum());
        }
    }
    add_protocols(&mut machine, bundle);
    for (name, path) in SETTINGS {
        if let Ok(value) = bundle.text(&format!("proc/sys/net/{path}")).trim().parse() {
            machine.number(name, value);
        }
    }
    let fragments = bundle.later_text("proc/net/sockstat");
    let memory = fragments
        .lines()
        .find_map(|line| line.strip_prefix("FRAG:"))
        .and_then(|line| line.split_whitespace().last()?.parse().ok());
    if let Some(bytes) = memory {
        machine.number("fragment_memory_bytes", bytes);
    }
    add_log(&mut machine, &bundle.text("kernel-log"));
    add_versions(&mut machine, bundle, later);
    machine
}

/// Counters of protocols, under the kernel's names: `Ip.ReasmFails`, `TcpExt.TCPRcvCollapsed`.
fn add_protocols(machine: &mut Subject, bundle: &Bundle) {
    for file in ["proc/net/snmp", "proc/net/netstat"] {
        let (first, later) = (pairs(&bundle.text(file)), pairs(&bundle.later_text(file)));
        for (name, value) in &later {
            machine.counter(name, first.get(name).copied().unwrap_or(*value), *value);
        }
    }
    let six = |text: &str| -> BTreeMap<String, u64> {
        text.lines()
            .filter_map(|line| {
                let (name, value) = line.split_once(char::is_whitespace)?;
                Some((name.to_owned(), value.trim().parse().ok()?))
            })
            .collect()
    };
    const FILE: &str = "proc/net/snmp6";
    let (first, later) = (six(&bundle.text(FILE)), six(&bundle.later_text(FILE)));
    for (name, value) in &later {
        machine.counter(name, first.get(name).copied().unwrap_or(*value), *value);
    }
}

/// The numbers in pairs of lines, of which the first has the names.
fn pairs(text: &str) -> BTreeMap<String, u64> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = BTreeMap::new();
    for pair in lines.chunks_exact(2) {
        let (Some((protocol, names)), Some((_, values))) =
            (pair[0].split_once(':'), pair[1].split_once(':'))
        else {
            continue;
        };
        for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
            if let Ok(value) = value.parse() {
                found.insert(format!("{protocol}.{name}"), value);
            }
        }
    }
    found
}

fn add_log(machine: &mut Subject, log: &str) {
    for (name, words) in LOG_LINES {
        let mut lines = log
            .lines()
            .filter(|line| words.iter().any(|word| line.contains(word)));
        let last = lines.next_back();
        let count = lines.count() + usize::from(last.is_some());
        machine.count(name, u64::try_from(count).unwrap_or(0));
        if let Some(line) = last {
            machine.text(&format!("{name}_last"), line.trim());
        }
    }
}

/// The versions of all parts. Only numbers of versions are compared, because a build between two versions has
/// another commit.
fn add_versions(machine: &mut Subject, bundle: &Bundle, queues: &QueuesRecord) {
    let versions: Json = bundle.json(VERSIONS);
    let mut parts: Vec<(String, String)> = Vec::new();
    for (path, said) in versions["programs"].as_object().into_iter().flatten() {
        parts.push((path.clone(), said.as_str().unwrap_or_default().to_owned()));
    }
    for queue in &queues.queues {
        parts.push((
            format!("the producer of {}", queue.name()),
            queue.software.clone(),
        ));
    }
    for path in bundle.paths() {
        let module = path
            .strip_prefix("sys/module/")
            .and_then(|rest| rest.strip_suffix("/version"));
        if let Some(module) = module.filter(|module| module.starts_with("hpcap")) {
            parts.push((format!("module {module}"), bundle.text(path)));
        }
    }
    let mut by_version: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (part, said) in parts {
        let number = said
            .split_whitespace()
            .find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        if let Some(number) = number {
            by_version
                .entry(number.to_owned())
                .or_default()
                .insert(part);
        }
    }
    machine.count("versions", u64::try_from(by_version.len()).unwrap_or(0));
    let text: Vec<String> = by_version
        .iter()
        .map(|(version, parts)| {
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            format!("{version}: {}", parts.join(", "))
        })
        .collect();
    machine.text("versions_text", text.join("; "));
}
