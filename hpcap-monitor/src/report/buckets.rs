//! The traffic by equal parts of the time, for charts.

use hpcap::Timestamp;

use crate::sample::Causes;
use crate::span::{Span, State};

/// Most parts. When the time is too long for them, two parts become one.
const MOST: usize = 4096;
const SECOND: u64 = 1_000_000_000;

/// The traffic of a part of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucket {
    /// Nanoseconds of it that samples describe.
    pub known_ns: u64,
    /// Received bits.
    pub received_bits: u64,
    /// Most received bits a second between two samples.
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

/// The traffic by equal parts of the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets {
    /// Nanoseconds since 1970 at the start of the first part.
    pub start_ns: u64,
    /// Length of a part in nanoseconds.
    pub width_ns: u64,
    /// The parts.
    pub parts: Vec<Bucket>,
}

impl Default for Buckets {
    fn default() -> Self {
        Self {
            start_ns: 0,
            width_ns: SECOND,
            parts: Vec::new(),
        }
    }
}

impl Buckets {
    /// Adds the traffic of a span. Frames of a long span are spread evenly, except for lost ones, which
    /// are at its start.
    pub fn add(&mut self, span: &Span) {
        let (start, end) = (
            span.start.as_ns(),
            span.end.as_ns().max(span.start.as_ns().saturating_add(1)),
        );
        if self.parts.is_empty() {
            self.start_ns = start - start % self.width_ns;
        }
        // A clock that was set back leads before the first part: what is there counts in the first.
        let last = self.place(end - 1);
        self.grow(last);
        let (first, last) = (self.place(start), self.place(end - 1));
        let (first, last) = (
            first.min(self.parts.len() - 1),
            last.min(self.parts.len() - 1),
        );
        if let Some(part) = self.parts.get_mut(first) {
            part.lost.add_all(&span.traffic.causes);
        }
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

    fn place(&self, ns: u64) -> usize {
        let place = ns.saturating_sub(self.start_ns) / self.width_ns;
        usize::try_from(place).unwrap_or(usize::MAX)
    }

    /// Makes room for a part whose place is `last` by now.
    fn grow(&mut self, mut last: usize) {
        while last >= MOST {
            // Times far apart must not need many rounds of halving empty memory.
            let halves = self.parts.chunks(2).map(|pair| {
                let mut sum = pair[0];
                pair.iter().skip(1).for_each(|other| sum.add(other));
                sum
            });
            self.parts = halves.collect();
            self.width_ns = self.width_ns.saturating_mul(2);
            last /= 2;
        }
        // The start may no longer be a multiple of the width; it stands for the first part all the same.
        if self.parts.len() <= last {
            self.parts.resize(last + 1, Bucket::default());
        }
    }

    /// Returns the parts from `start` to `end` as at most `most` parts.
    #[must_use]
    pub fn cut(&self, start: Timestamp, end: Timestamp, most: usize) -> Self {
        let first = self.place(start.as_ns()).min(self.parts.len());
        let last = self.place(end.as_ns().saturating_sub(1)).saturating_add(1);
        let parts = &self.parts[first..last.clamp(first, self.parts.len())];
        let joined = parts.len().div_ceil(most.max(1)).max(1);
        Self {
            start_ns: self.start_ns + first as u64 * self.width_ns,
            width_ns: self.width_ns.saturating_mul(joined as u64),
            parts: parts
                .chunks(joined)
                .map(|some| {
                    let mut sum = Bucket::default();
                    some.iter().for_each(|one| sum.add(one));
                    sum
                })
                .collect(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::time::Duration;

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
    fn parts_are_joined_when_the_time_is_long() {
        let mut buckets = Buckets::default();
        for second in 1..=10_000 {
            buckets.add(&span(second, 1, 100, 1));
        }
        assert_eq!(buckets.width_ns, 4 * SECOND);
        assert_eq!(buckets.parts.len(), 2500);
        assert!(buckets.parts.iter().all(|part| part.lost_frames() == 4));
        let cut = buckets.cut(Timestamp::new(4000, 0), Timestamp::new(8000, 0), 100);
        assert_eq!((cut.parts.len(), cut.width_ns), (100, 40 * SECOND));
        assert_eq!(cut.parts[0].mean_bps(), 800.0);
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
