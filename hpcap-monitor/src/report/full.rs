//! Reads the spans of one adapter or interface from the full log.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hpcap::Timestamp;

use super::Facts;
use crate::log::retention::{HourFile, hours};
use crate::log::{FULL, index, reader::Reader};
use crate::span::{Span, State, spans_between};

const HOUR: u64 = 3600;
/// Reports of at most this many hours read the samples of each, so that their charts show each of them.
const DETAILED: u64 = 3;

/// The part of a log that is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Range {
    /// Start of the range; what was before is left out.
    pub from: Option<Timestamp>,
    /// End of the range; what was at this time or later is left out.
    pub to: Option<Timestamp>,
}

impl Range {
    /// Whether `span` is in the range. A span counts where it begins, except for one without data, which
    /// counts only if all of it is in the range.
    #[must_use]
    pub fn has(&self, span: &Span) -> bool {
        let last = match span.state {
            State::NoData => span.end,
            _ => span.start,
        };
        let end_fits = match span.state {
            State::NoData => self.to.is_none_or(|to| last <= to),
            _ => self.to.is_none_or(|to| last < to),
        };
        self.from.is_none_or(|from| span.start >= from) && end_fits
    }

    /// Whether all of a span with these ends is in the range, in whatever way it is divided.
    fn has_all(&self, start: Timestamp, end: Timestamp) -> bool {
        self.from.is_none_or(|from| start >= from) && self.to.is_none_or(|to| end <= to)
    }

    fn length(&self) -> Option<Duration> {
        let (from, to) = (self.from?, self.to.unwrap_or_else(Timestamp::now));
        Some(Duration::from_nanos(
            to.as_ns().saturating_sub(from.as_ns()),
        ))
    }
}

/// The full log below a folder.
#[derive(Debug)]
pub struct FullLog {
    files: Vec<PathBuf>,
    range: Range,
    facts: Facts,
}

impl FullLog {
    /// Finds the files below `basedir` that may have something of `range`.
    #[must_use]
    pub fn find(basedir: &Path, range: Range) -> Self {
        let overlaps = |hour: &HourFile| {
            // The first sample of the next hour may be late. The last span of this hour ends with it.
            let (start, end) = (hour.start, hour.start + HOUR);
            range.from.is_none_or(|from| end >= from.sec())
                && range
                    .to
                    .is_none_or(|to| start < to.sec().saturating_add(HOUR))
        };
        let files = hours(&basedir.join(FULL)).into_iter().filter(overlaps);
        Self {
            files: files.map(|hour| hour.path).collect(),
            range,
            facts: Facts::default(),
        }
    }

    /// Reads the spans of `name`, and gives each to `take`, with the time between two samples.
    pub fn read(&mut self, name: &str, mut take: impl FnMut(Span, Duration)) -> Facts {
        let limit = Duration::from_secs(DETAILED * HOUR);
        let detailed = self.range.length().is_some_and(|length| length <= limit);
        for file in std::mem::take(&mut self.files) {
            if detailed || !self.read_index(&file, name, &mut take) {
                self.read_samples(&file, name, &mut take);
            }
        }
        self.facts
    }

    /// Reads the index of a file, if there is one and all of it is in the range; returns whether it was
    /// read.
    fn read_index(
        &mut self,
        file: &Path,
        name: &str,
        take: &mut impl FnMut(Span, Duration),
    ) -> bool {
        let Ok(hour) = index::read(&index::path_of(file), name) else {
            return false;
        };
        let fits = |span: &Span| self.range.has_all(span.start, span.end);
        if !hour.spans.iter().all(fits) {
            return false;
        }
        self.facts.damaged_lines += hour.damaged;
        for span in hour.spans {
            self.facts.interval = hour.interval;
            take(span, hour.interval);
        }
        true
    }

    fn read_samples(&mut self, file: &Path, name: &str, take: &mut impl FnMut(Span, Duration)) {
        let Ok(mut reader) = Reader::open(file) else {
            self.facts.damaged_files += 1;
            return;
        };
        let mut before = None;
        loop {
            match reader.read() {
                Err(_) => self.facts.damaged_files += 1,
                Ok(None) => {}
                Ok(Some(now)) => {
                    let spans = before.as_ref().map(|before| spans_between(before, &now));
                    let found = spans.into_iter().flatten().find(|(of, _)| of == name);
                    if let Some((_, span)) = found.filter(|(_, span)| self.range.has(span)) {
                        self.facts.interval = now.interval;
                        take(span, now.interval);
                    }
                    before = Some(now);
                    continue;
                }
            }
            break;
        }
        self.facts.damaged_lines += reader.damaged();
    }
}
