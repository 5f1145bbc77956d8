//! The times at which frames are due, computed exactly, without drift and without a clock.

use std::time::Duration;

use hpcap::units::Rate;

/// Bytes per frame on the wire in addition to its length: preamble 8, FCS 4, gap 12.
pub const WIRE_OVERHEAD_BYTES: u32 = 24;

const NS: u64 = 1_000_000_000;

/// The time at which the next frame is due, in nanoseconds from the start.
///
/// The time that a frame takes is seldom a whole number of nanoseconds. The schedule carries the
/// remainder over, so that frame `n` is due at the exact time, rounded down, for every `n`.
#[derive(Debug, Clone)]
pub struct Schedule {
    rate: Rate,
    due_ns: u64,
    /// Remainder below one nanosecond, in units of 1/rate nanoseconds.
    rest: u64,
}

impl Schedule {
    /// Highest rate in bits or frames per second; higher rates are reduced to it.
    const RATE_MAX: u64 = 100_000_000_000_000;

    /// Creates a schedule at `rate`, in which the first frame is due at once.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        let rate = match rate {
            Rate::BitsPerSecond(n) => Rate::BitsPerSecond(n.clamp(1, Self::RATE_MAX)),
            Rate::FramesPerSecond(n) => Rate::FramesPerSecond(n.clamp(1, Self::RATE_MAX)),
        };
        Self {
            rate,
            due_ns: 0,
            rest: 0,
        }
    }

    /// Returns when the next frame is due, in nanoseconds from the start.
    #[must_use]
    #[inline]
    pub fn due_ns(&self) -> u64 {
        self.due_ns
    }

    /// Moves on to the frame after the next one, which is `len` bytes long.
    #[inline]
    pub fn advance(&mut self, len: u32) {
        let (cost, rate) = match self.rate {
            Rate::FramesPerSecond(rate) => (NS, rate),
            // The product stays below 2^51 for the longest frame: 131,096 bytes are about a million
            // bits.
            Rate::BitsPerSecond(rate) => (u64::from(len + WIRE_OVERHEAD_BYTES) * 8 * NS, rate),
        };
        let total = self.rest + cost;
        self.due_ns = self.due_ns.saturating_add(total / rate);
        self.rest = total % rate;
    }

    /// Delays all frames that are still due by `by`.
    pub fn delay(&mut self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.due_ns = self.due_ns.saturating_add(by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ten_gigabit_is_14_88_million_frames() {
        let mut schedule = Schedule::new(Rate::BitsPerSecond(10_000_000_000));
        let mut frames = 0;
        while schedule.due_ns() < 1_000_000_000 {
            schedule.advance(60);
            frames += 1;
        }
        assert_eq!(frames, 14_880_953);
    }

    proptest! {
        #[test]
        fn schedule_is_exact_to_the_nanosecond(
            rate in 1u64..200_000_000_000,
            frames: bool,
            lens in proptest::collection::vec(14u32..=131_072, 0..500),
        ) {
            let mut schedule = Schedule::new(
                if frames { Rate::FramesPerSecond(rate) } else { Rate::BitsPerSecond(rate) },
            );
            let mut amount: u128 = 0;
            for len in lens {
                prop_assert_eq!(u128::from(schedule.due_ns()), amount * 1_000_000_000 / u128::from(rate));
                amount += if frames { 1 } else { u128::from(len + 24) * 8 };
                schedule.advance(len);
            }
        }
    }

    #[test]
    fn absurd_rates_do_not_overflow() {
        for rate in [
            Rate::BitsPerSecond(u64::MAX),
            Rate::FramesPerSecond(u64::MAX),
        ] {
            let mut schedule = Schedule::new(rate);
            for _ in 0..1000 {
                schedule.advance(131_072);
            }
            assert!(schedule.due_ns() < 100_000_000);
        }
        let mut slow = Schedule::new(Rate::BitsPerSecond(1));
        for _ in 0..100_000 {
            slow.advance(131_072);
        }
        assert_eq!(slow.due_ns(), u64::MAX);
    }
}
