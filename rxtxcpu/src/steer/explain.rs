//! Why the frames of a flow arrive elsewhere than predicted.

use std::fmt::Write as _;
use std::time::Duration;

use hpcap_host::{Interface, Tree};

use super::observe::{Counts, Observation};
use super::place::Place;

/// What the machine does besides hashing, which can send a flow elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Diversions {
    /// Number of rules for single flows in the NIC.
    pub(super) flow_rules: u32,
    /// Number of the XDP program of the interface.
    pub(super) xdp_program: Option<u32>,
    /// Whether threads of the kernel poll the queues, rather than the CPUs that the interrupts reach.
    pub(super) threaded: bool,
}

impl Diversions {
    pub(super) fn of(tree: &Tree, interface: &Interface) -> Self {
        let name = &interface.name;
        let threaded = tree.value::<u32>(format!("/sys/class/net/{name}/threaded"));
        Self {
            flow_rules: interface.flow_rules().unwrap_or(0),
            xdp_program: interface.xdp_program,
            threaded: threaded.is_some_and(|value| value != 0),
        }
    }
}

/// Says where the flow arrived, and why not where it was predicted. `place_of` is what the machine does with a queue.
pub(super) fn explain(
    interface: &str,
    predicted: u32,
    seen: &Observation,
    time: Duration,
    diversions: &Diversions,
    place_of: impl Fn(u32) -> Place,
) -> String {
    let mut text = String::new();
    let total: u64 = seen.cpus.values().sum();
    let _ = writeln!(text, "\nSeen in {time:?}: {total} packets of the flow");
    if seen.lost > 0 {
        let _ = writeln!(
            text,
            "  {} packets of all flows were not looked at: the rings were full",
            seen.lost
        );
    }
    if total == 0 {
        let _ = writeln!(
            text,
            "  none arrived on {interface}: it may arrive at another interface, or within a tunnel"
        );
        return text;
    }
    let _ = writeln!(text, "  queue  {}", listed(&seen.queues));
    let _ = writeln!(text, "  cpu    {}", listed(&seen.cpus));
    let elsewhere: Vec<u32> = seen
        .queues
        .keys()
        .copied()
        .filter(|queue| *queue != predicted)
        .collect();
    if elsewhere.is_empty() {
        let _ = writeln!(text, "The queue is the predicted one.");
    } else {
        let _ = writeln!(
            text,
            "The queue is not the predicted one ({predicted}). What can be the reason:"
        );
        for reason in reasons_of_queue(interface, &elsewhere, diversions) {
            let _ = writeln!(text, "  {reason}");
        }
    }
    for queue in seen.queues.keys() {
        let place = place_of(*queue);
        let strange: Vec<u32> = seen
            .cpus
            .keys()
            .copied()
            .filter(|cpu| !place.is_expected(*cpu))
            .collect();
        if strange.is_empty() {
            continue;
        }
        let cpus: Vec<String> = strange.iter().map(u32::to_string).collect();
        let _ = writeln!(
            text,
            "The interrupt of queue {queue} does not lead to CPU {}. What can be the reason:",
            cpus.join(", ")
        );
        for reason in reasons_of_cpu(interface, *queue, &strange, &place, diversions) {
            let _ = writeln!(text, "  {reason}");
        }
    }
    text
}

fn listed(counts: &Counts) -> String {
    let all: Vec<String> = counts
        .iter()
        .map(|(number, count)| format!("{number} ({count})"))
        .collect();
    all.join(", ")
}

fn reasons_of_queue(interface: &str, elsewhere: &[u32], diversions: &Diversions) -> Vec<String> {
    let mut reasons = Vec::new();
    if diversions.flow_rules > 0 {
        reasons.push(format!(
            "the NIC has {} rules for single flows, which come before the hash: ethtool -n {interface}",
            diversions.flow_rules
        ));
    }
    if let Some(program) = diversions.xdp_program {
        reasons.push(format!(
            "XDP program {program} can redirect packets before they are counted here: bpftool prog show id {program}"
        ));
    }
    if elsewhere == [0] {
        reasons.push(
            "the driver may note no queue, and packets without a note count as those of queue 0"
                .to_owned(),
        );
    }
    if reasons.is_empty() {
        reasons.push(format!(
            "the NIC may use another key, table or fields than its driver reports (ethtool -x {interface}), or these were changed; \
             --key or --queues may be wrong; packets in fragments are hashed without ports"
        ));
    }
    reasons
}

fn reasons_of_cpu(
    interface: &str,
    queue: u32,
    strange: &[u32],
    place: &Place,
    diversions: &Diversions,
) -> Vec<String> {
    let mut reasons = Vec::new();
    let folder = format!("/sys/class/net/{interface}/queues/rx-{queue}");
    if strange.iter().any(|cpu| place.passes_on_to(*cpu)) {
        reasons.push(format!(
            "RPS passes the packets of the queue on to other CPUs: {folder}/rps_cpus"
        ));
    }
    if place.follows_programs() {
        reasons.push(format!("RFS passes packets on to the CPU of the program that reads the flow: {folder}/rps_flow_cnt"));
    }
    if diversions.threaded {
        reasons.push(format!(
            "threads of the kernel poll the queues: /sys/class/net/{interface}/threaded"
        ));
    }
    if let Some(program) = diversions.xdp_program {
        reasons.push(format!(
            "XDP program {program} can pass packets on to other CPUs"
        ));
    }
    if reasons.is_empty() {
        reasons.push("ksoftirqd or a program that polls the socket handled them, or the affinity of the interrupt was changed".to_owned());
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn seen(queue: u32, cpu: u32) -> Observation {
        Observation {
            queues: [(queue, 7)].into(),
            cpus: [(cpu, 7)].into(),
            lost: 0,
        }
    }

    #[test]
    fn flow_that_arrives_where_predicted_needs_no_reason() {
        let place = |_| Place::by_interrupt("eth0-TxRx-3", 3);
        let text = explain(
            "eth0",
            3,
            &seen(3, 3),
            SECOND,
            &Diversions::default(),
            place,
        );
        let expected = "\nSeen in 1s: 7 packets of the flow\n  queue  3 (7)\n  cpu    3 (7)\nThe queue is the predicted one.\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn each_diversion_is_a_reason() {
        let place = |_| Place::by_interrupt("eth0-TxRx-0", 1);
        let diversions = Diversions {
            flow_rules: 2,
            xdp_program: Some(17),
            threaded: true,
        };
        let text = explain("eth0", 3, &seen(0, 2), SECOND, &diversions, place);
        for part in [
            "not the predicted one (3)",
            "2 rules for single flows",
            "XDP program 17 can redirect",
            "the driver may note no queue",
            "The interrupt of queue 0 does not lead to CPU 2",
            "threads of the kernel poll",
            "XDP program 17 can pass packets on",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn flow_that_does_not_arrive_is_said() {
        let place = |_| Place::by_interrupt("eth0-TxRx-0", 1);
        let none = Observation::default();
        let text = explain("eth0", 3, &none, SECOND, &Diversions::default(), place);
        assert!(
            text.contains("0 packets of the flow\n  none arrived on eth0"),
            "{text}"
        );
    }
}
