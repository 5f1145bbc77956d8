//! The difference of two values of a counter.

use std::time::Duration;

/// Shortest time by which a growth is divided: two readings at almost the same moment must not give an unbounded rate.
const SHORTEST: Duration = Duration::from_millis(1);

/// What happened to a counter between two readings.
///
/// A counter that is smaller than before was reset, or wrapped at fewer than 64 bits, or its reader
/// saw its parts at different times. How much it had grown is then unknown, and is taken as 0: a
/// lower bound that is never negative and never larger than what there was.
///
/// ```
/// use hpcap::counters::Delta;
/// use std::time::Duration;
///
/// let time = Duration::from_secs(2);
/// assert_eq!(Delta::between(1_000, 1_500).per_second(time), 250.0);
/// assert_eq!(Delta::between(u64::MAX, 3), Delta::Reset);
/// assert_eq!(Delta::Reset.per_second(time), 0.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delta {
    /// The counter has grown by this number.
    Grew(u64),
    /// The counter is smaller than before.
    Reset,
}

impl Delta {
    /// Compares the value of a counter `before` and `now`.
    #[must_use]
    pub const fn between(before: u64, now: u64) -> Self {
        match now.checked_sub(before) {
            Some(growth) => Self::Grew(growth),
            None => Self::Reset,
        }
    }

    /// Returns by how much the counter has grown; 0 if it was reset.
    #[must_use]
    pub const fn growth(self) -> u64 {
        match self {
            Self::Grew(growth) => growth,
            Self::Reset => 0,
        }
    }

    /// Returns the growth in each second of `time`.
    #[must_use]
    pub fn per_second(self, time: Duration) -> f64 {
        self.growth() as f64 / time.max(SHORTEST).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rate_is_never_negative_nor_unbounded(before: u64, now: u64, nanos: u64) {
            let time = Duration::from_nanos(nanos);
            let delta = Delta::between(before, now);
            let rate = delta.per_second(time);
            prop_assert!(rate.is_finite() && rate >= 0.0);
            // No rate exceeds what the counter holds by now, a millisecond long.
            prop_assert!(delta.growth() <= now);
            prop_assert!(rate <= now as f64 * 1000.0);
        }

        #[test]
        fn growth_adds_up_between_resets(
            start in 0..u64::MAX / 2, steps in proptest::collection::vec(0..u64::from(u32::MAX), 1..50)
        ) {
            let mut value = start;
            let mut sum = 0;
            for step in &steps {
                sum += Delta::between(value, value + step).growth();
                value += step;
            }
            prop_assert_eq!(Delta::between(start, value), Delta::Grew(sum));
        }

        #[test]
        fn wrapped_counter_counts_as_reset(before in 1u64 << 31..1 << 32, grown in 0..1u64 << 31) {
            // A counter of 32 bits, such as a register of a NIC.
            let now = (before + grown) % (1 << 32);
            let delta = Delta::between(before, now);
            prop_assert!(delta == Delta::Grew(grown) || delta == Delta::Reset);
        }
    }
}
