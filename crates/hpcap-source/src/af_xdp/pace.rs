//! How long the poll thread sleeps while frames keep coming.
//!
//! A thread that is woken for every few frames spends its time in waking up. While frames keep
//! coming, it sleeps for a fixed time instead, which is shorter the fuller the memory of a queue
//! gets meanwhile. Frames have the kernel's time, so sleeping does not make their times worse.

use std::time::Duration;

/// Longest sleep.
const LONGEST: Duration = Duration::from_millis(1);
/// Shortest sleep; a shorter one costs more than it saves.
const SHORTEST: Duration = Duration::from_micros(50);
/// Frames between two sleeps that make a flow. With fewer, the thread waits for the next frame.
const FLOW: u64 = 8;

/// The length of sleeps.
#[derive(Debug)]
pub(super) struct Pace {
    sleep: Duration,
    /// Frames that the memory of a queue holds.
    room: u64,
    /// Whether sleeping is allowed, because frames have the kernel's time.
    sleeps: bool,
}

impl Pace {
    pub(super) fn new(room: u64, sleeps: bool) -> Self {
        Self {
            sleep: LONGEST,
            room,
            sleeps,
        }
    }

    /// Returns how long to sleep after `frames` frames of the fullest queue were taken since the
    /// last sleep; `None` to wait for the next frame.
    pub(super) fn sleep_after(&mut self, frames: u64) -> Option<Duration> {
        if !self.sleeps || frames < FLOW {
            self.sleep = LONGEST;
            return None;
        }
        if frames > self.room / 8 {
            self.sleep = (self.sleep / 2).max(SHORTEST);
        } else if frames < self.room / 32 {
            self.sleep = (self.sleep * 2).min(LONGEST);
        }
        Some(self.sleep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_is_shorter_the_fuller_the_memory_gets() {
        let mut pace = Pace::new(16_384, true);
        assert_eq!(pace.sleep_after(3), None);
        assert_eq!(pace.sleep_after(100), Some(LONGEST));
        assert_eq!(pace.sleep_after(5000), Some(LONGEST / 2));
        assert_eq!(pace.sleep_after(1000), Some(LONGEST / 2));
        assert_eq!(pace.sleep_after(100), Some(LONGEST));
        for _ in 0..20 {
            pace.sleep_after(16_384);
        }
        assert_eq!(pace.sleep_after(16_384), Some(SHORTEST));
        assert_eq!(Pace::new(16_384, false).sleep_after(100), None);
    }
}
