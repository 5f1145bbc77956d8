//! The open logs, and which of them a sample or an event belongs to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hpcap::{Result, Timestamp};
use hpcap_host::Tree;
use jiff::tz::TimeZone;

use super::append::LineFile;
use super::original::{self, Row};
use super::week::Week;
use super::writer::Job;
use super::{CPUS, EVENTS, FULL, full, reader, retention};
use crate::sample::{MachineSample, Sample, traffic};

/// Time between two searches for logs that are too old.
pub(super) const CLEAN_PERIOD: Duration = Duration::from_secs(3600);
/// Size at which the file of events gets a new name.
const EVENTS_BYTES: u64 = 16 << 20;

/// The open files.
#[derive(Debug)]
pub(super) struct Logs {
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
    was_removed: bool,
}

impl Logs {
    pub(super) fn new(basedir: PathBuf, interval: Duration, keep_age: Duration) -> Self {
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
            was_removed: false,
            basedir,
        }
    }

    /// Writes a job into the logs that it belongs to.
    pub(super) fn write(&mut self, job: &Job) -> Result<()> {
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
                self.was_removed |= self.full.take_removed();
                self.clean(now.moment.time);
                rows.and(full)
            }
        }
    }

    /// Whether a log was removed while it was written, since the last call. The file of events is not looked
    /// at, because it is removed here when it is long.
    pub(super) fn take_removed(&mut self) -> bool {
        std::mem::take(&mut self.was_removed)
    }

    fn rename_long_events(&self) {
        let path = self.events.path();
        if path
            .metadata()
            .is_ok_and(|found| found.len() > EVENTS_BYTES)
        {
            // The file is opened again only when its old name is gone, so the full file gets another name.
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
            self.was_removed |= file.take_removed();
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
