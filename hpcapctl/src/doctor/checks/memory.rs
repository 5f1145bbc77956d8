//! Checks of memory pages.

use hpcap::units::Bytes;
use hpcap_host::HugePool;
use hpcap_host::pages::ORDINARY;

use super::{Facts, Outcome};

pub(super) fn hugepages(facts: &Facts) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = facts
        .queues
        .iter()
        .map(|queue| {
            let ring = Bytes(queue.ring_bytes);
            if queue.page_bytes > ORDINARY {
                let pages = Bytes(queue.page_bytes);
                return Outcome::ok(format!("ring of {ring} in pages of {pages}"))
                    .about(&queue.name);
            }
            Outcome::advice(format!("ring of {ring} in ordinary pages"))
                .about(&queue.name)
                .next(reserve(facts, queue.ring_bytes))
        })
        .collect();
    if !outcomes.is_empty() {
        return outcomes;
    }
    let found: Vec<_> = facts
        .pools
        .iter()
        .filter(|pool| pool.total > 0)
        .map(|pool| {
            format!(
                "{} of {} free, {} each",
                pool.available(),
                pool.total,
                Bytes(pool.page_bytes)
            )
        })
        .collect();
    let node = nic_node(facts);
    let on_node = node.map_or(0, |node| {
        HugePool::of_node(&facts.tree, node)
            .iter()
            .map(|pool| pool.free)
            .sum()
    });
    outcomes.push(match (found.is_empty(), node) {
        (true, _) => Outcome::advice("none are reserved").next(reserve(facts, 1 << 30)),
        (false, Some(node)) if on_node == 0 && facts.nodes.len() > 1 => Outcome::advice(format!(
            "{}; none free on node {node}, which has the NIC",
            found.join("; ")
        ))
        .next(reserve(facts, 1 << 30)),
        _ => Outcome::ok(found.join("; ")),
    });
    outcomes
}

/// The node of the first interface that has a device with a node.
fn nic_node(facts: &Facts) -> Option<u32> {
    facts
        .interfaces
        .iter()
        .find_map(|i| i.device.as_ref()?.node)
}

/// The command that reserves hugepages for a ring of `bytes`.
fn reserve(facts: &Facts, bytes: u64) -> String {
    let mib = bytes.div_ceil(2 << 20) * 2;
    match nic_node(facts).filter(|_| facts.nodes.len() > 1) {
        Some(node) => format!("hpcapctl hugepages reserve {mib}M --pages 2M --node {node}"),
        None => format!("hpcapctl hugepages reserve {mib}M --pages 2M"),
    }
}

pub(super) fn numa_balancing(facts: &Facts) -> Vec<Outcome> {
    const FILE: &str = "/proc/sys/kernel/numa_balancing";
    if facts.nodes.len() < 2 {
        return Vec::new();
    }
    vec![match facts.tree.value::<u32>(FILE) {
        None => Outcome::unknown(format!("{FILE} cannot be read")),
        Some(0) => Outcome::ok("it is off"),
        Some(_) => Outcome::advice("it is on").next("sysctl kernel.numa_balancing=0"),
    }]
}
