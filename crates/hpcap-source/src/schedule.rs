//! When a capture of an interface reads counters, and when it looks at its interface.
//!
//! Each of these costs a system call. Done after each sleep, they would cost as much as taking a hundred
//! frames.

use std::time::{Duration, Instant};

/// Time between two readings of a socket's drop counter.
pub(crate) const COUNT_EVERY: Duration = Duration::from_millis(100);
/// Time between two checks of an interface that is up. Each check also reads the counters of the interface.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Time between two looks at an interface that is down or gone.
const LOOK_FOR: Duration = Duration::from_millis(100);

/// When the counters were read last, and when the interface was looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    counted: Instant,
    looked: Instant,
}

impl Schedule {
    /// Starts now, as after a reading and a look.
    pub(crate) fn start() -> Self {
        let now = Instant::now();
        Self {
            counted: now,
            looked: now,
        }
    }

    /// Notes that the counters are read now.
    pub(crate) fn note_count(&mut self) {
        self.counted = Instant::now();
    }

    /// Notes that the interface is looked at now.
    pub(crate) fn note_look(&mut self) {
        self.looked = Instant::now();
    }

    /// Whether the counters must be read again.
    pub(crate) fn is_count_due(&self) -> bool {
        self.counted.elapsed() >= COUNT_EVERY
    }

    /// Whether the interface must be looked at again; `is_up` says how it was at the last look.
    pub(crate) fn is_look_due(&self, is_up: bool) -> bool {
        self.looked.elapsed() >= if is_up { LOOK_EVERY } else { LOOK_FOR }
    }
}

/// Returns `timeout`, or less for an interface that is not up, which must be looked at soon.
pub(crate) fn sleep_time(timeout: Duration, is_up: bool) -> Duration {
    if is_up {
        timeout
    } else {
        timeout.min(LOOK_FOR)
    }
}
