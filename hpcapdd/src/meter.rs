//! Rates and peaks of a running recording.

use std::time::{Duration, Instant};

use hpcap::{Count, Ledger, Listener, Reason};

use crate::events::Progress;
use crate::sink::Tally;
use crate::text::wire_bits;

/// How often progress is told.
const EVERY: Duration = Duration::from_secs(1);

/// Measures.
#[derive(Debug)]
pub struct Meter {
    start: Instant,
    last: Instant,
    captured: Count,
    stored_bytes: u64,
    lag_peak: f64,
}

impl Meter {
    /// Starts now; `captured` frames had been captured before.
    #[must_use]
    pub fn new(captured: Count) -> Self {
        let start = Instant::now();
        Self {
            start,
            last: start,
            captured,
            stored_bytes: 0,
            lag_peak: 0.0,
        }
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The largest unread part of the ring that was seen.
    #[must_use]
    pub fn lag_peak(&self) -> f64 {
        self.lag_peak
    }

    /// Looks at the ring: to be called often.
    pub fn look(&mut self, listener: &Listener) -> f64 {
        let lag = (to_f64(listener.available()) / to_f64(listener.info().ring_bytes)).min(1.0);
        self.lag_peak = self.lag_peak.max(lag);
        lag
    }

    /// Progress, when it is time for it.
    pub fn progress(&mut self, listener: &Listener, tally: &Tally) -> Option<Progress> {
        let lag = self.look(listener);
        let seconds = self.last.elapsed().as_secs_f64();
        if self.last.elapsed() < EVERY {
            return None;
        }
        let now = listener.ledger().ledger;
        let frames = now[Reason::Captured] - self.captured;
        let stored = tally.stored_bytes.saturating_sub(self.stored_bytes);
        self.last = Instant::now();
        self.captured = now[Reason::Captured];
        self.stored_bytes = tally.stored_bytes;
        Some(Progress {
            seconds: self.elapsed().as_secs_f64(),
            frames_per_second: to_f64(frames.frames) / seconds,
            bits_per_second: wire_bits(frames) / seconds,
            stored_bytes_per_second: to_f64(stored) / seconds,
            lag,
            lag_peak: self.lag_peak,
            ledger: recording_ledger(&now, &listener.start().ledger, tally),
        })
    }
}

/// The ledger of a recording: what the queue counted since it began, and what the recorder
/// itself refused and lost.
#[must_use]
pub fn recording_ledger(now: &Ledger, before: &Ledger, tally: &Tally) -> Ledger {
    let mut ledger = crate::record_sink::own_ledger(now.since(before), tally.filtered);
    ledger += &tally.lost;
    ledger
}

#[allow(clippy::cast_precision_loss, reason = "for rates")]
fn to_f64(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_of_a_recording_still_balances() {
        let mut before = Ledger::default();
        before[Reason::Captured] = Count::new(10, 600);
        let mut now = Ledger::default();
        now[Reason::Captured] = Count::new(110, 6600);
        now[Reason::RingFull] = Count::new(5, 300);
        let mut tally = Tally {
            filtered: Count::new(40, 2400),
            ..Tally::default()
        };
        tally.lost[Reason::Storage] = Count::new(1, 60);
        let ledger = recording_ledger(&now, &before, &tally);
        assert_eq!(ledger[Reason::Captured], Count::new(60, 3600));
        assert_eq!(ledger[Reason::Filtered], Count::new(40, 2400));
        assert_eq!(ledger.on_the_wire(), Count::new(105, 6300));
        assert_eq!(ledger[Reason::Storage].frames, 1);
    }
}
