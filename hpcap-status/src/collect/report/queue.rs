//! A queue in a report: its counts, its rates, its losses and its listeners.

use std::collections::BTreeMap;

use hpcap::Reason;
use serde::{Deserialize, Serialize};

use super::{Rate, Total};

/// The flags of a queue. The first four are those of the original's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Flags {
    /// `L`: the interface has a link, or the source runs.
    pub link: bool,
    /// `C`: a listener costs frames now: the ring is full.
    pub client_loss: bool,
    /// `D`: frames are discarded now, because nobody listens.
    pub discarding: bool,
    /// `E`: frames have arrived damaged.
    pub errors: bool,
    /// `M`: the NIC or the kernel misses frames now.
    pub missed: bool,
}

/// The rates of a queue over about the last second.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Rates {
    /// Seconds over which the rates are taken.
    pub seconds: f64,
    /// All frames that came over the link.
    pub on_the_wire: Rate,
    /// The frames that the ring got.
    pub captured: Rate,
    /// The frames that were lost, for any reason.
    pub lost: Rate,
    /// Frames a second for each reason that kept frames out of the ring; reasons without frames are
    /// left out.
    pub reasons: BTreeMap<String, f64>,
    /// Bytes a second that the ring got, with the headers of records.
    pub published_bytes_per_second: f64,
    /// Mean length of the frames on the wire in bytes, without FCS; `None` without frames.
    pub mean_frame_bytes: Option<f64>,
}

/// The losses of a queue.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Losses {
    /// All frames that were lost since the queue started.
    pub total: Total,
    /// Part of the frames on the wire that was lost since the queue started, 0 to 1.
    pub share: f64,
    /// Part of the frames on the wire that is lost now, 0 to 1.
    pub share_now: f64,
    /// Whether frames are lost now, or were in the last ten seconds.
    pub losing: bool,
    /// When the present or last run of losses began, in nanoseconds since 1970, if anybody saw it.
    pub since_ns: Option<u64>,
    /// When the last frame was lost, in nanoseconds since 1970, if anybody saw it.
    pub last_ns: Option<u64>,
    /// Frames that were lost in the present or last run of losses, as far as anybody saw it.
    pub in_run: u64,
    /// Seconds without a loss.
    pub quiet_seconds: f64,
    /// Whether the time without a loss may be longer, because nobody watched before.
    pub quiet_at_least: bool,
}

/// The thread that fills a ring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PollThread {
    /// Number of the thread.
    pub thread: u32,
    /// The CPUs on which it may run, such as `2` or `0-7`.
    pub cpus: String,
    /// Part of a CPU that it used over the last seconds, 0 to 1; `None` at first.
    pub load: Option<f64>,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct QueueReport {
    /// Name of the queue, such as `hpcap0` or `hpcap0:1`.
    pub queue: String,
    /// Whether the producer of the queue still runs.
    pub running: bool,
    /// `ended`, `stopped`, `failed` or `died`; `None` while it runs.
    pub end: Option<String>,
    /// The engine that serves the queue: `module` or `hpcapd`.
    pub producer: String,
    /// Name and version of the producer.
    pub software: String,
    /// Specification of the source, such as `af_packet:eth0`.
    pub source: String,
    /// The interface or file that frames come from.
    pub interface: String,
    /// Filter in tcpdump's syntax; empty = none.
    pub filter: String,
    /// Process id of the daemon, or of the module's poll thread.
    pub pid: u32,
    /// When the queue started, in nanoseconds since 1970.
    pub start_ns: u64,
    /// Size of the ring in bytes.
    pub ring_bytes: u64,
    /// Size of the memory pages under the ring in bytes.
    pub page_bytes: u64,
    /// Bytes stored of each frame at most; 0 stores whole frames.
    pub caplen: u32,
    /// Bytes that the producer has published since the queue started.
    pub published_bytes: u64,
    /// All frames on the wire: the sum of the ledger.
    pub on_the_wire: Total,
    /// Frames and bytes by what became of them.
    pub ledger: BTreeMap<String, Total>,
    /// Frames longer than 65,535 bytes, of which the first 65,535 are stored.
    pub frames_cut: u64,
    /// Frames whose time a record cannot hold.
    pub times_adjusted: u64,
    /// Gap records in the stream.
    pub gaps: u64,
    /// Captured frames that carry a duplicate mark.
    pub duplicates_marked: u64,
    /// The longest time in nanoseconds between two looks of the poll thread for frames.
    pub longest_pause_ns: u64,
    /// The flags.
    pub flags: Flags,
    /// The rates; `None` at first, and of a queue that has ended.
    pub rates: Option<Rates>,
    /// Speed of the link in bits a second; `None` if it is unknown.
    pub link_bits_per_second: Option<u64>,
    /// Part of the link that is used, 0 to 1; `None` if the speed is unknown.
    pub utilisation: Option<f64>,
    /// The losses.
    pub losses: Losses,
    /// Part of the ring that waits for lossless listeners, 0 to 1.
    pub ring_fill: f64,
    /// Seconds until the ring is full if its lossless listeners stand still and the rate stays; `None`
    /// without traffic or without a lossless listener.
    pub slack_seconds: Option<f64>,
    /// The thread that fills the ring; `None` if it cannot be found.
    pub poll: Option<PollThread>,
    /// The attached listeners.
    pub listeners: Vec<ListenerReport>,
}

