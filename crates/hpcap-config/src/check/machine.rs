//! Whether a configuration fits a machine.

use std::collections::BTreeMap;

use hpcap::units::Bytes;
use hpcap_host::pages::Pages;

use crate::document::{Finding, Section};
use crate::machine::{Machine, Node};
use crate::model::{Config, Interface, Mode};

/// Finds what of `config` does not fit `machine`.
#[must_use]
pub(super) fn check(config: &Config, machine: &Machine) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (i, interface) in config.interfaces.iter().enumerate() {
        let section = Section::Interface(i);
        check_presence(section, interface, machine, &mut findings);
        for cpu in &interface.cpus {
            check_cpu(section, "cpus", *cpu, machine, &mut findings);
        }
        if let Some(node) = interface.node.filter(|n| !machine.nodes.contains_key(n)) {
            let nodes: Vec<String> = machine.nodes.keys().map(ToString::to_string).collect();
            let why = format!(
                "the machine has no NUMA node {node}; it has {}",
                nodes.join(", ")
            );
            findings.push(Finding::error(section, "node", why));
        }
    }
    for (i, recorder) in config.recorders.iter().enumerate() {
        if let Some(cpu) = recorder.cpu {
            check_cpu(Section::Recorder(i), "cpu", cpu, machine, &mut findings);
        }
    }
    if let Some(cpu) = config.monitor.cpu {
        check_cpu(Section::Monitor, "cpu", cpu, machine, &mut findings);
    }
    check_poll_cpus(config, machine, &mut findings);
    check_memory(config, machine, &mut findings);
    findings
}

fn check_presence(
    section: Section,
    interface: &Interface,
    machine: &Machine,
    findings: &mut Vec<Finding>,
) {
    if machine.port_of(interface).is_some() {
        return;
    }
    let (key, what) = match interface {
        i if i.pci.is_some() => ("pci", "there is no Ethernet port at this address"),
        i if i.mac.is_some() => ("mac", "there is no interface with this MAC address"),
        _ => ("name", "there is no interface of this name"),
    };
    // A kernel module gives these names, so they appear when it is loaded.
    if key == "name" && interface.number_in_name().is_some() && interface.engine.is_kernel() {
        let why = "there is no interface of this name yet: the kernel module makes it";
        findings.push(
            Finding::warning(section, key, why)
                .advise("load the module, or name the interface by pci to have it checked"),
        );
        return;
    }
    let names: Vec<String> = machine
        .ports
        .iter()
        .filter_map(|port| match key {
            "pci" => port.pci.map(|pci| pci.to_string()),
            "mac" => port.mac.map(|mac| mac.to_string()),
            _ => port.name.clone(),
        })
        .collect();
    let there = match names.len() {
        0 => "there are none".to_owned(),
        _ => format!("there are {}", names.join(", ")),
    };
    findings.push(Finding::error(section, key, what).advise(there));
}

fn check_cpu(
    section: Section,
    key: &'static str,
    cpu: u32,
    machine: &Machine,
    findings: &mut Vec<Finding>,
) {
    if machine.cpus.is_empty() || machine.cpus.contains_key(&cpu) {
        return;
    }
    let online: Vec<u32> = machine.cpus.keys().copied().collect();
    let why = format!("the machine has no CPU {cpu} that is online");
    let there = format!("online are {}", ranges(&online));
    findings.push(Finding::error(section, key, why).advise(there));
}

/// Writes ascending numbers as the kernel does: `0-3,8`.
fn ranges(numbers: &[u32]) -> String {
    let mut spans: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match spans.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => spans.push((*number, *number)),
        }
    }
    let texts: Vec<String> = spans
        .iter()
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        })
        .collect();
    texts.join(",")
}

