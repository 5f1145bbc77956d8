//! What may take its time, away from the ring: finishing files, deleting old ones.

pub mod compress;
pub mod on_complete;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hpcap::error::Context;
use hpcap::{Count, Result};

use crate::report::event::Event;
use crate::storage::file::{Sealed, Unfinished};
use crate::storage::retention::Retention;

/// How often old files are deleted while a file is compressed.
const ENFORCE_EVERY: Duration = Duration::from_secs(5);

/// Files that may wait to be finished. Each has open descriptors, and room on the disk that is not
/// given back yet.
const WAITING_MAX: usize = 16;

enum Job {
    Finish(Box<Sealed>),
    Enforce,
}

/// A thread that finishes files in order, and enforces the retention after each.
///
/// Flushing a file and unlinking one of 2 GiB take longer than a full-speed ring can wait.
#[derive(Debug)]
pub struct Finisher {
    jobs: Sender<Job>,
    events: Receiver<Outcome>,
    thread: JoinHandle<()>,
    waiting: Arc<AtomicUsize>,
    enforcing: Arc<AtomicBool>,
}

/// What became of a job.
#[derive(Debug)]
pub enum Outcome {
    /// Worth telling.
    Tell(Event),
    /// A file could not be finished; it stays as `.raw.part`.
    Failed(hpcap::Error),
    /// A file was removed before it was finished.
    Removed {
        /// Which.
        error: hpcap::Error,
        /// Its frames, which are lost.
        frames: Count,
        /// Its bytes.
        bytes: u64,
    },
}

impl Finisher {
    /// Starts the thread, which keeps older files as `retention` says.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn start(mut retention: Retention) -> Result<Self> {
        let (jobs, todo) = channel::<Job>();
        let (tell, events) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let enforcing = Arc::new(AtomicBool::new(false));
        let (finished, enforced_again) = (Arc::clone(&waiting), Arc::clone(&enforcing));
        let work = move || {
            let mut enforce = || {
                enforced_again.store(false, Ordering::Relaxed);
                if !retention.is_set() {
                    return;
                }
                for event in events_of(&mut retention) {
                    let _ = tell.send(Outcome::Tell(event));
                }
            };
            for job in todo {
                if let Job::Finish(sealed) = job {
                    let mut enforced = Instant::now();
                    let mut meanwhile = || {
                        if enforced.elapsed() >= ENFORCE_EVERY {
                            enforce();
                            enforced = Instant::now();
                        }
                    };
                    for outcome in finish(*sealed, &mut meanwhile) {
                        let _ = tell.send(outcome);
                    }
                    finished.fetch_sub(1, Ordering::Relaxed);
                }
                enforce();
            }
        };
        let thread = std::thread::Builder::new()
            .name("hpcapdd-finish".into())
            .spawn(work)
            .context(|| "start a thread")?;
        Ok(Self {
            jobs,
            events,
            thread,
            waiting,
            enforcing,
        })
    }

    /// Has a file finished.
    pub fn finish(&self, sealed: Sealed) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _ = self.jobs.send(Job::Finish(Box::new(sealed)));
    }

    /// Whether so many files wait that no more should be begun.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= WAITING_MAX
    }

    /// Has old files deleted.
    pub fn enforce(&self) {
        // One that waits is enough.
        if !self.enforcing.swap(true, Ordering::Relaxed) {
            let _ = self.jobs.send(Job::Enforce);
        }
    }

    /// What happened since the last call.
    pub fn outcomes(&self) -> impl Iterator<Item = Outcome> + '_ {
        self.events.try_iter()
    }

    /// Finishes everything that is waiting.
    #[must_use]
    pub fn stop(self) -> Vec<Outcome> {
        drop(self.jobs);
        let outcomes = self.events.iter().collect();
        let _ = self.thread.join();
        outcomes
    }
}

fn events_of(retention: &mut Retention) -> Vec<Event> {
    let outcome = retention.enforce();
    let error = outcome
        .error
        .map(|e| format!("cannot delete old files: {e}"));
    let warnings = outcome.warnings.into_iter().chain(error);
    let deleted = outcome.deleted.into_iter().map(Event::FileDeleted);
    deleted.chain(warnings.map(Event::warning)).collect()
}

fn finish(sealed: Sealed, meanwhile: &mut dyn FnMut()) -> Vec<Outcome> {
    let (frames, bytes) = (sealed.frames, sealed.len);
    match sealed.finish(meanwhile) {
        Ok((complete, index_error)) => {
            let warning = index_error.map(|e| Outcome::Tell(Event::warning(e.to_string())));
            std::iter::once(Outcome::Tell(Event::FileComplete(complete)))
                .chain(warning)
                .collect()
        }
        Err(Unfinished::Failed(e)) => vec![Outcome::Failed(e)],
        Err(Unfinished::Moved(e)) => vec![Outcome::Tell(Event::warning(e.to_string()))],
        Err(Unfinished::Removed(error)) => vec![Outcome::Removed {
            error,
            frames,
            bytes,
        }],
    }
}
