//! Facts of CPUs, disks, sockets and capture files.

use std::collections::BTreeMap;

use hpcap_host::Tree;
use serde_json::Value as Json;

use super::{Subject, to_f64};
use crate::bundle::Bundle;
use crate::record::{CAPTURES, SOCKETS, SocketRecord};

/// Bytes of a sector in `/proc/diskstats`.
const SECTOR: f64 = 512.0;

/// The frames that each CPU has taken from the NICs for the network stack.
pub(super) fn cpus(bundle: &Bundle) -> Vec<Subject> {
    const FILE: &str = "proc/net/softnet_stat";
    let (first, later) = (
        softnet(&bundle.text(FILE)),
        softnet(&bundle.later_text(FILE)),
    );
    later
        .iter()
        .map(|(cpu, values)| {
            let before = first.get(cpu).unwrap_or(values);
            let mut subject = Subject::new("cpu", format!("CPU {cpu}"));
            for (at, name) in ["processed", "dropped", "squeezed"].iter().enumerate() {
                subject.counter(name, before[at], values[at]);
            }
            subject
        })
        .collect()
}

/// The numbers of each CPU: frames taken, frames dropped, and how often time was up.
fn softnet(text: &str) -> BTreeMap<u64, [u64; 3]> {
    let mut cpus = BTreeMap::new();
    for (line, number) in text.lines().zip(0..) {
        let fields: Vec<u64> = line
            .split_whitespace()
            .map_while(|field| u64::from_str_radix(field, 16).ok())
            .collect();
        if let [processed, dropped, squeezed, ..] = fields[..] {
            // Newer kernels leave out CPUs that are not there, and name the others.
            let cpu = fields.get(12).copied().unwrap_or(number);
            cpus.insert(cpu, [processed, dropped, squeezed]);
        }
    }
    cpus
}

/// How busy each disk was.
pub(super) fn disks(bundle: &Bundle, tree: &Tree, seconds: f64) -> Vec<Subject> {
    const FILE: &str = "proc/diskstats";
    let (first, later) = (
        diskstats(&bundle.text(FILE)),
        diskstats(&bundle.later_text(FILE)),
    );
    let whole = tree.names("/sys/block");
    later
        .iter()
        .filter(|(name, _)| whole.contains(name) && seconds > 0.0)
        .map(|(name, now)| {
            let before = first.get(name).unwrap_or(now);
            let new = |at: usize| to_f64(now[at].saturating_sub(before[at]));
            let mut subject = Subject::new("disk", name);
            subject.number("written_bytes_per_second", new(0) * SECTOR / seconds);
            // Milliseconds in which at least one request was under way.
            subject.number("busy_share", (new(1) / 1000.0 / seconds).min(1.0));
            subject
        })
        .collect()
}

/// Sectors written and milliseconds busy of each disk.
fn diskstats(text: &str) -> BTreeMap<String, [u64; 2]> {
    text.lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let number = |at: usize| fields.get(at)?.parse().ok();
            Some(((*fields.get(2)?).to_owned(), [number(9)?, number(12)?]))
        })
        .collect()
}

/// Sockets with something in their receive queue, or with drops.
pub(super) fn sockets(bundle: &Bundle) -> Vec<Subject> {
    let first: Vec<SocketRecord> = bundle.json(SOCKETS);
    let later: Vec<SocketRecord> = bundle.later_json(SOCKETS);
    let before: BTreeMap<u64, u64> = first
        .iter()
        .map(|socket| (socket.inode, socket.drops.unwrap_or(0)))
        .collect();
    later
        .iter()
        // The receive queue of a TCP socket that listens has connections, not bytes.
        .filter(|socket| socket.protocol.starts_with("udp"))
        .filter(|socket| socket.receive_queue > 0 || socket.drops.is_some_and(|drops| drops > 0))
        .map(|socket| {
            let name = format!("{} {}", socket.protocol, socket.local);
            let mut subject = Subject::new("socket", name);
            let drops = socket.drops.unwrap_or(0);
            let earlier = before.get(&socket.inode).copied().unwrap_or(drops);
            subject.counter("drops", earlier, drops);
            subject.count("receive_queue_bytes", socket.receive_queue);
            subject
        })
        .collect()
}

/// Capture files whose beginning is not sound.
pub(super) fn captures(bundle: &Bundle) -> Vec<Subject> {
    let records: Vec<Json> = bundle.json(CAPTURES);
    records
        .iter()
        .filter_map(|record| {
            let mut subject = Subject::new("capture", record["path"].as_str()?);
            let beginning = record["beginning"].as_str()?;
            subject.text("beginning", beginning);
            subject.flag("sound", beginning == "sound");
            Some(subject)
        })
        .collect()
}
