//! The time of frames: the program stamps them with the kernel's monotonic clock, and this module
//! turns the stamps into wall-clock time.

use nix::time::{ClockId, clock_gettime};

const NS: u64 = 1_000_000_000;

/// Difference of the clocks, in nanoseconds, up to which a change of it is ignored: a thread may be interrupted between
/// reading one clock and the other.
const JITTER_NS: u64 = 1_000_000;

/// A wall-clock time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp {
    /// Seconds since 1970.
    pub(super) sec: u64,
    /// Nanoseconds past the second.
    pub(super) nsec: u32,
    /// Whether the kernel stamped the frame; otherwise it is the time at which it was taken.
    pub(super) by_kernel: bool,
}

/// The two clocks, as of the last look at the rings.
#[derive(Debug)]
pub(super) struct Clock {
    /// What the program writes before the time of a frame; `None` if it stamps nothing.
    cookie: Option<u64>,
    /// What to add to the monotonic clock, in nanoseconds.
    offset: u64,
    now: u64,
}

fn read(clock: ClockId) -> u64 {
    // Reading these clocks cannot fail.
    clock_gettime(clock).map_or(0, |time| {
        time.tv_sec().cast_unsigned() * NS + time.tv_nsec().cast_unsigned()
    })
}

impl Clock {
    pub(super) fn new(cookie: Option<u64>) -> Self {
        let mut clock = Self {
            cookie,
            offset: 0,
            now: 0,
        };
        clock.look();
        clock
    }

    /// Returns whether the program stamps frames.
    pub(super) fn stamps(&self) -> bool {
        self.cookie.is_some()
    }

    /// Reads the clocks.
    ///
    /// The difference between them changes only when somebody sets the wall clock. Smaller
    /// differences come from the time between the two readings, and would bring frames out of order.
    pub(super) fn look(&mut self) {
        self.now = read(ClockId::CLOCK_REALTIME);
        if self.cookie.is_some() {
            let offset = self.now.wrapping_sub(read(ClockId::CLOCK_MONOTONIC));
            if offset
                .wrapping_sub(self.offset)
                .cast_signed()
                .unsigned_abs()
                > JITTER_NS
            {
                self.offset = offset;
            }
        }
    }

    /// Returns the time of a frame before which the program wrote `words`.
    pub(super) fn stamp(&self, words: [u64; 2]) -> Stamp {
        match self.cookie {
            Some(cookie) if cookie == words[0] => {
                Self::at(words[1].wrapping_add(self.offset), true)
            }
            _ => self.without_stamp(),
        }
    }

    /// Returns the time of a frame without a stamp.
    pub(super) fn without_stamp(&self) -> Stamp {
        Self::at(self.now, false)
    }

    fn at(ns: u64, by_kernel: bool) -> Stamp {
        let nsec = (ns % NS) as u32;
        Stamp {
            sec: ns / NS,
            nsec,
            by_kernel,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_cookie_makes_a_stamp() {
        let mut clock = Clock::new(Some(7));
        clock.offset = 2 * NS;
        clock.now = 9 * NS;
        assert_eq!(clock.stamp([7, NS + 5]), Clock::at(3 * NS + 5, true));
        assert_eq!(clock.stamp([8, NS + 5]), Clock::at(9 * NS, false));
        let none = Clock::new(None);
        assert!(!none.stamp([7, NS]).by_kernel);
    }
}
