//! The distribution of times in nanoseconds: exact extremes, and quantiles to one part in 32.

use serde::{Deserialize, Serialize};

/// Bits of a number that decide its class, below the highest bit: 32 classes for each power of two.
const BITS: u32 = 5;
const CLASSES: usize = ((64 - BITS) as usize + 1) << BITS;

/// A distribution of times. Negative times are counted, but have no quantiles.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spread {
    /// Number of times that are not negative, by class; empty without a time.
    counts: Vec<u64>,
    total: u64,
    negative: u64,
    extremes: Option<(i64, i64)>,
}

/// A distribution in a few numbers of nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Number of times.
    pub count: u64,
    /// How many of them are negative.
    pub negative: u64,
    /// The smallest.
    pub min_ns: i64,
    /// Half of the times are at most this.
    pub p50_ns: i64,
    /// 90 % of the times are at most this.
    pub p90_ns: i64,
    /// 99 % of the times are at most this.
    pub p99_ns: i64,
    /// 99.9 % of the times are at most this.
    pub p999_ns: i64,
    /// The largest.
    pub max_ns: i64,
}

/// Returns the class of a time.
#[expect(clippy::cast_possible_truncation, reason = "a class is below 2^11")]
fn class(ns: u64) -> usize {
    let high = 63 - (ns | 1).leading_zeros();
    if high < BITS {
        return ns as usize;
    }
    let shift = high - BITS;
    let within = (ns >> shift) & ((1 << BITS) - 1);
    ((u64::from(shift + 1) << BITS) + within) as usize
}

/// Returns the longest time of a class.
fn end_of(class: usize) -> u64 {
    let class = class as u64;
    let (shift, within) = (class >> BITS, class & ((1 << BITS) - 1));
    match shift {
        0 => within,
        _ => (((1 << BITS) + within + 1) << (shift - 1)) - 1,
    }
}

impl Spread {
    /// Adds a time.
    #[inline]
    pub fn add(&mut self, ns: i64) {
        if self.counts.is_empty() {
            self.counts = vec![0; CLASSES];
        }
        self.total += 1;
        let (min, max) = self.extremes.unwrap_or((ns, ns));
        self.extremes = Some((min.min(ns), max.max(ns)));
        match u64::try_from(ns) {
            Ok(ns) => self.counts[class(ns)] += 1,
            Err(_) => self.negative += 1,
        }
    }

    /// Returns the time that `part` of all times do not exceed, rounded up by at most a 32nd.
    fn quantile(&self, part: f64, min: i64, max: i64) -> i64 {
        let mut left = (part * self.total as f64).ceil().max(1.0);
        left -= self.negative as f64;
        if left <= 0.0 {
            return min.min(0);
        }
        for (number, count) in self.counts.iter().enumerate() {
            left -= *count as f64;
            if left <= 0.0 {
                return i64::try_from(end_of(number)).unwrap_or(max).min(max);
            }
        }
        max
    }

    /// Returns the distribution in a few numbers; `None` without a time.
    #[must_use]
    pub fn summary(&self) -> Option<Summary> {
        let (min_ns, max_ns) = self.extremes?;
        let at = |part| self.quantile(part, min_ns, max_ns);
        Some(Summary {
            count: self.total,
            negative: self.negative,
            min_ns,
            p50_ns: at(0.5),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            max_ns,
        })
    }

    /// Returns the classes that have times, with the longest time of each and the number of times.
    #[must_use]
    pub fn classes(&self) -> Vec<(u64, u64)> {
        let all = self.counts.iter().enumerate();
        all.filter(|(_, count)| **count > 0)
            .map(|(number, count)| (end_of(number), *count))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_time_has_a_class_that_is_near() {
        for ns in (0..5000).chain([1 << 40, u64::MAX / 2]) {
            let end = end_of(class(ns));
            assert!(end >= ns && end - ns <= ns / 32, "{ns} {end}");
        }
        assert!(class(u64::MAX / 2) < CLASSES);
    }

    #[test]
    fn times_before_zero_are_counted() {
        let mut spread = Spread::default();
        assert_eq!(spread.summary(), None);
        for ns in [-700, -1, 5, 9] {
            spread.add(ns);
        }
        let summary = spread.summary().unwrap();
        assert_eq!((summary.count, summary.negative), (4, 2));
        assert_eq!((summary.min_ns, summary.max_ns), (-700, 9));
    }

    proptest! {
        #[test]
        fn quantiles_agree_with_a_sorted_list(mut times in proptest::collection::vec(0i64..1_000_000_000, 1..300)) {
            let mut spread = Spread::default();
            times.iter().for_each(|ns| spread.add(*ns));
            times.sort_unstable();
            let summary = spread.summary().unwrap();
            for (permille, found) in [(500, summary.p50_ns), (990, summary.p99_ns)] {
                let exact = times[(permille * times.len()).div_ceil(1000) - 1];
                prop_assert!(found >= exact && found - exact <= exact / 32 + 1);
            }
            prop_assert_eq!((summary.min_ns, summary.max_ns), (times[0], *times.last().unwrap()));
        }
    }
}
