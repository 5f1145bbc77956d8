//! `hpcap-monitor report`: what a log says of speed and losses.

mod buckets;
mod files;
mod full;
mod rounded;
mod summary;
pub(crate) mod text;
mod timeline;

use std::path::PathBuf;

use hpcap::error::Context;
use hpcap::report::json_line;
use hpcap::{Error, Kind, Result, Timestamp};
use jiff::tz::TimeZone;

use crate::cli::ReportOptions;
use crate::log::original::file_name;
use crate::log::week::Week;
use crate::span::Span;

pub use buckets::{Bucket, Buckets};
pub use full::{FullLog, Range};
pub use rounded::Rows;
pub use summary::{Facts, Report, Summary};
pub use timeline::Timeline;

impl ReportOptions {
    /// Reads the log, writes the files that were asked for, and returns the text of its report.
    ///
    /// # Errors
    /// Errors of the file system; [`Kind::NotFound`] if there is no such log, [`Kind::Format`] if no
    /// line of it can be read or none is in the given time.
    pub fn run(&self) -> Result<String> {
        let report = self.report()?;
        if let Some(path) = &self.svg {
            report.write_svg(path)?;
        }
        if let Some(path) = &self.png {
            report.write_png(path)?;
        }
        if let Some(path) = &self.html {
            report.write_html(path)?;
        }
        match self.json {
            true => json_line(&report),
            false => Ok(report.to_string()),
        }
    }

    /// Reads the log.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn report(&self) -> Result<Report> {
        let mut timeline = Timeline::default();
        let facts = match self.is_file() {
            true => self.read_rounded(std::slice::from_ref(&self.log), None, &mut timeline)?,
            false => self.read_logs(&mut timeline)?,
        };
        let subject = hpcap::visible::visible_path(&self.log);
        Report::of(&subject, timeline, &facts).ok_or_else(|| {
            let why = match (facts.damaged_lines, self.from.or(self.to)) {
                (0, Some(_)) => "its logs have nothing of that time".to_owned(),
                (0, None) => "the log is empty".to_owned(),
                (lines, _) => format!("none of its {lines} lines is a line of a log"),
            };
            Error::new(Kind::Format, format!("report {subject}"), why)
        })
    }

    fn is_file(&self) -> bool {
        self.log.components().count() > 1 || self.log.is_file()
    }

    fn range(&self) -> Range {
        Range {
            from: self.from,
            to: self.to,
        }
    }

    /// Reads the full log, and for the time before it the original's.
    fn read_logs(&self, timeline: &mut Timeline) -> Result<Facts> {
        let name = self.log.to_string_lossy();
        let mut rounded: Option<Option<Timestamp>> = None;
        let mut facts = FullLog::find(&self.basedir, self.range()).read(&name, |span, interval| {
            // Without the original's log, the full log says all that there is to say.
            rounded.get_or_insert_with(|| {
                let files = self.week_files().unwrap_or_default();
                let earlier = self.read_rounded(&files, Some(span.start), timeline);
                earlier.ok().and_then(|facts| facts.rounded_until)
            });
            timeline.add(span, interval);
        });
        match rounded {
            Some(until) => facts.rounded_until = until,
            None => {
                let damaged_files = facts.damaged_files;
                facts = self.read_rounded(&self.week_files()?, None, timeline)?;
                facts.damaged_files = damaged_files;
            }
        }
        Ok(facts)
    }

    /// Reads rows of the original's log that end before `until`.
    fn read_rounded(
        &self,
        files: &[PathBuf],
        until: Option<Timestamp>,
        timeline: &mut Timeline,
    ) -> Result<Facts> {
        let mut rows = Rows::default();
        let mut facts = Facts::default();
        let range = self.range();
        let mut add = |spans: Vec<Span>, interval| {
            for span in spans.into_iter().filter(|span| range.has(span)) {
                facts.rounded_until = Some(span.end);
                timeline.add(span, interval);
            }
        };
        let mut damaged = 0;
        let mut is_over = false;
        for file in files {
            // Weeks that begin later have nothing that is wanted.
            if is_over {
                break;
            }
            damaged += rounded::read(file, self.bytes, |row| {
                let wanted = until.is_none_or(|until| row.second < until.sec());
                is_over = !wanted;
                if wanted {
                    let spans = rows.add(row);
                    add(spans, rows.interval());
                }
                wanted
            })?;
        }
        let spans = rows.finish();
        add(spans, rows.interval());
        facts.damaged_lines = damaged;
        facts.interval = rows.interval();
        Ok(facts)
    }

    /// Returns the files of the original's log, in the order of their weeks.
    fn week_files(&self) -> Result<Vec<PathBuf>> {
        let name = file_name(&self.log.to_string_lossy());
        let tried = || format!("find the logs of {name} in {}", self.basedir.display());
        let entries = std::fs::read_dir(&self.basedir).context(tried)?;
        let mut weeks: Vec<Week> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        weeks.sort_unstable();
        let file = |week: &Week| self.basedir.join(week.to_string()).join(&name);
        let mut files: Vec<PathBuf> = weeks
            .iter()
            .map(file)
            .filter(|path| path.is_file())
            .collect();
        if files.is_empty() {
            let why = "no folder of a week has such a log";
            return Err(Error::new(Kind::NotFound, tried(), why)
                .advise("name a file, another folder with --basedir, or an interface or adapter"));
        }
        weeks.retain(|week| self.may_have(*week));
        files.retain(|path| weeks.iter().any(|week| *path == file(week)));
        Ok(files)
    }

    /// Whether a week, of whatever zone, has something of the time that is asked for.
    fn may_have(&self, week: Week) -> bool {
        const DAY: i64 = 86_400;
        let Some(sunday) = week
            .sunday()
            .and_then(|day| day.to_zoned(TimeZone::UTC).ok())
        else {
            return true;
        };
        let second = |time: Timestamp| i64::try_from(time.sec()).unwrap_or(i64::MAX);
        let sunday = sunday.timestamp().as_second();
        self.from
            .is_none_or(|from| second(from) <= sunday + 2 * DAY)
            && self.to.is_none_or(|to| second(to) >= sunday - 7 * DAY)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod long_tests;
