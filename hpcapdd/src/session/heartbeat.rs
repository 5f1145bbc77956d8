//! Detects by its heartbeat that a producer has stopped working.

use std::time::{Duration, Instant};

/// Time without a heartbeat after which a producer counts as stopped or stuck. A working producer
/// sends one every second.
const SILENCE: Duration = Duration::from_secs(3);

/// Longest pause between two looks. After a longer one, the whole machine may have been stopped, so
/// the pause does not count as silence of the producer.
const LOOK: Duration = Duration::from_secs(1);

/// Watches the producer's heartbeat. The value of a heartbeat is a time of the producer's clock;
/// the monitor only relies on its changing.
#[derive(Debug)]
pub struct HeartbeatMonitor {
    beat_ns: u64,
    since: Instant,
    looked: Instant,
    silent: bool,
}

/// A change of the producer's heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The producer has sent no heartbeat for this time.
    Silent(Duration),
    /// The producer sends heartbeats again, after this time.
    Back(Duration),
}

impl HeartbeatMonitor {
    /// A monitor that saw the heartbeat `beat_ns` at time `now`.
    #[must_use]
    pub fn new(beat_ns: u64, now: Instant) -> Self {
        Self {
            beat_ns,
            since: now,
            looked: now,
            silent: false,
        }
    }

    /// Compares the heartbeat with the last one. Returns a change if there is one.
    pub fn look(&mut self, beat_ns: u64, now: Instant) -> Option<Change> {
        let looked = std::mem::replace(&mut self.looked, now);
        let silence = now.duration_since(self.since);
        if beat_ns != self.beat_ns {
            self.beat_ns = beat_ns;
            self.since = now;
            return std::mem::take(&mut self.silent).then_some(Change::Back(silence));
        }
        if now.duration_since(looked) >= LOOK && !self.silent {
            self.since = now;
        } else if silence >= SILENCE && !self.silent {
            self.silent = true;
            return Some(Change::Silent(silence));
        }
        None
    }

    /// Whether the producer is silent.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(200);

    /// Looks at the heartbeat `beat` once in each of `ticks` ticks. Returns the changes.
    fn looks(
        heartbeat: &mut HeartbeatMonitor,
        now: &mut Instant,
        beat: u64,
        ticks: u32,
    ) -> Vec<Change> {
        (0..ticks)
            .filter_map(|_| {
                *now += TICK;
                heartbeat.look(beat, *now)
            })
            .collect()
    }

    #[test]
    fn silence_is_reported_once() {
        let mut now = Instant::now();
        let mut heartbeat = HeartbeatMonitor::new(7, now);
        let told = looks(&mut heartbeat, &mut now, 7, 100);
        assert_eq!(told, [Change::Silent(SILENCE)]);
        assert!(heartbeat.is_silent());
    }

    #[test]
    fn return_of_the_producer_is_reported() {
        let mut now = Instant::now();
        let mut heartbeat = HeartbeatMonitor::new(7, now);
        looks(&mut heartbeat, &mut now, 7, 24);
        let told = looks(&mut heartbeat, &mut now, 8, 1);
        assert_eq!(told, [Change::Back(TICK * 25)]);
        assert!(!heartbeat.is_silent());
    }

    #[test]
    fn beating_producer_is_not_silent() {
        let mut now = Instant::now();
        let mut heartbeat = HeartbeatMonitor::new(0, now);
        for beat in 1..100 {
            assert_eq!(looks(&mut heartbeat, &mut now, beat, 10), []);
        }
    }

    #[test]
    fn recorder_pause_is_not_producer_silence() {
        let mut now = Instant::now();
        let mut heartbeat = HeartbeatMonitor::new(7, now);
        now += Duration::from_secs(60);
        assert_eq!(looks(&mut heartbeat, &mut now, 7, 1), []);
    }
}
