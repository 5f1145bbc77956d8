//! Facts of network interfaces.

use std::collections::BTreeMap;

use hpcap_host::{Interrupt, PciDevice, Tree};
use hpcapctl::doctor::{self, InterfaceFacts};

use super::{Subject, to_f64};
use crate::bundle::Bundle;
use crate::record::{INTERFACES, InterfaceRecord, QueuesRecord};

/// Counters of drivers for frames that found no memory.
const NO_BUFFER: [&str; 7] = [
    "alloc_rx_buff_failed",
    "alloc_rx_page_failed",
    "rx_buff_alloc_err",
    "rx_no_buffer_count",
    "rx_no_dma_resources",
    "rx_out_of_buffer",
    "rx_alloc_fail",
];
/// Counters of drivers for pause frames that were received.
const PAUSED: [&str; 4] = [
    "rx_flow_control_xoff",
    "l2_rx_xoff",
    "rx_pause",
    "rx_pause_ctrl_phy",
];
/// Counters of drivers for pause frames that were sent.
const PAUSES: [&str; 4] = [
    "tx_flow_control_xoff",
    "l2_tx_xoff",
    "tx_pause",
    "tx_pause_ctrl_phy",
];

/// The interfaces that a doctor looks at: those that capture or have hardware.
pub(super) fn for_doctor(
    tree: &Tree,
    records: &[InterfaceRecord],
    queues: &QueuesRecord,
) -> Vec<InterfaceFacts> {
    records
        .iter()
        .filter(|record| record.is_hardware || is_captured(record, queues))
        .map(|record| InterfaceFacts {
            name: record.name.clone(),
            up: record.up,
            running: record.running,
            bits_per_second: record.bits_per_second,
            mtu: record.mtu,
            rx_errors: record.counters.get("rx_errors").copied().unwrap_or(0),
            offloads: record.offloads(),
            pause: record.pause(),
            rings: record.rings(),
            device: PciDevice::of_interface(tree, &record.name),
        })
        .collect()
}

fn is_captured(record: &InterfaceRecord, queues: &QueuesRecord) -> bool {
    let name = Some(record.name.as_str());
    queues
        .queues
        .iter()
        .any(|queue| queue.report["interface"].as_str() == name)
}

/// Makes the subjects of all interfaces.
pub(super) fn subjects(
    bundle: &Bundle,
    doctor: &doctor::Facts,
    queues: &QueuesRecord,
) -> Vec<Subject> {
    let first: Vec<InterfaceRecord> = bundle.json(INTERFACES);
    let later: Vec<InterfaceRecord> = bundle.later_json(INTERFACES);
    later
        .iter()
        .map(|record| {
            let before = first
                .iter()
                .find(|r| r.name == record.name)
                .unwrap_or(record);
            let mut subject = Subject::new("interface", &record.name);
            subject.flag("captured", is_captured(record, queues));
            add_counters(&mut subject, before, record);
            add_balance(&mut subject, before, record);
            if let Some(bits) = record.bits_per_second {
                subject.count("bits_per_second", bits);
            }
            if let (Some(ring), Some(limit)) = (record.ring_receive, record.ring_receive_limit) {
                subject.count("ring", ring.into());
                subject.count("ring_limit", limit.into());
            }
            if let Some(device) = PciDevice::of_interface(&doctor.tree, &record.name) {
                add_device(&mut subject, bundle, doctor, &device, &record.name);
            }
            subject
        })
        .collect()
}

