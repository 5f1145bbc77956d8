//! Checks of the queues that are served now.

use hpcap::Reason;
use hpcap::units::Bytes;

use super::{Facts, Outcome};
use crate::doctor::QueueFacts;

pub(super) fn served(facts: &Facts) -> Vec<Outcome> {
    let mut outcomes: Vec<_> = facts
        .unseen_queues
        .iter()
        .map(|why| Outcome::unknown(why.replace('\n', "; ")).next("sudo hpcapctl doctor"))
        .collect();
    let names: Vec<_> = facts
        .queues
        .iter()
        .map(|queue| queue.name.as_str())
        .collect();
    if !names.is_empty() {
        outcomes.push(Outcome::ok(format!("served: {}", names.join(", "))));
    } else if outcomes.is_empty() {
        outcomes.push(Outcome::ok("none is served now"));
    }
    outcomes
}

pub(super) fn poll_thread(facts: &Facts) -> Vec<Outcome> {
    facts
        .queues
        .iter()
        .map(|queue| judge_thread(facts, queue).about(&queue.name))
        .collect()
}

fn judge_thread(facts: &Facts, queue: &QueueFacts) -> Outcome {
    let Some(thread) = &queue.poll_thread else {
        return Outcome::unknown("its thread cannot be seen").next("sudo hpcapctl doctor");
    };
    let Some(cpu) = queue.pinned_cpu() else {
        let last = thread
            .last_cpu
            .map_or(String::new(), |cpu| format!(", last on {cpu}"));
        return Outcome::advice(format!("it may run on CPU {}{last}", thread.allowed))
            .next(pin(facts, queue));
    };
    let rival = facts
        .pinned_queues()
        .find(|(other, its)| *its == cpu && other.name != queue.name);
    match rival {
        Some((other, _)) => {
            Outcome::problem(format!("CPU {cpu} also polls {}", other.name)).next(pin(facts, queue))
        }
        None => Outcome::ok(format!("CPU {cpu}")),
    }
}

/// The command that moves the poll thread of `queue` to a CPU of its own.
pub(super) fn pin(facts: &Facts, queue: &QueueFacts) -> String {
    let cpu = facts.proposed_cpu();
    match queue.is_of_module(&facts.tree) {
        true => format!("echo {cpu} > {}/cpu", queue.sysfs()),
        false => format!(
            "start it with --cpu {cpu}: hpcapd --cpu {cpu} {}",
            queue.source
        ),
    }
}

pub(super) fn losses(facts: &Facts) -> Vec<Outcome> {
    facts
        .queues
        .iter()
        .flat_map(|queue| {
            let wire = queue.ledger.on_the_wire().frames;
            let mut outcomes: Vec<_> = Reason::ledger()
                .iter()
                .filter(|reason| reason.is_loss())
                .filter_map(|reason| {
                    let lost = queue.ledger[*reason].frames;
                    let now = queue.losing.iter().find(|(which, _)| which == reason);
                    let total = format!("{lost} of {wire} frames since the start");
                    let outcome = match (lost, now) {
                        (0, None) => return None,
                        (_, Some((_, frames))) => Outcome::problem(format!(
                            "{reason}: {frames} frames within half a second, {total}"
                        )),
                        (_, None) => Outcome::advice(format!("{reason}: {total}, none now")),
                    };
                    Some(outcome.next(cure(facts, queue, *reason)))
                })
                .collect();
            if outcomes.is_empty() {
                outcomes.push(Outcome::ok(format!("none of {wire} frames")));
            }
            outcomes
                .into_iter()
                .map(|outcome| outcome.about(&queue.name))
        })
        .collect()
}

/// What to change so that frames are not lost for `reason`.
fn cure(facts: &Facts, queue: &QueueFacts, reason: Reason) -> String {
    let (name, interface) = (&queue.name, &queue.interface);
    match reason {
        Reason::RingFull if queue.is_of_module(&facts.tree) => format!(
            "find the slow listener: hpcapctl status {name}; a larger ring: hpcapctl ring {name} --size {}M",
            queue.ring_bytes.div_ceil(1 << 20) * 2
        ),
        Reason::RingFull => format!(
            "find the slow listener: hpcapctl status {name}; a larger ring: hpcapd --ring {}M",
            queue.ring_bytes.div_ceil(1 << 20) * 2
        ),
        Reason::NicError => format!("check cable and MTU: ethtool -S {interface}"),
        _ => format!(
            "give the poll thread a CPU of its own and the NIC more descriptors: {}; ethtool -g {interface}",
            pin(facts, queue)
        ),
    }
}

pub(super) fn listeners(facts: &Facts) -> Vec<Outcome> {
    facts
        .queues
        .iter()
        .filter_map(|queue| {
            let slowest = queue.slowest.as_ref()?;
            let text = format!(
                "{} (id {}) is {} behind in a ring of {}",
                slowest.program,
                slowest.id,
                Bytes(slowest.lag_bytes),
                Bytes(queue.ring_bytes)
            );
            let late = slowest.lag_bytes > queue.ring_bytes / 2;
            let outcome = match late && slowest.lossless {
                true => Outcome::problem(text)
                    .next(format!("hpcapctl kill {} {}", queue.name, slowest.id)),
                false => Outcome::ok(text),
            };
            Some(outcome.about(&queue.name))
        })
        .collect()
}
