//! The traffic by equal parts of the time, for charts.

use std::time::Duration;

use hpcap::Timestamp;

use crate::sample::Causes;
use crate::span::{Span, State};

/// Largest number of parts. When the time is too long for them, neighbouring parts are joined.
const MOST: usize = 4096;
const SECOND: u64 = 1_000_000_000;

/// The traffic of a part of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucket {
    /// Nanoseconds of it that samples describe.
    pub known_ns: u64,
    /// Received bits.
    pub received_bits: u64,
    /// Highest rate of reception between two samples, in bits a second.
    pub highest_bps: u64,
    /// Lost frames.
    pub lost: Causes,
}

impl Bucket {
    fn add(&mut self, other: &Self) {
        self.known_ns = self.known_ns.saturating_add(other.known_ns);
        self.received_bits = self.received_bits.saturating_add(other.received_bits);
        self.highest_bps = self.highest_bps.max(other.highest_bps);
        self.lost.add_all(&other.lost);
    }

    /// Number of lost frames.
    #[must_use]
    pub fn lost_frames(&self) -> u64 {
        self.lost
            .iter()
            .fold(0, |sum, (_, frames)| sum.saturating_add(frames))
    }

    /// Received bits a second, on average of the known time.
    #[must_use]
    pub fn mean_bps(&self) -> f64 {
        match self.known_ns {
            0 => 0.0,
            ns => self.received_bits as f64 * 1e9 / ns as f64,
        }
    }
}

/// Widths of parts in seconds. Each is a multiple of the previous one, and a round number for people.
const WIDTHS: [u64; 14] = [
    1, 5, 15, 30, 60, 300, 900, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 604_800,
];

/// The traffic by equal parts of the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets {
    /// Number of the first part: its start divided by the width.
    first: u64,
    /// Length of a part in nanoseconds.
    pub width_ns: u64,
    /// The parts.
    pub parts: Vec<Bucket>,
    /// Number of the newest parts that are kept; `None` keeps all of them, and makes parts wider when they are too
    /// many.
    newest: Option<usize>,
}

impl Default for Buckets {
    fn default() -> Self {
        Self {
            first: 0,
            width_ns: SECOND,
            parts: Vec::new(),
            newest: None,
        }
    }
}

/// Returns the number by which the width of parts grows next.
fn next_factor(width_ns: u64) -> u64 {
    let wider = WIDTHS
        .iter()
        .map(|seconds| seconds * SECOND)
        .find(|width| *width > width_ns);
    wider.map_or(2, |width| width / width_ns)
}

impl Buckets {
    /// Creates parts of `width`, and keeps only the `newest` of them.
    #[must_use]
    pub fn of_newest(width: Duration, newest: usize) -> Self {
        Self {
            width_ns: u64::try_from(width.as_nanos()).unwrap_or(u64::MAX).max(1),
            newest: Some(newest.max(1)),
            ..Self::default()
        }
    }

    /// Nanoseconds since 1970 at the start of the first part.
    #[must_use]
    pub const fn start_ns(&self) -> u64 {
        self.first.saturating_mul(self.width_ns)
    }

    /// Adds the traffic of a span. Received frames of a long span are spread evenly, lost ones are at its
    /// start. What is before the first part, after a clock was set back, counts in the first.
    pub fn add(&mut self, span: &Span) {
        let start = span.start.as_ns();
        let last_ns = span.end.as_ns().max(start.saturating_add(1)) - 1;
        if self.parts.is_empty() {
            self.first = start / self.width_ns;
        }
        if let Some(newest) = self.newest {
            self.forget(last_ns, newest);
        }
        while self.number(last_ns) - self.first >= MOST as u64 {
            self.widen(next_factor(self.width_ns));
        }
        let first = self.place(start);
        let last = self.place(last_ns).max(first);
        if self.parts.len() <= last {
            self.parts.resize(last + 1, Bucket::default());
        }
        self.parts[first].lost.add_all(&span.traffic.causes);
        if span.state == State::NoData {
            return;
        }
        let elapsed = u64::try_from(span.elapsed.as_nanos()).unwrap_or(u64::MAX);
        let bits = span.received_bits();
        let count = (last - first + 1) as u64;
        for (at, part) in self.parts[first..=last].iter_mut().enumerate() {
            let share = |whole: u64| whole / count + u64::from((at as u64) < whole % count);
            part.add(&Bucket {
                known_ns: share(elapsed),
                received_bits: share(bits),
                highest_bps: span.highest_bps,
                lost: Causes::default(),
            });
        }
    }

    /// The number of the part with a time, at least that of the first.
    const fn number(&self, ns: u64) -> u64 {
        let number = ns / self.width_ns;
        if number < self.first {
            self.first
        } else {
            number
        }
    }

