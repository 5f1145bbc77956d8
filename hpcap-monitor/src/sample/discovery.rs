//! Finds queues and opens them, in threads of its own: a producer that does not answer must not delay
//! the next sample, nor hide another queue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hpcap::error::Context;
use hpcap::{Error, Queue, QueueName, Result};

/// Time after which a queue that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Opened queues and complaints that wait for the next sample.
const WAITING: usize = 256;

/// The results of the thread.
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
    let mut search = Search::new(open, sender);
    loop {
        let next = Instant::now() + interval;
        search.begin();
        loop {
            if search.publish().is_err() {
                return;
            }
            if search.opening.is_empty() {
                searched.store(true, Ordering::Release);
            }
            let left = next.saturating_duration_since(Instant::now());
            match search.answers.recv_timeout(left) {
                Ok((name, answer)) => search.note(name, answer),
                Err(_) => break,
            }
        }
    }
}

/// No reader takes the results any more.
#[derive(Debug)]
struct Dropped;

/// The queues that are being opened, and what is known of the others.
///
/// Each queue is opened in a thread of its own, so that a producer that stands still hides no other queue.
#[derive(Debug)]
struct Search<'a> {
    open: &'a Mutex<BTreeSet<QueueName>>,
    sender: &'a SyncSender<Found>,
    opening: BTreeSet<QueueName>,
    answer: Sender<(QueueName, Result<Queue>)>,
    answers: Receiver<(QueueName, Result<Queue>)>,
    /// Queues that could not be opened: when, and why.
    refused: BTreeMap<QueueName, (Instant, String)>,
    opened: Vec<Queue>,
    /// Why it is unknown whether there are other queues.
    unlisted: Vec<String>,
    /// The list that was published last.
    complaints: Vec<String>,
}

impl<'a> Search<'a> {
    fn new(open: &'a Mutex<BTreeSet<QueueName>>, sender: &'a SyncSender<Found>) -> Self {
        let (answer, answers) = channel();
        Self {
            open,
            sender,
            opening: BTreeSet::new(),
            answer,
            answers,
            refused: BTreeMap::new(),
            opened: Vec::new(),
            unlisted: Vec::new(),
            complaints: Vec::new(),
        }
    }

    /// Starts to open the queues that are not open.
    fn begin(&mut self) {
        let (names, unlisted) = Queue::list();
        self.unlisted = unlisted.iter().map(ToString::to_string).collect();
        self.refused.retain(|name, _| names.contains(name));
        for name in names {
            let is_recent = |(at, _): &(Instant, String)| at.elapsed() < RETRY;
            if lock(self.open).contains(&name)
                || self.opening.contains(&name)
                || self.refused.get(&name).is_some_and(is_recent)
            {
                continue;
            }
            let answer = self.answer.clone();
            let started = std::thread::Builder::new()
                .name("opening".into())
                .spawn(move || drop(answer.send((name, Queue::open(name)))))
                .context(|| format!("start the thread that opens queue {name}"));
            match started {
                Ok(_) => drop(self.opening.insert(name)),
                Err(e) => self.refuse(name, &e),
            }
        }
    }

    /// Notes whether a queue could be opened.
    fn note(&mut self, name: QueueName, answer: Result<Queue>) {
        self.opening.remove(&name);
        match answer {
            Ok(queue) => {
                self.refused.remove(&name);
                // A daemon that ended may have left its socket behind for a moment.
                if queue.is_served() {
                    lock(self.open).insert(name);
                    self.opened.push(queue);
                }
            }
            Err(e) => self.refuse(name, &e),
        }
    }

    fn refuse(&mut self, name: QueueName, why: &Error) {
        self.refused.insert(name, (Instant::now(), why.to_string()));
    }

    /// Passes on what is new.
    fn publish(&mut self) -> std::result::Result<(), Dropped> {
        for queue in self.opened.drain(..) {
            send(self.sender, Found::Queue(Box::new(queue)))?;
        }
        let mut now = self.unlisted.clone();
        now.extend(self.refused.values().map(|(_, why)| why.clone()));
        if now != self.complaints {
            self.complaints.clone_from(&now);
            send(self.sender, Found::Unseen(now))?;
        }
        Ok(())
    }
}

/// Passes on `found`, which is lost if its reader has not taken anything for a long time.
fn send(sender: &SyncSender<Found>, found: Found) -> std::result::Result<(), Dropped> {
    match sender.try_send(found) {
        Err(TrySendError::Disconnected(_)) => Err(Dropped),
        Ok(()) | Err(TrySendError::Full(_)) => Ok(()),
    }
}
