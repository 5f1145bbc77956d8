//! The state of a queue as people and programs read it: the same in every tool.

use std::fmt::{self, Write};

use serde::Serialize;

use super::{ListenerInfo, Queue};
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::listener::Contract;
use crate::name::QueueName;
use crate::units::Bytes;
use crate::visible::{visible, visible_json};

/// What can be seen of a queue from outside, as the tools print it, in JSON too.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct QueueStatus {
    /// Its name.
    pub queue: String,
    /// Whether its producer still runs.
    pub running: bool,
    /// Specification of the source.
    pub source: String,
    /// The interface or file that frames come from.
    pub interface: String,
    /// The filter; empty = none.
    pub filter: String,
    /// Process of the producer; of the kernel module, its poll thread.
    pub pid: u32,
    /// Size of the ring.
    pub ring_bytes: u64,
    /// Size of the memory pages under it.
    pub page_bytes: u64,
    /// Size of a block.
    pub block_bytes: u64,
    /// Capture length; 0 = whole frames.
    pub caplen: u32,
    /// Stream offset that was reached.
    pub published_bytes: u64,
    /// The ledger.
    pub ledger: Ledger,
    /// Frames longer than 65,535 bytes, stored cut.
    pub frames_cut: u64,
    /// Frames stored with another time, because theirs cannot be.
    pub times_adjusted: u64,
    /// Gap records in the stream.
    pub gaps: u64,
    /// Captured frames that are marked as duplicates.
    pub duplicates_marked: u64,
    /// The listeners.
    pub listeners: Vec<ListenerStatus>,
}

/// A listener of it.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ListenerStatus {
    /// Its id.
    pub id: u64,
    /// Name of the program.
    pub program: String,
    /// Its process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// `lossless` or `lossy`.
    pub contract: &'static str,
    /// How long it may hold the ring back; `None` = without limit.
    pub max_stall_seconds: Option<f64>,
    /// `starting`, `active`, `demoted`, `finished` (reads what is left) or `killed`.
    pub state: &'static str,
    /// When it attached.
    pub attached: String,
    /// Bytes that it has not acknowledged.
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
    /// The state of `queue` now.
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
            ledger: ledger.ledger,
            frames_cut: ledger.frames_cut,
            times_adjusted: ledger.times_adjusted,
            gaps: ledger.gaps,
            duplicates_marked: ledger.duplicates_marked,
            listeners: queue.listeners().iter().map(ListenerStatus::from).collect(),
        }
    }
}

/// As people read it: a line for the queue, the ledger, a line for each listener.
impl fmt::Display for QueueStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        print(&mut out, self);
        f.write_str(&out)
    }
}

/// The queues of this machine that can be seen, and what is known of those that cannot.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Look {
    /// Those that could be opened.
    pub queues: Vec<Queue>,
    /// Why others could not, or why it is not known whether there are others.
    pub unseen: Vec<Error>,
}

impl Look {
    /// Looks at every queue of this machine, or at `only` one. One that cannot be opened does not
    /// hide the others.
    #[must_use]
    pub fn at(only: Option<QueueName>) -> Self {
        let (names, unseen) = only.map_or_else(Queue::list, |name| (vec![name], Vec::new()));
        let mut look = Self {
            queues: Vec::new(),
            unseen,
        };
        for name in names {
            match Queue::open(name) {
                Ok(queue) => look.queues.push(queue),
                Err(e) => look.unseen.push(e),
            }
        }
        look
    }
}

/// One JSON object, in a line.
///
/// # Errors
/// When it cannot be one.
pub fn json_line(object: &impl Serialize) -> Result<String> {
    serde_json::to_string(object)
        .map(|line| visible_json(&line).into_owned() + "\n")
        .map_err(|e| Error::io("print JSON", e.into()))
}

fn print(out: &mut String, status: &QueueStatus) {
    let state = if status.running { "running" } else { "ended" };
    let _ = writeln!(
        out,
        "{}  {}  {state}, pid {}, ring {} in {} pages",
        status.queue,
        visible(&status.source),
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
            l.id,
            visible(&l.program),
            l.pid,
            l.contract,
            l.state
        );
    }
}

/// The ledger, a line for each reason that has a frame.
pub fn print_ledger(out: &mut String, ledger: &Ledger) {
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
