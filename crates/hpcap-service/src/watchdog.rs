//! Decides when the watchdog is fed.

use std::time::{Duration, Instant};

/// How many times the watchdog is fed in the time that it allows.
const FEEDS: u32 = 4;

/// Feeds a watchdog only while every poll thread works.
#[derive(Debug)]
pub(crate) struct Watchdog {
    interval: Duration,
    fed: Instant,
    /// The heartbeat of each poll thread when the watchdog was last fed.
    beats: Vec<Option<u64>>,
    /// Whether that heartbeat has changed since.
    moved: Vec<bool>,
}

impl Watchdog {
    /// A watchdog that bites after `limit` without food. It was fed at `now`.
    pub(crate) fn new(limit: Duration, now: Instant) -> Self {
        Self {
            interval: limit / FEEDS,
            fed: now,
            beats: Vec::new(),
            moved: Vec::new(),
        }
    }

    /// Compares the heartbeats with those at the last feeding. Returns whether it is time to feed
    /// the watchdog, which needs a change of every heartbeat. `None` is a poll thread that has
    /// ended, from which no heartbeat is expected.
    pub(crate) fn is_due(&mut self, beats: &[Option<u64>], now: Instant) -> bool {
        if beats.len() != self.beats.len() {
            // These are the threads of another recording, so only changes from now on count.
            self.beats = beats.to_vec();
            self.moved = vec![false; beats.len()];
        }
        for ((moved, old), new) in self.moved.iter_mut().zip(&self.beats).zip(beats) {
            *moved |= new.is_none() || new != old;
        }
        self.moved.iter().all(|moved| *moved) && now.duration_since(self.fed) >= self.interval
    }

    /// Notes that the watchdog was fed. The next feeding needs new heartbeats.
    pub(crate) fn note_feeding(&mut self, beats: &[Option<u64>], now: Instant) {
        self.fed = now;
        self.beats = beats.to_vec();
        self.moved = vec![false; beats.len()];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(8);

    /// Looks every second at the heartbeats that `beat` returns for that second. Returns how often
    /// the watchdog was fed.
    fn feedings(seconds: u32, beat: impl Fn(u32) -> Vec<Option<u64>>) -> usize {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(LIMIT, start);
        (1..=seconds)
            .filter(|second| {
                let now = start + Duration::from_secs(1) * *second;
                let beats = beat(*second);
                let due = watchdog.is_due(&beats, now);
                if due {
                    watchdog.note_feeding(&beats, now);
                }
                due
            })
            .count()
    }

    #[test]
    fn watchdog_is_fed_four_times_in_its_limit() {
        assert_eq!(feedings(8, |second| vec![Some(second.into())]), 4);
    }

    #[test]
    fn watchdog_starves_when_one_of_two_threads_stands() {
        let fed = feedings(100, |second| vec![Some(second.into()), Some(7)]);
        assert_eq!(fed, 0);
    }

    #[test]
    fn watchdog_eats_again_when_the_thread_goes_on() {
        let fed = feedings(20, |second| vec![Some(second.clamp(4, 16).into())]);
        // The heartbeat stands until second 4, and from second 16 on: fed at 5, 7, ..., 15 and 17.
        assert_eq!(fed, 7);
    }

    #[test]
    fn thread_that_ended_needs_no_heartbeat() {
        assert_eq!(feedings(8, |second| vec![Some(second.into()), None]), 4);
    }

    #[test]
    fn watchdog_without_threads_is_fed_each_time() {
        assert_eq!(feedings(8, |_| Vec::new()), 4);
    }
}
