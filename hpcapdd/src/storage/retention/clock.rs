//! Judges the age of files by a wall clock that may be set.

use std::collections::HashMap;
use std::time::Duration;

use hpcap::Timestamp;
use nix::time::{ClockId, clock_gettime};

use super::scan::{Found, Version};

/// Change in nanoseconds between the wall clock and the time since boot from which on the wall
/// clock counts as set. A time server that adjusts a running clock changes it far less.
const STEP_NS: i128 = 1_000_000_000;

/// Compares the wall clock with the time since boot.
#[derive(Debug)]
pub(super) struct Clock {
    /// Wall-clock time of the boot in nanoseconds, as computed in the first look and in the last
    /// one.
    first: i128,
    last: i128,
    /// Whether the wall clock was set forward since the first look, so that ages by the wall clock
    /// may be too large.
    doubtful: bool,
    /// Whether the wall clock was ever set since the first look. Files that appeared since may then
    /// have start times from a wrong clock.
    stepped: bool,
    /// Time since boot, in nanoseconds, in the first and in the last look.
    first_boot_ns: u64,
    boot_ns: u64,
    seen: HashMap<Version, u64>,
}

fn since_boot_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |time| {
        u64::try_from(Duration::from(time).as_nanos()).unwrap_or(u64::MAX)
    })
}

impl Clock {
    pub(super) fn start() -> Self {
        Self::start_at(Timestamp::now(), since_boot_ns())
    }

    fn start_at(now: Timestamp, boot_ns: u64) -> Self {
        let at_boot = i128::from(now.as_ns()) - i128::from(boot_ns);
        Self {
            first: at_boot,
            last: at_boot,
            doubtful: false,
            stepped: false,
            first_boot_ns: boot_ns,
            boot_ns,
            seen: HashMap::new(),
        }
    }

    /// Compares both clocks. Returns a warning if the wall clock was set forward. From then on, a
    /// file is deleted for its age only if it has been here for that long by the time since boot,
    /// until the wall clock is synchronised or right again.
    pub(super) fn look(&mut self, now: Timestamp) -> Option<String> {
        self.look_at(now, since_boot_ns(), is_synchronised(now))
    }

    fn look_at(&mut self, now: Timestamp, boot_ns: u64, synchronised: bool) -> Option<String> {
        let at_boot = i128::from(now.as_ns()) - i128::from(boot_ns);
        let step = at_boot - self.last;
        self.last = at_boot;
        self.boot_ns = boot_ns;
        self.stepped |= step.abs() >= STEP_NS;
        if step.abs() < STEP_NS && self.doubtful && synchronised {
            // The wall clock was not set since the last look, and a time server keeps it
            // synchronised.
            self.first = at_boot;
        }
        let was_doubtful = std::mem::replace(&mut self.doubtful, at_boot - self.first >= STEP_NS);
        (self.doubtful && !was_doubtful).then(|| {
            format!(
                "the clock was set forward by {:.1} s\n  --keep-age deletes only files that have \
                 been here for so long by the time since boot, until the clock is synchronised \
                 or right again",
                (at_boot - self.first) as f64 / 1e9
            )
        })
    }

    /// Whether `file` is certainly older than `age`.
    pub(super) fn is_older(&self, file: &Found, age: Duration, now: Timestamp) -> bool {
        let age_ns = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
        let since = self.seen.get(&file.version).copied();
        let here_ns = since.map_or(0, |since| self.boot_ns.saturating_sub(since));
        if here_ns > age_ns {
            return true;
        }
        if self.stepped && since.is_none_or(|since| since > self.first_boot_ns) {
            // The clock was set, so the start of the file says nothing. The file appeared after the first look: it is
            // not older than the time since then, which is too short.
            return false;
        }
        let start = file.identity.as_ref().map_or(file.named, |i| i.start);
        !self.doubtful && now.as_ns().saturating_sub(start.as_ns()) > age_ns
    }

