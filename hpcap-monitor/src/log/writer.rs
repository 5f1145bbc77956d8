//! Writes the logs, in a thread of its own: a disk that is slow, hangs or is full delays no sample.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hpcap::Result;
use hpcap::error::Context;

use super::logs::{CLEAN_PERIOD, Logs};
use crate::events::Event;
use crate::sample::{MachineSample, Sample};

/// Jobs that wait for the disk. When there is no room for another, it is dropped and counted.
const WAITING: usize = 64;
/// Longest time that the end of the program waits for the disk.
const LAST_WAIT: Duration = Duration::from_secs(10);
/// A job of the writer.
#[derive(Debug, Clone)]
pub enum Job {
    /// A sample and its predecessor.
    Sample {
        /// The sample before; `None` for the first.
        before: Option<Arc<Sample>>,
        /// The sample.
        now: Arc<Sample>,
        /// The load of the machine.
        machine: MachineSample,
    },
    /// An event.
    Event(Event),
}

/// Whether writing works, and how much was not written.
#[derive(Debug, Default)]
pub struct Health {
    failure: Mutex<Option<String>>,
    dropped: AtomicU64,
    removed: AtomicBool,
}

impl Health {
    /// Reason for which the last write failed; `None` if it succeeded.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.lock().clone()
    }

    /// Number of samples and events that were not written, because the disk was too slow or full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Whether a log was removed while it was written, since the last call. A new one was begun.
    #[must_use]
    pub fn take_removed(&self) -> bool {
        self.removed.swap(false, Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, result: Result<()>) {
        if result.is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        *self.lock() = result.err().map(|e| e.to_string());
    }
}

/// The thread that writes the logs.
#[derive(Debug)]
pub struct Writer {
    jobs: Option<SyncSender<Job>>,
    health: Arc<Health>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread, which writes samples that are `interval` apart below `basedir`, and deletes
    /// what is older than `keep_age`.
    ///
    /// # Errors
    /// An error of the operating system.
    pub fn start(basedir: PathBuf, interval: Duration, keep_age: Duration) -> Result<Self> {
        let (jobs, queue) = sync_channel(WAITING);
        let health: Arc<Health> = Arc::default();
        let shared = Arc::clone(&health);
        let thread = std::thread::Builder::new()
            .name("log".into())
            .spawn(move || write_all(Logs::new(basedir, interval, keep_age), &queue, &shared))
            .context(|| "start the thread that writes the logs")?;
        Ok(Self {
            jobs: Some(jobs),
            health,
            thread: Some(thread),
        })
    }