/// Warns of poll threads that are far from their NIC, or that share a core.
fn check_poll_cpus(config: &Config, machine: &Machine, findings: &mut Vec<Finding>) {
    let mut owners: BTreeMap<u32, u32> = BTreeMap::new();
    for (i, interface) in config.interfaces.iter().enumerate() {
        let section = Section::Interface(i);
        let nic = machine.port_of(interface).and_then(|port| port.node);
        let mut warn = |why: String, advice: &str| {
            findings.push(Finding::warning(section, "cpus", why).advise(advice));
        };
        for cpu in &interface.cpus {
            let Some(facts) = machine.cpus.get(cpu) else {
                continue;
            };
            if let Some(nic) = nic.filter(|nic| *nic != facts.node) {
                warn(
                    format!(
                        "CPU {cpu} is on NUMA node {}, the NIC on node {nic}",
                        facts.node
                    ),
                    "a CPU of the NIC's node captures more frames per second",
                );
            }
            if let Some(other) = facts.core.iter().find_map(|sibling| owners.get(sibling)) {
                warn(
                    format!("CPUs {other} and {cpu} are the two halves of one core"),
                    "give each poll thread a core of its own",
                );
            }
            owners.insert(*cpu, *cpu);
        }
    }
}

/// A size of pages, and the node that they are on.
type Pool = (u32, u64);

/// Reports rings that do not fit the memory, or the reserved hugepages, of their node.
fn check_memory(config: &Config, machine: &Machine, findings: &mut Vec<Finding>) {
    let mut wanted: BTreeMap<Pool, (u64, usize)> = BTreeMap::new();
    for (i, interface) in config.interfaces.iter().enumerate() {
        if interface.mode != Mode::Capture {
            continue;
        }
        let node = machine.node_of(interface);
        let page = match interface.pages {
            Pages::Huge1G => 1 << 30,
            Pages::Huge2M => 2 << 20,
            Pages::Ordinary | Pages::Auto => 4 << 10,
        };
        let bytes = interface.ring_bytes.saturating_mul(interface.queues.into());
        let sum = wanted.entry((node, page)).or_default();
        *sum = (sum.0.saturating_add(bytes), i);
    }
    for ((number, page), (bytes, last)) in wanted {
        let Some(node) = machine.nodes.get(&number) else {
            continue;
        };
        let section = Section::Interface(last);
        match page {
            4096 => check_ordinary(section, number, node, bytes, findings),
            page => check_hugepages(section, number, node, page, bytes, findings),
        }
    }
}

fn check_ordinary(
    section: Section,
    number: u32,
    node: &Node,
    bytes: u64,
    findings: &mut Vec<Finding>,
) {
    let reserved: u64 = node
        .huge_pages
        .iter()
        .map(|(page, pages)| page.saturating_mul(pages.all))
        .sum();
    let memory = node.memory_bytes.saturating_sub(reserved);
    // The rest is for the system and for the programs that read the rings.
    let most = memory / 10 * 9;
    if node.memory_bytes != 0 && bytes > most {
        let why = format!(
            "the rings of NUMA node {number} take {}, and the node has {} besides hugepages",
            Bytes(bytes),
            Bytes(memory)
        );
        let advice = format!("at most {} leaves a tenth to everything else", Bytes(most));
        findings.push(Finding::error(section, "ring", why).advise(advice));
    }
}

fn check_hugepages(
    section: Section,
    number: u32,
    node: &Node,
    page: u64,
    bytes: u64,
    findings: &mut Vec<Finding>,
) {
    let needed = bytes.div_ceil(page);
    let there = node.huge_pages.get(&page).copied().unwrap_or_default();
    if needed <= there.all {
        return;
    }
    let size = if page == 1 << 30 { "1G" } else { "2M" };
    let why = format!(
        "the rings of NUMA node {number} take {needed} hugepages of {size}, and {} are reserved there",
        there.all
    );
    let file = format!(
        "/sys/devices/system/node/node{number}/hugepages/hugepages-{}kB/nr_hugepages",
        page / 1024
    );
    let finding = match bytes > node.memory_bytes && node.memory_bytes != 0 {
        true => Finding::error(section, "ring", why).advise(format!(
            "the node has only {} of memory: make the rings smaller",
            Bytes(node.memory_bytes)
        )),
        false => Finding::error(section, "pages", why).advise(format!(
            "reserve them: echo {needed} > {file}, or set pages = \"auto\""
        )),
    };
    findings.push(finding);
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn ranges_have_the_form_of_the_kernel() {
        assert_eq!(ranges(&[]), "");
        assert_eq!(ranges(&[0, 1, 2, 7, 9, 10]), "0-2,7,9-10");
        assert_eq!(ranges(&[u32::MAX]), "4294967295");
    }
}
