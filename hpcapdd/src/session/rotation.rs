//! Rotates files by time.

use std::time::{Duration, Instant};

use hpcap::Timestamp;

/// The times at which new files begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Time between two files.
    pub every: Duration,
    /// Rotates at whole multiples of `every` in local time, instead of counting from the start.
    pub aligned: bool,
}

/// Says when a [`Rotation`] is due.
#[derive(Debug)]
pub struct RotationClock {
    rotation: Rotation,
    /// Time of the last rotation, by the monotonic clock.
    last: Instant,
    /// Time of the next aligned rotation, in nanoseconds since 1970.
    next: u64,
}

impl RotationClock {
    /// Starts the clock now.
    #[must_use]
    pub fn new(rotation: Rotation) -> Self {
        let now = Timestamp::now();
        Self {
            rotation,
            last: Instant::now(),
            next: next_multiple(now, rotation.every, zone_offset(now)),
        }
    }

    /// Whether a new file is due. A call that returns true ends the current period.
    pub fn is_due(&mut self) -> bool {
        if self.rotation.aligned {
            let now = Timestamp::now();
            return self.is_due_at(now, zone_offset(now));
        }
        let due = self.last.elapsed() >= self.rotation.every;
        if due {
            self.last = Instant::now();
        }
        due
    }

    /// Time until a new file is due, by the clocks as they go now.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        if self.rotation.aligned {
            return Duration::from_nanos(self.next.saturating_sub(Timestamp::now().as_ns()));
        }
        self.rotation.every.saturating_sub(self.last.elapsed())
    }

    fn is_due_at(&mut self, now: Timestamp, zone: Duration) -> bool {
        let due = now.as_ns() >= self.next;
        // Computing the next time in every call keeps rotation going even after the clock was set
        // back.
        self.next = next_multiple(now, self.rotation.every, zone);
        due
    }
}

/// The first moment after `now`, in nanoseconds since 1970, at which the time of a zone that is
/// `zone` ahead of UTC is a multiple of `every`.
fn next_multiple(now: Timestamp, every: Duration, zone: Duration) -> u64 {
    let ns = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
    let (every, zone) = (ns(every).max(1), ns(zone));
    let local = now.as_ns().saturating_add(zone);
    (local / every + 1)
        .saturating_mul(every)
        .saturating_sub(zone)
}

/// How far local time is ahead of UTC, from 0 to a day. A zone behind UTC counts as ahead by a day
/// less the difference.
fn zone_offset(now: Timestamp) -> Duration {
    const DAY: i64 = 86_400;
    let time = libc::time_t::try_from(now.sec()).unwrap_or(libc::time_t::MAX);
    // SAFETY: zero is a valid value of every field of a `tm`.
    let mut local: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both point to values that outlive the call, and the result is not used.
    unsafe { libc::localtime_r(&raw const time, &raw mut local) };
    Duration::from_secs(local.tm_gmtoff.rem_euclid(DAY).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn next(sec: u32, every: Duration, zone: Duration) -> u64 {
        next_multiple(Timestamp::new(sec, 5), every, zone) / 1_000_000_000
    }

    #[test]
    fn next_multiple_is_after_now() {
        assert_eq!(next(7200, HOUR, Duration::ZERO), 10_800);
        assert_eq!(next(7199, HOUR, Duration::ZERO), 7200);
        // Half past an hour in UTC is a whole hour in India.
        assert_eq!(next(7200, HOUR, HOUR * 11 / 2), 9000);
        // Midnight in a zone eight hours behind UTC.
        assert_eq!(next(0, HOUR * 24, HOUR * 16), 8 * 3600);
    }

    #[test]
    fn aligned_rotation_is_due_once_a_period() {
        let mut clock = RotationClock::new(Rotation {
            every: HOUR,
            aligned: true,
        });
        let at = |sec| Timestamp::new(sec, 0);
        clock.next = 3600 * 1_000_000_000;
        assert!(!clock.is_due_at(at(3599), Duration::ZERO));
        assert!(clock.is_due_at(at(3600), Duration::ZERO));
        assert!(!clock.is_due_at(at(3601), Duration::ZERO));
        assert!(clock.is_due_at(at(7300), Duration::ZERO));
    }

    #[test]
    fn clock_set_back_rotates_at_the_next_hour() {
        let mut clock = RotationClock::new(Rotation {
            every: HOUR,
            aligned: true,
        });
        clock.next = 1_000_000 * 3600 * 1_000_000_000;
        assert!(!clock.is_due_at(Timestamp::new(7000, 0), Duration::ZERO));
        assert!(clock.is_due_at(Timestamp::new(7200, 0), Duration::ZERO));
    }
}