    /// Remembers when each file was seen first, by the time since boot.
    pub(super) fn see(&mut self, found: &[Found]) {
        let boot_ns = self.boot_ns;
        let before = std::mem::take(&mut self.seen);
        self.seen = found
            .iter()
            .map(|file| {
                let since = before.get(&file.version).copied().unwrap_or(boot_ns);
                (file.version, since)
            })
            .collect();
    }
}

/// Whether the kernel says that a time server synchronises the clock, and the clock says `now`.
fn is_synchronised(now: Timestamp) -> bool {
    // SAFETY: all fields are integers, for which zero is a value; `modes` 0 changes nothing.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: `state` is a valid structure that lives through the call.
    let result = unsafe { libc::adjtimex(&raw mut state) };
    let kernel = u64::try_from(state.time.tv_sec).unwrap_or(0);
    result >= 0
        && result != libc::TIME_ERROR
        && state.status & libc::STA_UNSYNC == 0
        && kernel.abs_diff(now.sec()) <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;
    const START: Timestamp = Timestamp::new(1_800_000_000, 0);

    fn at(wall: u64) -> Timestamp {
        Timestamp::from_ns(START.as_ns() + wall * S)
    }

    fn file(wall: u64) -> Found {
        Found::example(at(wall))
    }

    #[test]
    fn step_forward_makes_no_file_old() {
        let hour = Duration::from_secs(3600);
        let mut clock = Clock::start_at(at(0), 0);
        let old = file(0);
        clock.see(std::slice::from_ref(&old));
        assert!(clock.look_at(at(172_810), 10 * S, false).is_some());
        assert!(!clock.is_older(&old, hour, at(172_810)));
        // The warning comes only once.
        assert!(clock.look_at(at(172_820), 20 * S, false).is_none());
        // The file has been here for an hour by a clock that cannot be set.
        assert!(clock.look_at(at(176_411), 3611 * S, false).is_none());
        assert!(clock.is_older(&old, hour, at(176_411)));
    }

    #[test]
    fn clock_is_trusted_after_a_step_back() {
        let mut clock = Clock::start_at(at(0), 0);
        let old = file(0);
        clock.see(std::slice::from_ref(&old));
        assert!(clock.look_at(at(60), 10 * S, false).is_some());
        assert!(clock.look_at(at(20), 20 * S, false).is_none());
        assert!(clock.is_older(&old, Duration::from_secs(15), at(20)));
    }

    #[test]
    fn step_back_makes_no_later_file_old() {
        let mut clock = Clock::start_at(at(172_800), 0);
        clock.see(&[]);
        // The clock is set back by two days, a file is written, and the clock is set forward again.
        let _ = clock.look_at(at(10), 10 * S, true);
        let young = file(10);
        clock.see(std::slice::from_ref(&young));
        let _ = clock.look_at(at(172_820), 20 * S, true);
        assert!(!clock.is_older(&young, Duration::from_secs(3600), at(172_820)));
        let _ = clock.look_at(at(176_420), 3620 * S, true);
        assert!(clock.is_older(&young, Duration::from_secs(3600), at(176_420)));
    }

    #[test]
    fn synchronised_clock_is_believed() {
        let mut clock = Clock::start_at(at(0), 0);
        let old = file(0);
        clock.see(std::slice::from_ref(&old));
        assert!(clock.look_at(at(7200), 10 * S, true).is_some());
        let hour = Duration::from_secs(3600);
        assert!(!clock.is_older(&old, hour, at(7200)));
        assert!(clock.look_at(at(7210), 20 * S, true).is_none());
        assert!(clock.is_older(&old, hour, at(7210)));
    }

    #[test]
    fn clock_that_runs_is_not_doubted() {
        let mut clock = Clock::start_at(at(0), 0);
        for second in 1..1000 {
            // A time server lets the clock run a little faster.
            let wall = Timestamp::from_ns(at(second).as_ns() + second * 500_000);
            assert!(clock.look_at(wall, second * S, false).is_none());
        }
    }
}
