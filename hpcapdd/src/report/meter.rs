//! Measures rates and peaks of a running recording.

use std::time::{Duration, Instant};

use hpcap::{Count, Ledger, Listener};

use crate::report::event::Progress;
use crate::report::text::wire_bits;
use crate::sink::Tally;

/// Time between two progress events.
const EVERY: Duration = Duration::from_secs(1);

/// Measures rates and the fill level of the ring.
#[derive(Debug)]
pub struct Meter {
    start: Instant,
    last: Instant,
    /// Ledger of the recording at the last regular progress event. The next two fields are of the
    /// same moment.
    ledger: Ledger,
    stored: Count,
    stored_bytes: u64,
    lag_peak: f64,
    /// Sum of the ledgers of all sources but the first.
    further: Ledger,
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

impl Meter {
    /// Starts measuring now.
    #[must_use]
    pub fn new() -> Self {
        let start = Instant::now();
        Self {
            start,
            last: start,
            ledger: Ledger::default(),
            stored: Count::default(),
            stored_bytes: 0,
            lag_peak: 0.0,
            further: Ledger::default(),
        }
    }

    /// Sets the sum of the ledgers of all sources but the first.
    pub fn set_further(&mut self, ledger: Ledger) {
        self.further = ledger;
    }

    /// Time since the measurement started.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Largest unread part of the ring so far, from 0 to 1.
    #[must_use]
    pub fn lag_peak(&self) -> f64 {
        self.lag_peak
    }

    /// Returns the unread part of the ring, from 0 to 1. The peak is only as exact as calls are
    /// frequent.
    pub fn look(&mut self, listener: &Listener) -> f64 {
        let lag = (to_f64(listener.available()) / to_f64(listener.info().ring_bytes)).min(1.0);
        self.lag_peak = self.lag_peak.max(lag);
        lag
    }

    /// Returns the regular progress event if a second has passed since the last one.
    pub fn progress(&mut self, listener: &Listener, tally: &Tally) -> Option<Progress> {
        self.look(listener);
        if self.last.elapsed() < EVERY {
            return None;
        }
        let progress = self.progress_now(listener, tally);
        self.last = Instant::now();
        self.ledger = progress.ledger;
        self.stored = tally.stored;
        self.stored_bytes = tally.stored_bytes;
        Some(progress)
    }

    /// Returns the progress so far, with rates since the last regular progress event.
    pub fn progress_now(&mut self, listener: &Listener, tally: &Tally) -> Progress {
        let lag = self.look(listener);
        let seconds = self.last.elapsed().as_secs_f64().max(0.001);
        let mut now = listener.ledger().ledger;
        now += &self.further;
        let ledger = recording_ledger(&now, &listener.start().ledger, tally);
        let new = ledger.since(&self.ledger);
        // The stored bytes decrease when a disk loses a part of a file.
        let stored = tally.stored.frames.saturating_sub(self.stored.frames);
        let stored_bytes = tally.stored_bytes.saturating_sub(self.stored_bytes);
        let wire = new.on_the_wire();
        Progress {
            seconds: self.elapsed().as_secs_f64(),
            frames_per_second: to_f64(wire.frames) / seconds,
            bits_per_second: wire_bits(wire) / seconds,
            stored_frames_per_second: to_f64(stored) / seconds,
            stored_bytes_per_second: to_f64(stored_bytes) / seconds,
            lost_frames_per_second: to_f64(new.lost().frames) / seconds,
            lag,
            lag_peak: self.lag_peak,
            ledger,
            asked: false,
        }
    }
}

/// The ledger of a recording: what the queue counted since the recording began, and the frames that
/// the recorder itself filtered or lost.
#[must_use]
pub fn recording_ledger(now: &Ledger, before: &Ledger, tally: &Tally) -> Ledger {
    let mut ledger = crate::sink::record::selection::own_ledger(now.since(before), tally.filtered);
    ledger += &tally.lost;
    ledger
}

fn to_f64(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use hpcap::Reason;

    use super::*;

    #[test]
    fn recording_ledger_balances() {
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
