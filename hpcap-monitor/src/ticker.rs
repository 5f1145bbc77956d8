//! The moments at which the monitor samples.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use hpcap::Result;
use hpcap::Timestamp;
use hpcap::error::Context;
use nix::sys::time::TimeSpec;
use nix::sys::timer::{Expiration, TimerSetTimeFlags};
use nix::sys::timerfd::{ClockId, TimerFd, TimerFlags};
use nix::time::{ClockId as Clock, clock_gettime};

/// A change of the difference between the wall clock and the clock since boot that counts as a step. NTP slews a
/// clock by at most half a millisecond a second.
const STEP: Duration = Duration::from_millis(250);

/// Now, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Wall-clock time.
    pub time: Timestamp,
    /// CLOCK_BOOTTIME, which cannot be set, and which goes on while the machine sleeps.
    pub monotonic: Duration,
}

impl Moment {
    /// Reads both clocks.
    ///
    /// # Errors
    /// An error of the operating system.
    pub fn now() -> Result<Self> {
        Ok(Self {
            time: Timestamp::now(),
            monotonic: monotonic()?,
        })
    }

    /// Returns by how many nanoseconds the wall clock was set forward (or, negative, back) since
    /// `earlier`; `None` if it was not.
    #[must_use]
    pub fn step_since(&self, earlier: &Self) -> Option<i64> {
        let wall = i128::from(self.time.as_ns()) - i128::from(earlier.time.as_ns());
        let passed = self.monotonic.saturating_sub(earlier.monotonic).as_nanos();
        let step = wall - i128::try_from(passed).unwrap_or(i128::MAX);
        let is_step = step.unsigned_abs() >= STEP.as_nanos();
        is_step.then(|| i64::try_from(step).unwrap_or(if step < 0 { i64::MIN } else { i64::MAX }))
    }
}

fn monotonic() -> Result<Duration> {
    let now = clock_gettime(Clock::CLOCK_BOOTTIME).context(|| "read the clock")?;
    Ok(Duration::from(now))
}

/// A timer whose expirations are a whole number of intervals apart, however late they are noticed.
#[derive(Debug)]
pub struct Ticker {
    timer: TimerFd,
    interval: Duration,
}

impl Ticker {
    /// Starts a timer that first expires when the wall clock reaches a multiple of `interval`.
    ///
    /// # Errors
    /// An error of the operating system.
    pub fn start(interval: Duration) -> Result<Self> {
        let tried = || "start a timer";
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, flags).context(tried)?;
        let ticker = Self { timer, interval };
        ticker.align()?;
        Ok(ticker)
    }

    /// Aligns the expirations with the wall clock, as after a step of that clock.
    ///
    /// # Errors
    /// An error of the operating system.
    pub fn align(&self) -> Result<()> {
        let now = Moment::now()?;
        let first = now.monotonic + until_next(now.time, self.interval);
        let expiration = Expiration::IntervalDelayed(
            TimeSpec::from_duration(first),
            TimeSpec::from_duration(self.interval),
        );
        self.timer
            .set(expiration, TimerSetTimeFlags::TFD_TIMER_ABSTIME)
            .context(|| "start a timer")
    }

    /// Returns how many times the timer has expired since the last call.
    #[must_use]
    pub fn expirations(&self) -> u64 {
        let mut count = [0; 8];
        match nix::unistd::read(&self.timer, &mut count) {
            Ok(8) => u64::from_ne_bytes(count),
            _ => 0,
        }
    }
}

impl AsFd for Ticker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}

/// Returns the time from `now` to the next multiple of `interval` since 1970.
fn until_next(now: Timestamp, interval: Duration) -> Duration {
    let interval = u64::try_from(interval.as_nanos())
        .unwrap_or(u64::MAX)
        .max(1);
    Duration::from_nanos(interval - now.as_ns() % interval)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn moment(wall_ms: u64, monotonic_ms: u64) -> Moment {
        Moment {
            time: Timestamp::from_ns(wall_ms * 1_000_000),
            monotonic: Duration::from_millis(monotonic_ms),
        }
    }

    #[test]
    fn timer_is_aligned_with_the_wall_clock() {
        assert_eq!(until_next(Timestamp::new(7, 0), SECOND), SECOND);
        let late = Timestamp::new(7, 999_999_999);
        assert_eq!(until_next(late, SECOND), Duration::from_nanos(1));
        assert_eq!(until_next(late, 10 * SECOND).as_nanos(), 2_000_000_001);
    }

    #[test]
    fn expirations_do_not_drift() {
        let interval = Duration::from_millis(20);
        let ticker = Ticker::start(interval).unwrap();
        let start = monotonic().unwrap();
        let mut count = 0;
        while count < 10 {
            std::thread::sleep(Duration::from_millis(7));
            count += ticker.expirations();
        }
        let passed = monotonic().unwrap() - start;
        // However late each was noticed, there were as many as fit into the time.
        let most = u64::try_from(passed.as_nanos() / interval.as_nanos()).unwrap() + 1;
        assert!(count <= most, "{count} in {passed:?}");
    }

    #[test]
    fn step_of_the_wall_clock_is_noticed() {
        let start = moment(1_000_000, 5_000);
        let step = |wall, monotonic| moment(wall, monotonic).step_since(&start);
        assert_eq!(step(1_001_000, 6_000), None);
        assert_eq!(step(1_001_001, 6_000), None, "a slewed clock");
        assert_eq!(step(1_003_600, 6_000), Some(2_600_000_000));
        assert_eq!(step(990_000, 6_000), Some(-11_000_000_000));
        assert_eq!(step(1_600_000, 605_000), None, "a suspended program");
    }
}