impl QueueReport {
    /// Returns the frames that the ledger counts for `reason`.
    #[must_use]
    pub fn count(&self, reason: Reason) -> Total {
        self.ledger.get(reason.name()).copied().unwrap_or_default()
    }

    /// Returns the frames a second that the queue counts for `reason` now.
    #[must_use]
    pub fn rate(&self, reason: Reason) -> f64 {
        let rates = self.rates.as_ref();
        let rate = rates.and_then(|rates| rates.reasons.get(reason.name()));
        rate.copied().unwrap_or(0.0)
    }

    /// Returns the reasons of losses that grow now, or else those that ever grew, the largest first.
    #[must_use]
    pub fn loss_reasons(&self) -> Vec<Reason> {
        let losses = || Reason::ledger().iter().copied().filter(|r| r.is_loss());
        let mut now: Vec<Reason> = losses().filter(|r| self.rate(*r) > 0.0).collect();
        if now.is_empty() {
            now = losses().filter(|r| self.count(*r).frames > 0).collect();
            now.sort_by_key(|r| std::cmp::Reverse(self.count(*r).frames));
        } else {
            now.sort_by(|a, b| self.rate(*b).total_cmp(&self.rate(*a)));
        }
        now
    }

    /// Returns the listener that holds the ring back: the lossless one with the largest lag.
    #[must_use]
    pub fn holder(&self) -> Option<&ListenerReport> {
        let holders = self.listeners.iter().filter(|l| l.holds_ring);
        holders.max_by_key(|l| l.lag_bytes)
    }
}

/// A listener of a queue.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ListenerReport {
    /// Number by which `hpcapctl kill` ends the listener.
    pub id: u64,
    /// Name of the program.
    pub program: String,
    /// Process id.
    pub pid: u32,
    /// Name of the user, or its number.
    pub user: String,
    /// `lossless` or `lossy`.
    pub contract: String,
    /// Seconds for which a lossless listener may hold the ring back; `None` sets no limit.
    pub max_stall_seconds: Option<f64>,
    /// `starting`, `active`, `demoted`, `finished` or `killed`.
    pub state: String,
    /// Whether the ring keeps frames for the listener.
    pub holds_ring: bool,
    /// Whether its process was stopped, by SIGSTOP, a terminal or a debugger, and does not run until it is told to.
    pub stopped: bool,
    /// Published bytes that the listener has not acknowledged.
    pub lag_bytes: u64,
    /// Part of the ring that the listener has not read, 0 to 1.
    pub ring_share: f64,
    /// Bytes a second that the listener reads from the ring; `None` at first.
    pub read_bytes_per_second: Option<f64>,
    /// Bytes a second that its process writes to disks; `None` if this user may not know.
    pub disk_bytes_per_second: Option<f64>,
    /// Command line of the process; `None` when it is not readable.
    pub command: Option<String>,
}