    /// The place of the part with a time.
    fn place(&self, ns: u64) -> usize {
        usize::try_from(self.number(ns) - self.first).unwrap_or(usize::MAX)
    }

    /// Forgets the oldest parts, so that `newest` with the one of `last_ns` are left.
    fn forget(&mut self, last_ns: u64, newest: usize) {
        let kept = self.number(last_ns).saturating_sub(newest as u64 - 1);
        let gone = usize::try_from(kept.saturating_sub(self.first)).unwrap_or(usize::MAX);
        if gone > 0 {
            self.parts.drain(..gone.min(self.parts.len()));
            self.first = kept;
        }
    }

    /// Joins each `factor` consecutive parts into one.
    fn widen(&mut self, factor: u64) {
        let mut parts: Vec<Bucket> = Vec::new();
        let first = self.first / factor;
        for (number, part) in (self.first..).zip(&self.parts) {
            let place = usize::try_from(number / factor - first).unwrap_or(usize::MAX);
            if parts.len() <= place {
                parts.resize(place + 1, Bucket::default());
            }
            parts[place].add(part);
        }
        self.parts = parts;
        self.first = first;
        self.width_ns = self.width_ns.saturating_mul(factor);
    }

    /// Returns the parts from `start` to `end` as at most `most` parts.
    #[must_use]
    pub fn cut(&self, start: Timestamp, end: Timestamp, most: usize) -> Self {
        let first = self.place(start.as_ns()).min(self.parts.len());
        let last = self.place(end.as_ns().saturating_sub(1)).saturating_add(1);
        let mut cut = Self {
            first: self.first + first as u64,
            width_ns: self.width_ns,
            parts: self.parts[first..last.clamp(first, self.parts.len())].to_vec(),
            newest: None,
        };
        while cut.parts.len() > most.max(2) {
            cut.widen(next_factor(cut.width_ns));
        }
        cut
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use hpcap::Count;
    use proptest::prelude::*;

    use super::*;
    use crate::sample::Traffic;

    fn span(end: u64, seconds: u64, bytes: u64, lost: u64) -> Span {
        let traffic = Traffic {
            received: Count::new(1, bytes),
            lost: Count::new(lost, 0),
            causes: Causes {
                ring_full: lost,
                ..Causes::default()
            },
        };
        Span::of(
            Timestamp::from_ns(end * SECOND),
            Duration::from_secs(seconds),
            traffic,
        )
    }

    #[test]
    fn oldest_parts_are_forgotten() {
        let mut buckets = Buckets::of_newest(Duration::from_secs(10), 6);
        for second in 1001..=1100 {
            buckets.add(&span(second, 1, 100, 1));
        }
        assert_eq!(
            (buckets.parts.len(), buckets.start_ns()),
            (6, 1040 * SECOND)
        );
        assert!(buckets.parts.iter().all(|part| part.lost_frames() == 10));
        // Long after, nothing is left.
        buckets.add(&span(9000, 1, 100, 1));
        assert_eq!(
            buckets.parts.iter().map(Bucket::lost_frames).sum::<u64>(),
            1
        );
        assert!(buckets.parts.len() <= 6);
    }

    #[test]
    fn parts_are_joined_when_the_time_is_long() {
        let mut buckets = Buckets::default();
        for second in 1..=10_000 {
            buckets.add(&span(second, 1, 100, 1));
        }
        assert_eq!((buckets.width_ns, buckets.parts.len()), (5 * SECOND, 2000));
        assert!(buckets.parts.iter().all(|part| part.lost_frames() == 5));
        let cut = buckets.cut(Timestamp::new(3600, 0), Timestamp::new(7200, 0), 100);
        assert_eq!((cut.parts.len(), cut.width_ns), (60, 60 * SECOND));
        assert_eq!(
            (cut.start_ns(), cut.parts[0].mean_bps()),
            (3600 * SECOND, 800.0)
        );
    }

    proptest! {
        #[test]
        fn parts_have_all_traffic(ends in proptest::collection::vec((0_u64..1 << 33, 1_u64..90), 1..40)) {
            let mut buckets = Buckets::default();
            for (end, seconds) in &ends {
                buckets.add(&span(*end, *seconds, 1000, 3));
            }
            let count = ends.len() as u64;
            let bits: u64 = buckets.parts.iter().map(|part| part.received_bits).sum();
            let lost: u64 = buckets.parts.iter().map(Bucket::lost_frames).sum();
            prop_assert_eq!((bits, lost), (8000 * count, 3 * count));
            prop_assert!(buckets.parts.len() <= MOST);
        }
    }
}
