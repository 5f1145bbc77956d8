//! Reads the original's log of rounded rates.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use hpcap::error::Context;
use hpcap::{Count, Result, Timestamp};

use crate::log::original::Row;
use crate::sample::{Causes, Traffic};
use crate::span::Span;

/// Longest line that is read. A file that is no log must not exhaust memory.
const LINE_BYTES: u64 = 4096;
/// Rows from which the usual time between two rows is found.
const PROBE: usize = 1000;

/// Finds the time that each row describes. It is the time since the row before, unless rows are
/// missing there, or the clock was set back; then it is the usual time between two rows.
#[derive(Debug, Default)]
pub struct Rows {
    /// The first rows, which wait until the usual time is known.
    waiting: Vec<Row>,
    usual: Option<Duration>,
    before: Option<u64>,
}

impl Rows {
    /// Adds a row, and returns the spans that are known by now.
    pub fn add(&mut self, row: Row) -> Vec<Span> {
        let Some(usual) = self.usual else {
            self.waiting.push(row);
            return match self.waiting.len() < PROBE {
                true => Vec::new(),
                false => self.finish(),
            };
        };
        vec![self.span_of(row, usual)]
    }

    /// Returns the spans of the rows that wait.
    pub fn finish(&mut self) -> Vec<Span> {
        let rows = std::mem::take(&mut self.waiting);
        let usual = *self.usual.get_or_insert_with(|| usual_interval(&rows));
        rows.into_iter()
            .map(|row| self.span_of(row, usual))
            .collect()
    }

    /// The usual time between two rows.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.usual.unwrap_or(Duration::from_secs(1))
    }

    fn span_of(&mut self, row: Row, usual: Duration) -> Span {
        let passed = self
            .before
            .and_then(|before| row.second.checked_sub(before));
        self.before = Some(row.second);
        // A busy machine may delay one row by one interval. Times are whole seconds, of which several
        // rows may have the same.
        let elapsed = match passed.map(Duration::from_secs) {
            Some(passed) if usual >= Duration::from_secs(1) && !passed.is_zero() => {
                if passed <= 2 * usual { passed } else { usual }
            }
            _ => usual,
        };
        let amount = |rate: u64| {
            let exact = u128::from(rate).saturating_mul(elapsed.as_nanos()) / 1_000_000_000;
            u64::try_from(exact).unwrap_or(u64::MAX)
        };
        let lost = amount(row.lost_pps);
        let traffic = Traffic {
            received: Count::new(amount(row.received_pps), amount(row.received_bps) / 8),
            lost: Count::new(lost, amount(row.lost_bps) / 8),
            causes: Causes {
                unknown: lost,
                ..Causes::default()
            },
        };
        let end = Timestamp::from_ns(row.second.saturating_mul(1_000_000_000));
        let mut span = Span::of(end, elapsed, traffic);
        (span.highest_bps, span.lowest_bps) = (row.received_bps, row.received_bps);
        span.highest_lost_pps = row.lost_pps;
        span
    }
}

/// Returns the usual time between two rows. Rows of the same second are less than a second apart.
fn usual_interval(rows: &[Row]) -> Duration {
    let times = rows
        .windows(2)
        .filter_map(|pair| pair[1].second.checked_sub(pair[0].second));
    let mut intervals: Vec<u64> = times.collect();
    let middle = intervals.len() / 2;
    if intervals.is_empty() {
        return Duration::from_secs(1);
    }
    match *intervals.select_nth_unstable(middle).1 {
        0 => {
            let short = intervals.iter().filter(|passed| **passed <= 1);
            let (count, seconds) = short.fold((0_u64, 0), |(n, sum), one| (n + 1, sum + one));
            Duration::from_nanos(1_000_000_000 * seconds.max(1) / count.max(1))
        }
        seconds => Duration::from_secs(seconds),
    }
}

/// Reads the rows of a file, and returns the number of damaged lines. `take` gets each row and returns
/// whether to read on.
///
/// # Errors
/// Errors of the file system.
pub(super) fn read(path: &Path, bytes: bool, mut take: impl FnMut(Row) -> bool) -> Result<u64> {
    let tried = || format!("read the log {}", path.display());
    let mut input = BufReader::with_capacity(256 << 10, File::open(path).context(tried)?);
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
        let text = std::str::from_utf8(&line).ok().filter(|_| whole);
        let Some(mut row) = text.and_then(Row::parse) else {
            damaged += 1;
            continue;
        };
        if bytes {
            row.received_bps = row.received_bps.saturating_mul(8);
            row.lost_bps = row.lost_bps.saturating_mul(8);
        }
        if !take(row) {
            return Ok(damaged);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_second_share_its_time() {
        // Ten rows a second.
        let mut rows = Rows::default();
        let row = |n: u64| Row {
            second: 100 + n / 10,
            received_pps: 1000,
            ..Row::default()
        };
        let mut spans: Vec<Span> = (0..100).flat_map(|n| rows.add(row(n))).collect();
        spans.extend(rows.finish());
        let frames: u64 = spans.iter().map(|span| span.traffic.received.frames).sum();
        assert!((9_000..=11_000).contains(&frames), "{frames}");
    }
}
