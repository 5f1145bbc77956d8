//! Settings of an engine.

use std::time::Duration;

use hpcap::QueueName;
use hpcap::abi;
use hpcap::dedup::DedupSettings;
use hpcap_source::DELAY;
use hpcap_source::spec::SourceSpec;

use crate::ring::memory::Pages;

/// Settings of a queue. `..EngineConfig::new(name, source)` fills in the defaults.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Name of the queue.
    pub name: QueueName,
    /// The source of the frames.
    pub source: SourceSpec,
    /// Size of the ring in bytes: at least 512 KiB, and a multiple of the page size in use.
    pub ring_bytes: u64,
    /// Kind of pages for the ring's memory.
    pub pages: Pages,
    /// Number of bytes kept of each frame; 0 keeps whole frames.
    pub caplen: u32,
    /// Filter in tcpdump's syntax; an empty string accepts all frames.
    pub filter: String,
    /// Settings of the duplicate filter; `None` turns it off. [`Engine::set_dedup`](crate::Engine::set_dedup) changes them.
    pub dedup: Option<DedupSettings>,
    /// Writes no tags into the stream, so that readers of the original hpcap format understand it.
    pub plain: bool,
    /// Captures without listeners, too, so that a later listener can start at older frames.
    pub look_back: bool,
    /// Takes no frame from the source before the first listener is attached: for a program that
    /// listens to its own engine and wants the first frame.
    pub start_on_attach: bool,
    /// How long a frame may wait before listeners see it, where the source can let it wait and has no option that says
    /// something else. A long time saves wake-ups, each of which costs as much as hundreds of frames. Listeners of
    /// other processes wait as long when they attach.
    pub delay: Duration,
    /// The CPU that the poll thread runs on; `None` leaves the choice to the scheduler.
    pub cpu: Option<usize>,
    /// Longest file in bytes, rounded down to whole blocks; at most 2 GiB.
    pub file_bytes_max: u64,
    /// Stream offset of the first byte, rounded down to a block. It is 0 except in tests of large
    /// offsets.
    pub start_off: u64,
}

impl EngineConfig {
    /// Returns the defaults: a ring of 256 MiB, whole frames, no filter, a poll thread that is not
    /// pinned.
    #[must_use]
    pub fn new(name: QueueName, source: SourceSpec) -> Self {
        Self {
            name,
            source,
            ring_bytes: 256 << 20,
            pages: Pages::Auto,
            caplen: 0,
            filter: String::new(),
            dedup: None,
            plain: false,
            look_back: false,
            start_on_attach: false,
            delay: DELAY,
            cpu: None,
            file_bytes_max: abi::HPCAP_FILE_BYTES_MAX,
            start_off: 0,
        }
    }
}
