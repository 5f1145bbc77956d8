//! How long the poll thread sleeps while frames keep coming.
//!
//! A thread that is woken for every few frames spends its time in waking up. While frames keep
//! coming, it sleeps for a fixed time instead, which is shorter the fuller the memory of a queue
//! gets meanwhile. Frames have the kernel's time, so sleeping does not make their times worse.
//!
//! The longest sleep is as long as the memory of a queue allows: even if the link goes from a few
//! frames to all that it can carry during a sleep, the memory does not fill.

use std::time::Duration;

use hpcap::units::Rate;
use hpcap_host::Interface;

use crate::generator::WIRE_OVERHEAD_BYTES;

/// Longest sleep, however much room there is: listeners get their frames after this time.
const LONGEST: Duration = Duration::from_millis(8);
/// Longest sleep where the memory has too little room for the speed of the link. Shorter sleeps would cost much on
/// every quiet link, only to prepare for a jump to full speed during a sleep.
const LONGEST_ON_FAST_LINKS: Duration = Duration::from_millis(1);
/// Shortest sleep; a shorter one costs more than it saves.
const SHORTEST: Duration = Duration::from_micros(50);
/// Largest number of frames per second on an interface without hardware, where a processor hands over each frame.
const VIRTUAL_FRAMES_PER_SECOND: u64 = 4_000_000;
/// Length of the shortest frame in bytes, without FCS.
const SHORTEST_FRAME_BYTES: u64 = 60;

/// The length of sleeps.
#[derive(Debug)]
pub(super) struct Pace {
    sleep: Duration,
    longest: Duration,
    /// Frames that the memory of a queue holds.
    room: u64,
    /// Whether sleeping is allowed, because frames have the kernel's time.
    sleeps: bool,
}

/// Returns how many frames a second `interface` receives at most.
pub(super) fn fastest(interface: &Interface) -> u64 {
    match interface.link_speed() {
        Some(Rate::BitsPerSecond(speed)) if interface.is_hardware() => {
            speed / (8 * (SHORTEST_FRAME_BYTES + u64::from(WIRE_OVERHEAD_BYTES)))
        }
        _ => VIRTUAL_FRAMES_PER_SECOND,
    }
}

/// Returns the longest sleep for a queue with room for `room` frames, on a link that brings at most `fastest` frames a
/// second.
fn longest(room: u64, fastest: u64) -> Duration {
    let fills_in = Duration::from_nanos(room.saturating_mul(1_000_000_000) / fastest.max(1));
    fills_in.clamp(LONGEST_ON_FAST_LINKS, LONGEST)
}

impl Pace {
    pub(super) fn new(room: u64, fastest: u64, sleeps: bool) -> Self {
        let longest = longest(room, fastest);
        Self {
            sleep: longest,
            longest,
            room,
            sleeps,
        }
    }

    /// Takes note of a link that brings at most `fastest` frames a second from now on.
    pub(super) fn link_changed(&mut self, fastest: u64) {
        *self = Self::new(self.room, fastest, self.sleeps);
    }

    /// Returns how long to sleep after `frames` frames of the fullest queue were taken since the
    /// last sleep; `None` to wait for the next frame.
    pub(super) fn sleep_after(&mut self, frames: u64) -> Option<Duration> {
        if !self.sleeps || frames == 0 {
            self.sleep = self.longest;
            return None;
        }
        if frames > self.room / 8 {
            self.sleep = (self.sleep / 2).max(SHORTEST);
        } else if frames < self.room / 32 {
            self.sleep = (self.sleep * 2).min(self.longest);
        }
        Some(self.sleep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_is_shorter_the_fuller_the_memory_gets() {
        let most = Duration::from_millis(4);
        let mut pace = Pace::new(16_384, 4_096_000, true);
        assert_eq!(pace.sleep_after(0), None);
        assert_eq!(pace.sleep_after(100), Some(most));
        assert_eq!(pace.sleep_after(5000), Some(most / 2));
        assert_eq!(pace.sleep_after(1000), Some(most / 2));
        assert_eq!(pace.sleep_after(100), Some(most));
        for _ in 0..20 {
            pace.sleep_after(16_384);
        }
        assert_eq!(pace.sleep_after(16_384), Some(SHORTEST));
        assert_eq!(Pace::new(16_384, 4_096_000, false).sleep_after(100), None);
    }

    #[test]
    fn memory_does_not_fill_in_the_longest_sleep() {
        let gigabit = 1_488_095;
        for (room, fastest, ms) in [
            (16_384, gigabit, 8),
            (8192, gigabit, 5),
            (16_384, 10 * gigabit, 1),
            (131_072, 10 * gigabit, 8),
            (2048, VIRTUAL_FRAMES_PER_SECOND, 1),
            (16_384, 0, 8),
        ] {
            assert_eq!(longest(room, fastest).as_millis(), ms, "{room} {fastest}");
        }
    }
}
