//! What a monitor has logged before the dashboard started.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};

use hpcap::Result;
use hpcap::error::Context;

use super::history::Point;
use super::report::EventReport;

/// What the logs say of a queue.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct PastQueue {
    /// When the queue started, in nanoseconds since 1970.
    pub(super) start_ns: u64,
    /// Time of the first sample of this start of the queue, in nanoseconds since 1970.
    pub(super) from_ns: u64,
    /// The history, oldest first.
    pub(super) points: Vec<Point>,
    /// When frames were lost, and how many.
    pub(super) losses: Vec<(u64, u64)>,
}

/// What the logs say.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Found {
    /// Where the logs are.
    pub(super) origin: Option<String>,
    /// The queues, by their names.
    pub(super) queues: BTreeMap<String, PastQueue>,
    /// The last events, oldest first.
    pub(super) events: Vec<EventReport>,
}

/// A thread that reads the logs, so that a long log does not delay the first screen.
#[derive(Debug)]
pub(super) struct Past {
    found: Receiver<Found>,
}

impl Past {
    /// Starts to read the logs in the folder `logs`.
    ///
    /// # Errors
    /// An error of the operating system.
    pub(super) fn start(logs: PathBuf) -> Result<Self> {
        let (sender, found) = sync_channel(1);
        std::thread::Builder::new()
            .name("past".into())
            .spawn(move || {
                // The receiver is gone when the program has ended.
                let _ = sender.send(read(&logs));
            })
            .context(|| "start the thread that reads the logs of hpcap-monitor")?;
        Ok(Self { found })
    }

    /// Returns what was found, once.
    pub(super) fn take(&self) -> Option<Found> {
        self.found.try_recv().ok()
    }
}

fn read(_logs: &std::path::Path) -> Found {
    Found::default()
}
