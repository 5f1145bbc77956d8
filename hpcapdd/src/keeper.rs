//! What may take its time, away from the ring: finishing files, deleting old ones.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hpcap::error::Context;
use hpcap::{QueueName, Result, Timestamp};

use crate::capture_file::Sealed;
use crate::events::Event;
use crate::retention::Retention;

/// How often old files are deleted while a file is compressed.
const ENFORCE_EVERY: Duration = Duration::from_secs(5);

enum Job {
    Finish(Box<Sealed>),
    Enforce,
}

/// A thread that finishes files in order, and enforces the retention after each.
///
/// Flushing a file and unlinking one of 2 GiB take longer than a full-speed ring can wait.
#[derive(Debug)]
pub struct Keeper {
    jobs: Sender<Job>,
    events: Receiver<Outcome>,
    thread: JoinHandle<()>,
}

/// What became of a job.
#[derive(Debug)]
pub enum Outcome {
    /// Worth telling.
    Tell(Event),
    /// A file could not be finished; it stays as `.raw.part`.
    Failed(hpcap::Error),
}

impl Keeper {
    /// Starts the thread for files of `queue` below `base`.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn start(retention: Retention, base: std::path::PathBuf, queue: QueueName) -> Result<Self> {
        let (jobs, todo) = channel::<Job>();
        let (tell, events) = channel();
        let work = move || {
            let enforce = || {
                if !retention.is_set() {
                    return;
                }
                let (deleted, error) = retention.enforce(&base, queue, Timestamp::now());
                for file in deleted {
                    let _ = tell.send(Outcome::Tell(Event::FileDeleted(file)));
                }
                if let Some(e) = error {
                    let text = format!("cannot delete old files in {}: {e}", base.display());
                    let _ = tell.send(Outcome::Tell(Event::warning(text)));
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
                }
                enforce();
            }
        };
        let thread = std::thread::Builder::new()
            .name("hpcapdd-keeper".into())
            .spawn(work)
            .context(|| "start a thread")?;
        Ok(Self {
            jobs,
            events,
            thread,
        })
    }

    /// Has a file finished.
    pub fn finish(&self, sealed: Sealed) {
        let _ = self.jobs.send(Job::Finish(Box::new(sealed)));
    }

    /// Has old files deleted.
    pub fn enforce(&self) {
        let _ = self.jobs.send(Job::Enforce);
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

fn finish(sealed: Sealed, meanwhile: &mut dyn FnMut()) -> Vec<Outcome> {
    match sealed.finish(meanwhile) {
        Ok((complete, index_error)) => {
            let warning = index_error.map(|e| Outcome::Tell(Event::warning(e.to_string())));
            std::iter::once(Outcome::Tell(Event::FileComplete(complete)))
                .chain(warning)
                .collect()
        }
        Err(e) => vec![Outcome::Failed(e)],
    }
}
