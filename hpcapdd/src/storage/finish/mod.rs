//! A thread that finishes files, so that the storing thread does not wait.

pub mod backlog;
pub mod compress;
pub mod on_complete;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use hpcap::Result;
use hpcap::error::Context;

use crate::internal_error::internal_error;
use crate::report::event::{Event, Notice};
use crate::storage::sealed::{Sealed, Unfinished};

/// A thread that finishes files in order.
///
/// Flushing a file takes longer than a ring can wait at line rate.
#[derive(Debug)]
pub struct Finisher {
    jobs: Sender<Box<Sealed>>,
    notices: Receiver<Notice>,
    thread: JoinHandle<()>,
    waiting: Arc<AtomicUsize>,
}

impl Finisher {
    /// Starts the thread.
    ///
    /// # Errors
    /// An error if the thread cannot be started.
    pub fn start() -> Result<Self> {
        let (jobs, todo) = channel::<Box<Sealed>>();
        let (tell, notices) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let finished = Arc::clone(&waiting);
        let work = move || {
            for sealed in todo {
                let path = sealed.path().display().to_string();
                let notices = catch_unwind(AssertUnwindSafe(|| finish(*sealed)));
                let notices = notices.unwrap_or_else(|panic| {
                    let tried = format!("finish {path}");
                    vec![Notice::FileFailed(internal_error(tried, panic.as_ref()))]
                });
                for notice in notices {
                    let _ = tell.send(notice);
                }
                finished.fetch_sub(1, Ordering::Relaxed);
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
        })
    }

    /// Hands a file to the thread.
    pub fn finish(&self, sealed: Sealed) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _ = self.jobs.send(Box::new(sealed));
    }

    /// Files that wait to be finished, the one being finished included.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
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

fn finish(sealed: Sealed) -> Vec<Notice> {
    let (frames, bytes) = (sealed.frames(), sealed.bytes());
    match sealed.finish() {
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
