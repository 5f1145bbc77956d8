//! Writes the logs, in a thread of its own: a disk that is slow, hangs or is full delays no sample.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hpcap::error::Context;
use hpcap::{Result, Timestamp};
use hpcap_host::Tree;
use jiff::tz::TimeZone;

use super::append::LineFile;
use super::original::{self, Row};
use super::week::Week;
use super::{CPUS, EVENTS, FULL, full, reader, retention};
use crate::events::Event;
use crate::sample::{MachineSample, Sample, traffic};

/// Jobs that wait for the disk. When there is no room for another, it is dropped and counted.
const WAITING: usize = 64;
/// Time between two searches for logs that are too old.
const CLEAN_PERIOD: Duration = Duration::from_secs(3600);
/// Longest time that the end of the program waits for the disk.
const LAST_WAIT: Duration = Duration::from_secs(10);
/// Size at which the file of events gets a new name.
const EVENTS_BYTES: u64 = 16 << 20;

/// What is written.
#[derive(Debug, Clone)]
pub enum Job {
    /// A sample, and the one before it.
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

/// How writing goes.
#[derive(Debug, Default)]
pub struct Health {
    failure: Mutex<Option<String>>,
    dropped: AtomicU64,
}

impl Health {
    /// Why the last write failed; `None` after one that did not.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.lock().clone()
    }

    /// Number of samples and events that were not written, because the disk was too slow or full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
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
            .spawn(move || Logs::new(basedir, interval, keep_age).write_all(&queue, &shared))
            .context(|| "start the thread that writes the logs")?;
        Ok(Self {
            jobs: Some(jobs),
            health,
            thread: Some(thread),
        })
    }

    /// How writing goes.
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

/// The open files.
#[derive(Debug)]
struct Logs {
    basedir: PathBuf,
    keep_age: Duration,
    week: Option<Week>,
    rows: BTreeMap<String, LineFile>,
    cpus: LineFile,
    full: LineFile,
    full_name: String,
    /// The header of the full log.
    header: Vec<u8>,
    events: LineFile,
    cleaned: Option<Instant>,
}

impl Logs {
    fn new(basedir: PathBuf, interval: Duration, keep_age: Duration) -> Self {
        let boot = Tree::machine().text("/proc/sys/kernel/random/boot_id");
        Self {
            header: full::header(interval, boot.unwrap_or_default().trim()),
            keep_age,
            week: None,
            rows: BTreeMap::new(),
            cpus: LineFile::at(basedir.join(CPUS)),
            full: LineFile::at(basedir.join(FULL)),
            full_name: String::new(),
            events: LineFile::at(basedir.join(EVENTS)),
            cleaned: None,
            basedir,
        }
    }

    fn write_all(mut self, queue: &Receiver<Job>, health: &Health) {
        loop {
            match queue.recv_timeout(CLEAN_PERIOD) {
                Ok(job) => health.note(self.write(&job)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn write(&mut self, job: &Job) -> Result<()> {
        match job {
            Job::Event(event) => {
                self.rename_long_events();
                self.events.append(event.json_line()?.as_bytes())
            }
            Job::Sample {
                before,
                now,
                machine,
            } => {
                // One log that cannot be written must not keep the others from being written.
                let rows = self.write_rows(before.as_deref(), now, machine);
                let full = self.write_full(before.as_deref(), now);
                self.clean(now.moment.time);
                rows.and(full)
            }
        }
    }

    fn rename_long_events(&self) {
        let path = self.events.path();
        if path
            .metadata()
            .is_ok_and(|found| found.len() > EVENTS_BYTES)
        {
            // The file is opened anew only when its name is gone, so the old one must lose its name.
            let old = path.with_extension("jsonl.1");
            let _ = std::fs::copy(path, old).and_then(|_| std::fs::remove_file(path));
        }
    }

    fn write_rows(
        &mut self,
        before: Option<&Sample>,
        now: &Sample,
        machine: &MachineSample,
    ) -> Result<()> {
        let second = now.moment.time.sec();
        let week = Week::of(now.moment.time, &TimeZone::system());
        let folder = self.basedir.join(week.to_string());
        if self.week != Some(week) {
            self.week = Some(week);
            self.rows.clear();
            self.cpus = LineFile::at(folder.join(CPUS));
        }
        // A first line without a sample before it would have no rates.
        let Some(before) = before else {
            return Ok(());
        };
        let mut result = self.cpus.append(machine.line(second).as_bytes());
        let (elapsed, all) = traffic(before, now);
        self.rows.retain(|name, _| all.contains_key(name));
        for (name, traffic) in all {
            let line = format!("{}\n", Row::of(second, elapsed, &traffic));
            let file = self.rows.entry(name);
            let file = file
                .or_insert_with_key(|name| LineFile::at(folder.join(original::file_name(name))));
            result = result.and(file.append(line.as_bytes()));
        }
        result
    }

    fn write_full(&mut self, before: Option<&Sample>, now: &Sample) -> Result<()> {
        let name = full::file_name(now.moment.time);
        if self.full_name != name {
            let folder = self.basedir.join(FULL);
            self.full = LineFile::at(folder.join(&name));
            self.full_name = name;
            self.full.open()?;
            let is_new = self
                .full
                .path()
                .metadata()
                .is_ok_and(|file| file.len() == 0);
            let earlier = match before {
                _ if !is_new => Vec::new(),
                Some(before) => full::line(before),
                None => last_sample(&folder, &self.full_name),
            };
            // Compressing what is finished can fail without harm: the next hour tries again.
            let compressed = retention::compress_finished(&folder, &self.full_name);
            match before {
                Some(_) => self.full.append(&[self.header.clone(), earlier].concat())?,
                // The sample before is one of another process, and has its own header.
                None => self.full.append(&[earlier, self.header.clone()].concat())?,
            }
            compressed?;
        } else if self.full.open()? {
            self.full.append(&self.header)?;
        }
        self.full.append(&full::line(now))
    }

    fn clean(&mut self, now: Timestamp) {
        if self.cleaned.is_none_or(|at| at.elapsed() >= CLEAN_PERIOD) {
            self.cleaned = Some(Instant::now());
            retention::delete_old(&self.basedir, now, self.keep_age);
        }
    }
}

/// Returns the last sample, with its header, of the newest log in `folder` that another process has
/// written; nothing if there is none.
fn last_sample(folder: &Path, current: &str) -> Vec<u8> {
    let newest = retention::hours(folder)
        .into_iter()
        .map(|hour| hour.path)
        .rfind(|path| path.file_name().is_some_and(|name| name != current));
    let is_plain = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "jsonl");
    let lines = newest
        .filter(is_plain)
        .map(|path| reader::last_lines(&path));
    lines.and_then(Result::ok).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::fs;

    use super::*;
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