fn add_counters(subject: &mut Subject, first: &InterfaceRecord, later: &InterfaceRecord) {
    for (name, value) in &later.counters {
        subject.counter(
            name,
            first.counters.get(name).copied().unwrap_or(*value),
            *value,
        );
    }
    let sum = |record: &InterfaceRecord, names: &[&str]| -> u64 {
        let values = names.iter().filter_map(|name| record.statistics.get(*name));
        values.sum()
    };
    let missed = |record: &InterfaceRecord| {
        let kernel = record
            .counters
            .get("rx_missed_errors")
            .copied()
            .unwrap_or(0);
        kernel.max(sum(record, &["rx_missed_errors"]))
    };
    subject.counter("rx_missed", missed(first), missed(later));
    subject.counter(
        "rx_no_buffer",
        sum(first, &NO_BUFFER),
        sum(later, &NO_BUFFER),
    );
    subject.counter("pause_received", sum(first, &PAUSED), sum(later, &PAUSED));
    subject.counter("pause_sent", sum(first, &PAUSES), sum(later, &PAUSES));
}

/// How evenly frames come in the receive queues: the share of the busiest one.
fn add_balance(subject: &mut Subject, first: &InterfaceRecord, later: &InterfaceRecord) {
    let (before, now) = (queue_frames(first), queue_frames(later));
    if now.len() < 2 {
        return;
    }
    let new: Vec<u64> = now
        .iter()
        .map(|(queue, frames)| frames.saturating_sub(before.get(queue).copied().unwrap_or(0)))
        .collect();
    let total: u64 = new.iter().sum();
    let busiest = new.iter().max().copied().unwrap_or(0);
    subject.count("receive_queues", u64::try_from(now.len()).unwrap_or(0));
    subject.count("queue_frames_new", total);
    subject.number("busiest_share", to_f64(busiest) / to_f64(total.max(1)));
}

/// Frames of each receive queue, as drivers name them: `rx_queue_0_packets`, `rx0_packets`, `rx-0.packets`.
fn queue_frames(record: &InterfaceRecord) -> BTreeMap<u32, u64> {
    let queue = |name: &str| -> Option<u32> {
        let name = name.strip_suffix("packets")?.trim_end_matches(['_', '.']);
        let number = name
            .strip_prefix("rx_queue_")
            .or_else(|| name.strip_prefix("rx-"))
            .or_else(|| name.strip_prefix("rx"))?;
        number.parse().ok()
    };
    record
        .statistics
        .iter()
        .filter_map(|(name, frames)| Some((queue(name)?, *frames)))
        .collect()
}

fn add_device(
    subject: &mut Subject,
    bundle: &Bundle,
    doctor: &doctor::Facts,
    device: &PciDevice,
    name: &str,
) {
    if let Some(link) = device.link {
        subject.count("pcie_bits_per_second", link.bits_per_second());
        subject.text("pcie", link.to_string());
    }
    let errors = |read: &dyn Fn(&str) -> String| -> u64 {
        ["correctable", "nonfatal", "fatal"]
            .iter()
            .map(|kind| {
                let path = format!("sys/bus/pci/devices/{}/aer_dev_{kind}", device.address);
                let text = read(&path);
                let total = text.lines().find(|line| line.starts_with("TOTAL_ERR"));
                let count = total.and_then(|line| line.split_whitespace().last()?.parse().ok());
                count.unwrap_or(0_u64)
            })
            .sum()
    };
    subject.counter(
        "pcie_errors",
        errors(&|path| bundle.text(path)),
        errors(&|path| bundle.later_text(path)),
    );
    if let Some(node) = device.node.filter(|_| doctor.nodes.len() > 1) {
        let cpus = doctor.cpus.of_node(node);
        let all = Interrupt::of_interface(&doctor.interrupts, Some(device), name);
        let astray: Vec<String> = all
            .iter()
            .filter(|i| {
                i.total() > 0 && !i.cpus.is_empty() && i.cpus.intersection(&cpus).is_empty()
            })
            .map(|interrupt| format!("{} on CPU {}", interrupt.number, interrupt.cpus))
            .collect();
        subject.count(
            "interrupts_astray",
            u64::try_from(astray.len()).unwrap_or(0),
        );
        subject.text("interrupts_astray_text", astray.join(", "));
        subject.count("node", node.into());
        subject.text("node_cpus", cpus.to_string());
    }
}
