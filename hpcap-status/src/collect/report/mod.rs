//! The report: the content of the dashboard, as data. The screen, the text of `--once` and the JSON of `--json` render
//! this one model, and a stored report renders like a live one.
//!
//! Fields that `hpcapctl status --json` also has have the same names and meanings.

mod queue;

use std::collections::BTreeMap;

use hpcap::Count;
use serde::{Deserialize, Serialize};

pub use queue::{Flags, ListenerReport, Losses, PollThread, QueueReport, Rates};

/// Everything that is known of the machine's captures at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// The moment, in nanoseconds since 1970.
    pub time_ns: u64,
    /// Name of the machine.
    pub host: String,
    /// The answer to the first question: is anything lost?
    pub verdict: Verdict,
    /// What produces the queues.
    pub engine: Engine,
    /// The pools of hugepages, one for each node and size.
    pub hugepages: Vec<Pool>,
    /// The queues, in the order of their names.
    pub queues: Vec<QueueReport>,
    /// The network interfaces, in the order of the kernel.
    pub interfaces: Vec<InterfaceReport>,
    /// What began, ended or happened, oldest first.
    pub events: Vec<EventReport>,
    /// Why queues cannot be opened, or interfaces not be listed.
    pub unseen: Vec<String>,
}

/// State of the captures of the machine, from bad to good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Frames are lost at this moment, or were some seconds ago.
    Losing,
    /// A queue has failed.
    Failed,
    /// Nothing can be seen, because a permission is missing or versions differ.
    Blind,
    /// Frames were lost earlier, and none now.
    Lost,
    /// Nobody listens to a queue, so its frames are discarded.
    Unheard,
    /// No queue is served.
    #[default]
    Idle,
    /// Queues are served and have lost nothing.
    Fine,
}

/// The answer to the first question, in words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Verdict {
    /// The state.
    pub level: Level,
    /// Whether frames are lost, where, how many, and since when.
    pub headline: String,
    /// Why, who is to blame, and what to do.
    pub reason: String,
}

/// What produces the queues.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Engine {
    /// The version of this program.
    pub version: String,
    /// The kernel modules that are loaded.
    pub modules: Vec<ModuleReport>,
    /// The producers of the queues, each once, such as `hpcapd 0.1.0`.
    pub producers: Vec<String>,
    /// Differences between the versions of modules, producers and this program.
    pub mismatches: Vec<String>,
}

/// A kernel module that is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleReport {
    /// Its name, such as `hpcap_ixgbe`.
    pub name: String,
    /// Its version; `None` for a module that declares none.
    pub version: Option<String>,
}

/// The hugepages of one size on one NUMA node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// The NUMA node; `None` on a machine without nodes.
    pub node: Option<u32>,
    /// Size of a page in bytes.
    pub page_bytes: u64,
    /// Pages in the pool.
    pub total: u64,
    /// Number of free pages.
    pub free: u64,
}

/// Frames and their bytes, without FCS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Total {
    /// Frames.
    pub frames: u64,
    /// Bytes of the frames; frames whose length nobody knows count as 0.
    pub bytes: u64,
}

impl From<Count> for Total {
    fn from(count: Count) -> Self {
        Self {
            frames: count.frames,
            bytes: count.bytes,
        }
    }
}

impl Total {
    /// Returns the mean length of a frame in bytes, without FCS; `None` without frames.
    #[must_use]
    pub fn mean_bytes(self) -> Option<f64> {
        (self.frames > 0 && self.bytes > 0).then(|| self.bytes as f64 / self.frames as f64)
    }
}

/// Frames and bits a second.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Rate {
    /// Frames a second.
    pub frames_per_second: f64,
    /// Bits a second on an Ethernet link, where preamble, FCS and gap add 24 bytes to each frame.
    pub bits_per_second: f64,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct InterfaceReport {
    /// Name of the interface.
    pub name: String,
    /// Whether an administrator has set it up.
    pub up: bool,
    /// Whether it can carry frames.
    pub link: bool,
    /// Speed of the link in bits a second; `None` if it is unknown.
    pub bits_per_second: Option<u64>,
    /// Received frames and bytes, since the driver was loaded.
    pub received: Total,
    /// Received frames and bits a second; `None` at first.
    pub rate: Option<Rate>,
    /// Values of the kernel's counters by their keys (`hpcap::counters`).
    pub counters: BTreeMap<String, u64>,
}

/// What began, ended or happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventReport {
    /// When, in nanoseconds since 1970.
    pub time_ns: u64,
    /// `begin`, `end` or `once`.
    pub phase: String,
    /// A sentence for people.
    pub message: String,
}
