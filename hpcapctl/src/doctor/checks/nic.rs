//! Checks of interfaces and of their devices.

use super::{Facts, Outcome};
use crate::doctor::InterfaceFacts;

pub(super) fn supported(facts: &Facts) -> Vec<Outcome> {
    let found: Vec<_> = facts
        .supported_nics()
        .map(|nic| {
            let driver = nic.driver.as_deref().unwrap_or("no driver");
            format!("{} ({driver})", nic.address)
        })
        .collect();
    if !found.is_empty() {
        return vec![Outcome::ok(format!(
            "82599, X540, X550 or 82576: {}",
            found.join(", ")
        ))];
    }
    let interface = facts.interfaces.iter().find(|i| i.up);
    let name = interface.map_or("eth0", |i| i.name.as_str());
    vec![
        Outcome::advice(
            "there is no 82599, X540, X550 or 82576 here: use the userspace engine, hpcapd",
        )
        .next(format!("hpcapd af_packet:{name}")),
    ]
}

/// Judges each interface for which `judge` has an answer.
fn each(facts: &Facts, judge: impl Fn(&InterfaceFacts) -> Option<Outcome>) -> Vec<Outcome> {
    facts
        .interfaces
        .iter()
        .filter_map(|interface| Some(judge(interface)?.about(&interface.name)))
        .collect()
}

pub(super) fn link(facts: &Facts) -> Vec<Outcome> {
    each(facts, |interface| {
        let name = &interface.name;
        Some(match (interface.up, interface.running) {
            (false, _) => Outcome::advice("it is down").next(format!("ip link set {name} up")),
            (true, false) => Outcome::problem("it is up, and has no link").next(format!(
                "check cable, module and the other end; ethtool {name}"
            )),
            (true, true) => Outcome::ok(match interface.bits_per_second {
                Some(bits) => format!("up, {} Mb/s", bits / 1_000_000),
                None => "up".into(),
            }),
        })
    })
}

pub(super) fn pcie_link(facts: &Facts) -> Vec<Outcome> {
    each(facts, |interface| {
        let device = interface.device.as_ref()?;
        let link = device.link?;
        let wire = interface.bits_per_second.unwrap_or(0);
        let slot = device.address.to_string();
        // Headers of PCIe packets and descriptors take about a quarter with the smallest frames.
        if link.bits_per_second() / 4 * 3 < wire {
            return Some(
                Outcome::problem(format!(
                    "{link} carries less than the link of {} Mb/s",
                    wire / 1_000_000
                ))
                .next(format!(
                    "put the NIC into another slot; lspci -vv -s {slot}"
                )),
            );
        }
        Some(match device.best_link {
            Some(best) if best.bits_per_second() > link.bits_per_second() => {
                Outcome::advice(format!("{link}, and the NIC is capable of {best}")).next(format!(
                    "put the NIC into a wider slot; lspci -vv -s {slot}"
                ))
            }
            _ => Outcome::ok(link.to_string()),
        })
    })
}

pub(super) fn numa_node(facts: &Facts) -> Vec<Outcome> {
    if facts.nodes.len() < 2 {
        return Vec::new();
    }
    each(facts, |interface| {
        let Some(node) = interface.device.as_ref()?.node else {
            return Some(Outcome::unknown(
                "the firmware does not say which node it is on",
            ));
        };
        let astray = facts.pinned_queues().find(|(queue, cpu)| {
            let home = facts.cpus.get(*cpu).and_then(|cpu| cpu.node);
            queue.interface == interface.name && home.is_some_and(|home| home != node)
        });
        Some(match astray {
            None => Outcome::ok(format!(
                "node {node}, with CPU {}",
                facts.cpus.of_node(node)
            )),
            Some((queue, cpu)) => Outcome::advice(format!(
                "it is on node {node}, and {} polls it on CPU {cpu} of another node",
                queue.name
            ))
            .next(super::queues::pin(facts, queue)),
        })
    })
}

pub(super) fn pause(facts: &Facts) -> Vec<Outcome> {
    each(facts, |interface| {
        Some(match interface.pause? {
            pause if pause.sends => Outcome::advice("it sends pause frames").next(format!(
                "ethtool -A {} autoneg off rx off tx off",
                interface.name
            )),
            _ => Outcome::ok("it sends no pause frames"),
        })
    })
}

pub(super) fn offloads(facts: &Facts) -> Vec<Outcome> {
    each(facts, |interface| {
        let offloads = interface.offloads;
        let on: Vec<_> = [("gro", offloads.gro), ("lro", offloads.lro)]
            .into_iter()
            .filter_map(|(name, on)| on.then_some(name))
            .collect();
        Some(match on.is_empty() {
            true => Outcome::ok("frames are not merged"),
            false => {
                Outcome::advice(format!("received frames are merged ({})", on.join(", "))).next(
                    format!("ethtool -K {} {} off", interface.name, on.join(" off ")),
                )
            }
        })
    })
}

pub(super) fn ring_length(facts: &Facts) -> Vec<Outcome> {
    each(facts, |interface| {
        let rings = interface.rings?;
        let (now, limit) = (rings.receive, rings.receive_limit);
        // Longer rings than this do not stay in the cache that the NIC writes to.
        let wanted = limit.min(4096);
        Some(match now < wanted {
            false => Outcome::ok(format!("{now} receive descriptors of at most {limit}")),
            true => Outcome::advice(format!("{now} receive descriptors of at most {limit}"))
                .next(format!("ethtool -G {} rx {wanted}", interface.name)),
        })
    })
}

pub(super) fn mtu(facts: &Facts) -> Vec<Outcome> {
    each(facts, |interface| {
        let (mtu, errors) = (interface.mtu, interface.rx_errors);
        Some(match errors > 0 && mtu < 9000 {
            false => Outcome::ok(format!("{mtu} bytes")),
            true => Outcome::advice(format!(
                "{mtu} bytes, and {errors} frames arrived damaged or too long"
            ))
            .next(format!("ip link set {} mtu 9000", interface.name)),
        })
    })
}
