//! The counters and the listeners of a queue at one moment.

use std::fmt::{self, Write};

use serde::Serialize;

use crate::ledger::{Count, Ledger};
use crate::listener::Contract;
use crate::queue::{ListenerInfo, Queue};
use crate::units::Bytes;
use crate::visible::visible;

/// State of a queue at one moment. The names of the fields are the names in JSON.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct QueueStatus {
    /// Name of the queue, such as `hpcap0` or `hpcap0:1`.
    pub queue: String,
    /// Whether the producer of the queue still runs.
    pub running: bool,
    /// Specification of the source, such as `af_packet:eth0`.
    pub source: String,
    /// The interface or file that frames come from.
    pub interface: String,
    /// Filter in tcpdump's syntax; empty = none.
    pub filter: String,
    /// Process id of the daemon, or of the module's poll thread.
    pub pid: u32,
    /// Size of the ring in bytes.
    pub ring_bytes: u64,
    /// Size of the memory pages under the ring, in bytes.
    pub page_bytes: u64,
    /// Size of a block of the ring in bytes.
    pub block_bytes: u64,
    /// Bytes stored of each frame at most; 0 stores whole frames.
    pub caplen: u32,
    /// Bytes that the producer has published since the queue started.
    pub published_bytes: u64,
    /// All frames on the wire: the sum of the ledger.
    pub on_the_wire: Count,
    /// Frames and bytes by what became of them.
    pub ledger: Ledger,
    /// Frames longer than 65,535 bytes, of which the first 65,535 are stored.
    pub frames_cut: u64,
    /// Frames whose time a record cannot hold, stored with the nearest time that it can.
    pub times_adjusted: u64,
    /// Gap records that the producer has written into the stream.
    pub gaps: u64,
    /// Captured frames that carry a duplicate mark.
    pub duplicates_marked: u64,
    /// The longest time in nanoseconds between two looks of the poll thread for frames.
    pub longest_pause_ns: u64,
    /// The attached listeners.
    pub listeners: Vec<ListenerStatus>,
}

/// State of a listener of a queue.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ListenerStatus {
    /// Number by which `hpcapctl kill` ends the listener.
    pub id: u64,
    /// Name of the program.
    pub program: String,
    /// Process id of the listener.
    pub pid: u32,
    /// User id of the listener.
    pub uid: u32,
    /// `lossless` or `lossy`.
    pub contract: &'static str,
    /// Seconds for which a lossless listener may hold the ring back; `None` sets no limit.
    pub max_stall_seconds: Option<f64>,
    /// `starting`, `active`, `demoted` (from lossless to lossy), `finished` (reads the rest of its
    /// stream) or `killed`.
    pub state: &'static str,
    /// Time when the listener attached, in UTC.
    pub attached: String,
    /// Published bytes that the listener has not acknowledged.
    pub lag_bytes: u64,
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
                l if l.finished => "finished",
                l if l.starting => "starting",
                l if l.demoted.is_some() => "demoted",
                _ => "active",
            },
            attached: l.attached.to_string(),
            lag_bytes: l.lag_bytes,
        }
    }
}

impl QueueStatus {
    /// Reads the state of `queue`.
    #[must_use]
    pub fn of(queue: &Queue) -> Self {
        let info = queue.info();
        let ledger = queue.ledger();
        Self {
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
            on_the_wire: ledger.ledger.on_the_wire(),
            ledger: ledger.ledger,
            frames_cut: ledger.frames_cut,
            times_adjusted: ledger.times_adjusted,
            gaps: ledger.gaps,
            duplicates_marked: ledger.duplicates_marked,
            longest_pause_ns: ledger.longest_pause_ns,
            listeners: queue.listeners().iter().map(ListenerStatus::from).collect(),
        }
    }

    /// The line that names the queue, its source, its producer and its ring.
    pub(super) fn headline(&self) -> String {
        let state = if self.running { "running" } else { "ended" };
        format!(
            "{}  {}  {state}, pid {}, ring {} in {} pages\n",
            self.queue,
            visible(&self.source),
            self.pid,
            Bytes(self.ring_bytes),
            Bytes(self.page_bytes),
        )
    }

    /// The lines after the headline: the ledger and the listeners.
    pub(super) fn details(&self) -> String {
        let mut out = String::new();
        write_ledger(&mut out, &self.ledger);
        if self.duplicates_marked > 0 {
            let _ = writeln!(
                out,
                "  {} of the captured are marked as duplicates",
                self.duplicates_marked
            );
        }
        if self.listeners.is_empty() {
            out.push_str("  no listeners\n");
            return out;
        }
        let _ = writeln!(
            out,
            "  {:>4}  {:<16} {:>7}  {:<9} {:<9} {:>10}",
            "id", "listener", "pid", "contract", "state", "lag"
        );
        for l in &self.listeners {
            let lag = Bytes(l.lag_bytes).to_string();
            let _ = writeln!(
                out,
                "  {:>4}  {:<16} {:>7}  {:<9} {:<9} {lag:>10}",
                l.id,
                visible(&l.program),
                l.pid,
                l.contract,
                l.state
            );
        }
        out
    }
}

/// Writes a line for the queue, the ledger, and a line for each listener.
impl fmt::Display for QueueStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline())?;
        f.write_str(&self.details())
    }
}

/// Appends `ledger` to `out`: the sum, then a line for each reason that has a frame.
pub fn write_ledger(out: &mut String, ledger: &Ledger) {
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
