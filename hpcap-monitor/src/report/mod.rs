//! `hpcap-monitor report`: what a log says of speed and losses.

mod summary;
mod text;
mod timeline;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use hpcap::error::Context;
use hpcap::report::json_line;
use hpcap::{Error, Kind, Result, Timestamp};

use crate::cli::ReportOptions;
use crate::log::original::{Row, file_name};
use crate::log::week::Week;

pub use summary::{Report, Summary};
pub use timeline::{Span, State};

/// Longest line that is read. A file that is no log must not exhaust memory.
const LINE_BYTES: u64 = 4096;

impl ReportOptions {
    /// Reads the log and returns the text of its report.
    ///
    /// # Errors
    /// Errors of the file system; [`Kind::NotFound`] if there is no such log, [`Kind::Format`] if no
    /// line of it can be read or none is in the given time.
    pub fn run(&self) -> Result<String> {
        let files = self.files()?;
        let mut damaged = 0;
        let mut rows = Vec::new();
        for file in &files {
            damaged += self.read(file, &mut rows)?;
        }
        let tried = format!("report {}", self.log.display());
        let report = Report::of(&rows, damaged).ok_or_else(|| {
            let why = match (damaged, self.from.or(self.to)) {
                (0, Some(_)) => "its logs have nothing of that time".to_owned(),
                (0, None) => "the log is empty".to_owned(),
                (lines, _) => format!("none of its {lines} lines is a line of a log"),
            };
            Error::new(Kind::Format, tried, why)
        })?;
        match self.json {
            true => json_line(&report),
            false => Ok(report.to_string()),
        }
    }

    /// Returns the files to read, in the order of their weeks.
    fn files(&self) -> Result<Vec<PathBuf>> {
        let is_path = self.log.components().count() > 1;
        if is_path || self.log.is_file() {
            return Ok(vec![self.log.clone()]);
        }
        let name = file_name(&self.log.to_string_lossy());
        let tried = || format!("find the logs of {name} in {}", self.basedir.display());
        let entries = std::fs::read_dir(&self.basedir).context(tried)?;
        let mut weeks: Vec<Week> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        weeks.sort_unstable();
        let file = |week: &Week| self.basedir.join(week.to_string()).join(&name);
        let files: Vec<PathBuf> = weeks
            .iter()
            .map(file)
            .filter(|path| path.is_file())
            .collect();
        if files.is_empty() {
            let why = "no folder of a week has such a log";
            return Err(Error::new(Kind::NotFound, tried(), why)
                .advise("name a file, another folder with --basedir, or an interface or adapter"));
        }
        Ok(files)
    }

    /// Adds the rows of a file that are in the given time, and returns the number of damaged lines.
    fn read(&self, path: &Path, rows: &mut Vec<Row>) -> Result<u64> {
        let tried = || format!("read the log {}", path.display());
        let mut input = BufReader::with_capacity(256 << 10, File::open(path).context(tried)?);
        let (from, to) = (self.from.map(Timestamp::sec), self.to.map(Timestamp::sec));
        let mut damaged = 0;
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut input).take(LINE_BYTES).read_until(b'\n', &mut line);
            if read.context(tried)? == 0 {
                return Ok(damaged);
            }
            // A line without an end was cut short, and its last number may be, too.
            let whole = line.ends_with(b"\n");
            let row = std::str::from_utf8(&line)
                .ok()
                .filter(|_| whole)
                .and_then(Row::parse);
            match row {
                None => damaged += 1,
                Some(row) if from.is_some_and(|from| row.second < from) => {}
                Some(row) if to.is_some_and(|to| row.second >= to) => {}
                Some(mut row) => {
                    if self.bytes {
                        row.received_bps = row.received_bps.saturating_mul(8);
                        row.lost_bps = row.lost_bps.saturating_mul(8);
                    }
                    rows.push(row);
                }
            }
        }
    }
}
