//! A thread that finishes files and deletes old ones, so that the storing thread does not wait.

pub mod backlog;
pub mod compress;
pub mod on_complete;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hpcap::Result;
use hpcap::error::Context;

use crate::report::event::{Event, Notice};
use crate::storage::file::{Sealed, Unfinished};
use crate::storage::retention::Retention;

/// Time between two deletions of old files while a file is compressed.
const ENFORCE_EVERY: Duration = Duration::from_secs(5);

enum Job {
    Finish(Box<Sealed>),
    Enforce,
}

/// A thread that finishes files in order, and enforces the retention after each.
///
/// Flushing a file, or unlinking one of 2 GiB, takes longer than a ring can wait at line rate.
#[derive(Debug)]
pub struct Finisher {
    jobs: Sender<Job>,
    notices: Receiver<Notice>,
    thread: JoinHandle<()>,
    waiting: Arc<AtomicUsize>,
    enforcing: Arc<AtomicBool>,
}

impl Finisher {
    /// Starts the thread, which deletes old files as `retention` says.
    ///
    /// # Errors
    /// An error if the thread cannot be started.
    pub fn start(mut retention: Retention) -> Result<Self> {
        let (jobs, todo) = channel::<Job>();
        let (tell, notices) = channel();
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
                    let _ = tell.send(Notice::Tell(event));
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
            notices,
            thread,
            waiting,
            enforcing,
        })
    }

    /// Hands a file to the thread.
    pub fn finish(&self, sealed: Sealed) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _ = self.jobs.send(Job::Finish(Box::new(sealed)));
    }

    /// Files that wait to be finished, the one being finished included.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Asks the thread to apply the retention limits.
    pub fn enforce(&self) {
        // One waiting job is enough: it looks at all files.
        if !self.enforcing.swap(true, Ordering::Relaxed) {
            let _ = self.jobs.send(Job::Enforce);
        }
    }

    /// Takes the notices since the last call.
    pub fn take_notices(&self) -> impl Iterator<Item = Notice> + '_ {
        self.notices.try_iter()
    }

    /// Finishes all files that wait, and ends the thread. Returns the remaining notices.
    #[must_use]
    pub fn stop(self) -> Vec<Notice> {
        drop(self.jobs);
        let rest = self.notices.iter().collect();
        let _ = self.thread.join();
        rest
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

fn finish(sealed: Sealed, meanwhile: &mut dyn FnMut()) -> Vec<Notice> {
    let (frames, bytes) = (sealed.frames, sealed.len);
    match sealed.finish(meanwhile) {
        Ok((complete, index_error)) => {
            let warning = index_error.map(|e| Notice::Tell(Event::warning(e.to_string())));
            std::iter::once(Notice::Tell(Event::FileComplete(complete)))
                .chain(warning)
                .collect()
        }
        Err(Unfinished::Failed(e)) => vec![Notice::FileFailed(e)],
        Err(Unfinished::Moved(e)) => vec![Notice::Tell(Event::warning(e.to_string()))],
        Err(Unfinished::Removed(error)) => vec![Notice::FileRemoved {
            error,
            frames,
            bytes,
        }],
    }
}
