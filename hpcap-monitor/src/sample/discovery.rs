//! Finds queues and opens them, in a thread of its own: a producer that does not answer must not
//! delay the next sample.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hpcap::error::Context;
use hpcap::{Queue, QueueName, Result};

/// Time after which a queue that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Opened queues and complaints that wait for the next sample.
const WAITING: usize = 256;

/// What the thread found.
#[derive(Debug)]
pub(super) enum Found {
    /// A queue that was opened.
    Queue(Box<Queue>),
    /// The complete list of what cannot be seen, and why.
    Unseen(Vec<String>),
}

/// The thread that finds and opens queues. It ends when this value is dropped.
#[derive(Debug)]
pub struct Discovery {
    found: Receiver<Found>,
    /// The queues that are open already.
    open: Arc<Mutex<BTreeSet<QueueName>>>,
    /// Whether the first search has come to its end.
    searched: Arc<AtomicBool>,
}

impl Discovery {
    /// Starts the thread, which looks for queues each `interval`.
    ///
    /// # Errors
    /// An error of the operating system.
    pub fn start(interval: Duration) -> Result<Self> {
        let (sender, found) = sync_channel(WAITING);
        let open: Arc<Mutex<BTreeSet<QueueName>>> = Arc::default();
        let shared = Arc::clone(&open);
        let searched: Arc<AtomicBool> = Arc::default();
        let done = Arc::clone(&searched);
        std::thread::Builder::new()
            .name("discovery".into())
            .spawn(move || search(&shared, &sender, interval, &done))
            .context(|| "start the thread that finds queues")?;
        Ok(Self {
            found,
            open,
            searched,
        })
    }

    /// Whether the first search has come to its end, so that the next [`take`](Self::take) returns
    /// the last of what was there at the start.
    pub(super) fn has_searched(&self) -> bool {
        self.searched.load(Ordering::Acquire)
    }

    /// Returns what was found since the last call. A returned queue is not opened again until
    /// [`forget`](Self::forget).
    pub(super) fn take(&self) -> Vec<Found> {
        self.found.try_iter().collect()
    }

    /// Notes that the queue `name` has ended, so that its successor is opened.
    pub(super) fn forget(&self, name: QueueName) {
        lock(&self.open).remove(&name);
    }
}

fn lock(open: &Mutex<BTreeSet<QueueName>>) -> std::sync::MutexGuard<'_, BTreeSet<QueueName>> {
    // The set is whole after each operation, whatever thread panicked.
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

fn search(
    open: &Mutex<BTreeSet<QueueName>>,
    sender: &SyncSender<Found>,
    interval: Duration,
    searched: &AtomicBool,
) {
    let mut refused: BTreeMap<QueueName, (Instant, String)> = BTreeMap::new();
    let mut complaints: Vec<String> = Vec::new();
    loop {
        let (names, unseen) = Queue::list();
        let mut now: Vec<String> = unseen.iter().map(ToString::to_string).collect();
        refused.retain(|name, _| names.contains(name));
        for name in names {
            if lock(open).contains(&name)
                || refused
                    .get(&name)
                    .is_some_and(|(at, _)| at.elapsed() < RETRY)
            {
                continue;
            }
            match Queue::open(name) {
                // A daemon that ended may have left its socket behind for a moment.
                Ok(queue) if !queue.is_served() => {}
                Ok(queue) => {
                    refused.remove(&name);
                    lock(open).insert(name);
                    if let Err(TrySendError::Disconnected(_)) =
                        sender.try_send(Found::Queue(Box::new(queue)))
                    {
                        return;
                    }
                }
                Err(e) => {
                    refused.insert(name, (Instant::now(), e.to_string()));
                }
            }
        }
        now.extend(refused.values().map(|(_, why)| why.clone()));
        if now != complaints {
            complaints.clone_from(&now);
            if let Err(TrySendError::Disconnected(_)) = sender.try_send(Found::Unseen(now)) {
                return;
            }
        }
        searched.store(true, Ordering::Release);
        std::thread::sleep(interval);
    }
}