    /// Returns whether writing works, and how much was not written.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Queues a job. Never waits: a job for which there is no room is dropped and counted.
    pub fn write(&self, job: Job) {
        if let Some(jobs) = &self.jobs
            && jobs.try_send(job).is_err()
        {
            self.health.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything is written, for a limited time. Returns whether it was.
    #[must_use]
    pub fn finish(mut self) -> bool {
        // The thread ends when its queue has no sender and is empty.
        self.jobs = None;
        let start = Instant::now();
        let Some(thread) = self.thread.take() else {
            return true;
        };
        while !thread.is_finished() {
            if start.elapsed() > LAST_WAIT {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        thread.join().is_ok()
    }
}

/// Writes jobs until no sender of jobs is left.
fn write_all(mut logs: Logs, queue: &Receiver<Job>, health: &Health) {
    loop {
        match queue.recv_timeout(CLEAN_PERIOD) {
            Ok(job) => {
                health.note(logs.write(&job));
                if logs.take_removed() {
                    health.removed.store(true, Ordering::Relaxed);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::log::{CPUS, reader};
    use crate::sample::tests::{interface, queue, sample};

    /// Writes samples at the given seconds, in each of which a queue gets 10 frames and an interface
    /// 20.
    fn write(folder: &std::path::Path, seconds: &[u32]) {
        let writer = Writer::start(
            folder.to_owned(),
            Duration::from_secs(1),
            Duration::from_secs(1 << 30),
        )
        .unwrap();
        let mut before: Option<Arc<Sample>> = None;
        for (count, second) in (0..).zip(seconds) {
            let mut now = sample(*second, vec![queue("hpcap0", 1, 10 * count, 0)]);
            now.interfaces = vec![interface("eth1", 2, 20 * count, 0)];
            let now = Arc::new(now);
            writer.write(Job::Sample {
                before: before.replace(Arc::clone(&now)),
                now,
                machine: MachineSample::default(),
            });
        }
        assert!(writer.finish());
    }

    /// The seconds of the samples of a full log.
    fn times(log: &Path) -> Vec<u64> {
        let mut reader = reader::Reader::open(log).unwrap();
        let samples = std::iter::from_fn(|| reader.read().unwrap());
        let times = samples.map(|one| one.sample.moment.time.sec()).collect();
        assert_eq!(reader.damaged(), 0);
        times
    }

    #[test]
    fn logs_have_a_line_for_each_interval() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[1_795_155_460, 1_795_155_461, 1_795_155_463]);
        let week = dir.path().join("2026-47");
        assert_eq!(
            fs::read_to_string(week.join("hpcap0")).unwrap(),
            "1795155461 8000 10 0 0\n1795155463 4000 5 0 0\n"
        );
        assert_eq!(
            fs::read_to_string(week.join("eth1")).unwrap(),
            "1795155461 16000 20 0 0\n1795155463 8000 10 0 0\n"
        );
        let cpus = fs::read_to_string(week.join(CPUS)).unwrap();
        assert_eq!(cpus.lines().count(), 2);
        assert_eq!(
            times(&dir.path().join("full/2026-11-20T06Z.jsonl")).len(),
            3
        );
    }

    #[test]
    fn new_week_has_a_new_folder() {
        let dir = tempfile::tempdir().unwrap();
        // Far from midnight in any zone.
        let day = 86_400;
        write(
            dir.path(),
            &[
                1_795_155_460,
                1_795_155_460 + 3 * day,
                1_795_155_460 + 10 * day,
            ],
        );
        for (week, lines) in [("2026-48", 1), ("2026-49", 1)] {
            let text = fs::read_to_string(dir.path().join(week).join("hpcap0")).unwrap();
            assert_eq!(text.lines().count(), lines, "{week}: {text}");
        }
        assert!(dir.path().join("full/2026-11-20T06Z.jsonl.zst").exists());
    }

    #[test]
    fn restart_continues_the_logs() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[1_795_155_460, 1_795_155_461]);
        write(dir.path(), &[1_795_155_462, 1_795_155_463]);
        let text = fs::read_to_string(dir.path().join("2026-47/hpcap0")).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert_eq!(
            times(&dir.path().join("full/2026-11-20T06Z.jsonl")).len(),
            4
        );
    }

    #[test]
    fn new_hour_begins_with_the_last_sample() {
        let dir = tempfile::tempdir().unwrap();
        let hour = 3600;
        let start = 1_795_155_460;
        write(dir.path(), &[start, start + hour]);
        let second = dir.path().join("full/2026-11-20T07Z.jsonl");
        let start = u64::from(start);
        assert_eq!(times(&second), [start, start + 3600]);
        // Another process takes over.
        write(dir.path(), &[1_795_155_460 + 2 * hour]);
        let third = dir.path().join("full/2026-11-20T08Z.jsonl");
        assert_eq!(times(&third), [start + 3600, start + 7200]);
        assert!(dir.path().join("full/2026-11-20T07Z.index").exists());
    }

    #[test]
    fn folder_that_cannot_be_made_is_a_failure() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let writer = Writer::start(file, Duration::from_secs(1), Duration::MAX).unwrap();
        writer.write(Job::Sample {
            before: None,
            now: Arc::new(sample(10, vec![])),
            machine: MachineSample::default(),
        });
        while writer.health().failure().is_none() {
            std::thread::yield_now();
        }
        assert!(writer.health().failure().unwrap().contains("open the log"));
        assert_eq!(writer.health().dropped(), 1);
    }
}
