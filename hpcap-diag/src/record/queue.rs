//! A queue in a collection: what `hpcapctl status --json` prints, and the state of its ring, without data of frames.

use hpcap::Queue;
use hpcap::report::QueueReport;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Blocks of the ring that a collection has, the newest ones.
const BLOCKS: u64 = 16;

/// All queues of a machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct QueuesRecord {
    /// The queues.
    pub queues: Vec<QueueRecord>,
    /// Why others could not be opened.
    pub unseen: Vec<String>,
}

/// A queue.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct QueueRecord {
    /// Its state, its ledger and its listeners.
    pub report: Value,
    /// Name and version of its producer.
    pub software: String,
    /// The clock that stamps its frames.
    pub clock_source: String,
    /// When it started.
    pub started: String,
    /// The state of its ring.
    pub place: Place,
}

/// The state of a ring.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// Bytes that were published since the start.
    pub published: u64,
    /// The oldest byte that is still whole.
    pub oldest: u64,
    /// The start of the newest file.
    pub file_offset: u64,
    /// The number of the newest file.
    pub file_number: u64,
    /// Seconds since the producer said that it lives; `None` if it never did.
    pub heartbeat_age_seconds: Option<f64>,
    /// How the stream ended, if it did.
    pub end: Option<String>,
    /// The newest blocks.
    pub blocks: Vec<BlockRecord>,
}

/// A block of the ring.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockRecord {
    /// Its number since the start of the queue.
    pub number: u64,
    /// Its entry in the index of blocks.
    pub entry: String,
}

impl QueueRecord {
    /// Reads the state of `queue`.
    #[must_use]
    pub fn of(queue: &Queue) -> Self {
        let (info, page) = (queue.info(), queue.page());
        let report = serde_json::to_value(QueueReport::of(queue)).unwrap_or_default();
        let published = page.published();
        let newest = published / info.block_bytes.max(1);
        let blocks = (newest.saturating_sub(BLOCKS)..=newest)
            .filter_map(|number| {
                let entry = format!("{:?}", page.block(number)?);
                Some(BlockRecord { number, entry })
            })
            .collect();
        Self {
            report,
            software: info.software.clone(),
            clock_source: info.clock_source.clone(),
            started: info.start.to_string(),
            place: Place {
                published,
                oldest: page.oldest(),
                file_offset: page.file_off(),
                file_number: page.file_number(),
                heartbeat_age_seconds: heartbeat_age(page.heartbeat_ns()),
                end: page.end().map(|end| format!("{end:?}").to_lowercase()),
                blocks,
            },
        }
    }

    /// The name of the queue.
    #[must_use]
    pub fn name(&self) -> &str {
        self.report["queue"].as_str().unwrap_or_default()
    }
}

/// Seconds since a time of CLOCK_MONOTONIC.
fn heartbeat_age(then_ns: u64) -> Option<f64> {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).ok()?;
    let now = std::time::Duration::from(now);
    let then = std::time::Duration::from_nanos(then_ns);
    (then_ns > 0).then(|| now.saturating_sub(then).as_secs_f64())
}
