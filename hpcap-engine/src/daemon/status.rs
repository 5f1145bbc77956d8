//! `hpcapd --status` and `--kill`: what runs on this machine, seen from outside.

use std::fmt::Write;

use hpcap::queue::QueueInfo;
use hpcap::units::Bytes;
use hpcap::{Contract, Error, Ledger, ListenerInfo, Queue, QueueName, Result};
use serde::Serialize;

/// One queue, as `--json` prints it.
#[derive(Serialize)]
struct QueueStatus {
    queue: String,
    running: bool,
    source: String,
    interface: String,
    filter: String,
    pid: u32,
    ring_bytes: u64,
    page_bytes: u64,
    block_bytes: u64,
    caplen: u32,
    published_bytes: u64,
    ledger: Ledger,
    frames_cut: u64,
    times_adjusted: u64,
    gaps: u64,
    duplicates_marked: u64,
    listeners: Vec<ListenerStatus>,
}

#[derive(Serialize)]
struct ListenerStatus {
    id: u64,
    program: String,
    pid: u32,
    uid: u32,
    contract: &'static str,
    max_stall_seconds: Option<f64>,
    state: &'static str,
    attached: String,
    lag_bytes: u64,
}

fn contract_name(contract: Contract) -> &'static str {
    match contract {
        Contract::Lossless | Contract::LosslessFor(_) => "lossless",
        Contract::Lossy => "lossy",
    }
}

impl From<&ListenerInfo> for ListenerStatus {
    fn from(l: &ListenerInfo) -> Self {
        Self {
            id: l.id,
            program: l.program.clone(),
            pid: l.pid,
            uid: l.uid,
            contract: contract_name(l.contract),
            max_stall_seconds: match l.contract {
                Contract::LosslessFor(limit) => Some(limit.as_secs_f64()),
                _ => None,
            },
            state: match l {
                l if l.killed => "killed",
                l if l.starting => "starting",
                l if l.demoted.is_some() => "demoted",
                _ => "active",
            },
            attached: l.attached.to_string(),
            lag_bytes: l.lag_bytes,
        }
    }
}

fn status_of(queue: &Queue) -> QueueStatus {
    let info = queue.info();
    let ledger = queue.ledger();
    QueueStatus {
        queue: info.name.to_string(),
        running: queue.is_running(),
        source: info.source.clone(),
        interface: info.interface.clone(),
        filter: info.filter.clone(),
        pid: info.producer_pid,
        ring_bytes: info.ring_bytes,
        page_bytes: info.page_bytes,
        block_bytes: info.block_bytes,
        caplen: queue.page().caplen(),
        published_bytes: ledger.published,
        ledger: ledger.ledger,
        frames_cut: ledger.frames_cut,
        times_adjusted: ledger.times_adjusted,
        gaps: ledger.gaps,
        duplicates_marked: ledger.duplicates_marked,
        listeners: queue.listeners().iter().map(ListenerStatus::from).collect(),
    }
}

/// Prints the queues of this machine, or one of them.
pub(super) fn show(only: Option<QueueName>, json: bool) -> Result<String> {
    let mut out = String::new();
    let names = only.map_or_else(Queue::list, |name| vec![name]);
    for name in &names {
        match Queue::open(*name) {
            Ok(queue) => {
                let status = status_of(&queue);
                if json {
                    let line = serde_json::to_string(&status)
                        .map_err(|e| Error::io("print JSON", e.into()))?;
                    let _ = writeln!(out, "{line}");
                } else {
                    print_queue(&mut out, queue.info(), &status);
                }
            }
            Err(e) if only.is_some() => return Err(e),
            // In a list, one that cannot be opened does not hide the others.
            Err(e) => eprintln!("hpcapd: {e}"),
        }
    }
    if names.is_empty() && !json {
        out.push_str(
            "no queue is served on this machine (hpcapd af_packet:INTERFACE starts one)\n",
        );
    }
    Ok(out)
}

fn print_queue(out: &mut String, info: &QueueInfo, status: &QueueStatus) {
    let state = if status.running { "running" } else { "ended" };
    let _ = writeln!(
        out,
        "{}  {}  {state}, pid {}, ring {} in {} pages",
        status.queue,
        info.source,
        status.pid,
        Bytes(status.ring_bytes),
        Bytes(status.page_bytes),
    );
    print_ledger(out, &status.ledger);
    if status.duplicates_marked > 0 {
        let _ = writeln!(
            out,
            "  {} of the captured are marked as duplicates",
            status.duplicates_marked
        );
    }
    if status.listeners.is_empty() {
        out.push_str("  no listeners\n");
        return;
    }
    let _ = writeln!(
        out,
        "  {:>4}  {:<16} {:>7}  {:<9} {:<9} {:>10}",
        "id", "listener", "pid", "contract", "state", "lag"
    );
    for l in &status.listeners {
        let lag = Bytes(l.lag_bytes).to_string();
        let _ = writeln!(
            out,
            "  {:>4}  {:<16} {:>7}  {:<9} {:<9} {lag:>10}",
            l.id, l.program, l.pid, l.contract, l.state
        );
    }
}

/// The ledger, a line for each reason that has a frame.
pub(super) fn print_ledger(out: &mut String, ledger: &Ledger) {
    let wire = ledger.on_the_wire();
    let _ = writeln!(
        out,
        "  {:<12} {:>15} frames  {:>9}",
        "on the wire",
        wire.frames,
        Bytes(wire.bytes).to_string()
    );
    for (reason, count) in ledger.iter() {
        if !count.is_zero() {
            let _ = writeln!(
                out,
                "  {:<12} {:>15} frames  {:>9}",
                reason.name(),
                count.frames,
                Bytes(count.bytes).to_string()
            );
        }
    }
}

/// Kills listener `id` of queue `name`.
pub(super) fn kill(name: &str, id: &str) -> Result<String> {
    let name: QueueName = name.parse()?;
    let number: u64 = id.parse().map_err(|_| {
        Error::usage(
            format!("listener {id:?}"),
            "expected the number in column id of `hpcapd --status`",
        )
    })?;
    Queue::open(name)?.kill(number)?;
    Ok(format!("listener {number} of {name} is killed\n"))
}
