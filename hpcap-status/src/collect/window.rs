//! Rates over about the last second, from readings of a queue.
//!
//! A dashboard that reads ten times a second would show nothing but noise if it divided the growth of
//! each tenth by its time. A window keeps the readings of the last second, and compares the newest with
//! the oldest.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hpcap::counters::{Delta, QueueReading};
use hpcap::{Count, Reason};

use super::report::{Rate, Rates, Total};

/// The time over which rates are taken, unless readings are further apart: a second, less what a reading may be early.
const LENGTH: Duration = Duration::from_millis(950);
/// Bytes that preamble, FCS and gap add to each frame on an Ethernet link.
const OVERHEAD_BYTES: f64 = 24.0;

/// Readings of one queue, of one interface or of anything else that counts.
#[derive(Debug)]
pub(super) struct Window<T> {
    readings: VecDeque<(Duration, T)>,
}

impl<T> Default for Window<T> {
    fn default() -> Self {
        Self {
            readings: VecDeque::new(),
        }
    }
}

impl<T> Window<T> {
    /// Adds the reading taken at `now` by a monotonic clock.
    pub(super) fn push(&mut self, now: Duration, reading: T) {
        self.readings.push_back((now, reading));
        // One reading that is as old as the window stays, because the rate is that from this reading to the newest.
        while self.readings.len() > 2
            && self
                .readings
                .get(1)
                .is_some_and(|(at, _)| now.saturating_sub(*at) >= LENGTH)
        {
            self.readings.pop_front();
        }
    }

    /// Returns the oldest and the newest reading, and the time between them; `None` before there are
    /// two.
    pub(super) fn ends(&self) -> Option<(&T, &T, Duration)> {
        let ((start, before), (end, now)) = (self.readings.front()?, self.readings.back()?);
        let time = end.saturating_sub(*start);
        (!time.is_zero()).then_some((before, now, time))
    }
}

/// Returns the rate of `count` frames and bytes in `time`.
pub(super) fn rate_of(count: Count, time: Duration) -> Rate {
    let frames = Delta::Grew(count.frames).per_second(time);
    let bytes = Delta::Grew(count.bytes).per_second(time);
    Rate {
        frames_per_second: frames,
        bits_per_second: 8.0 * (bytes + OVERHEAD_BYTES * frames),
    }
}

/// Returns by how much a counter of frames and bytes has grown; a counter that was reset has not grown.
pub(super) fn growth(before: Count, now: Count) -> Count {
    Count::new(
        Delta::between(before.frames, now.frames).growth(),
        Delta::between(before.bytes, now.bytes).growth(),
    )
}

/// Returns the rates between two readings of a queue, taken `time` apart.
pub(super) fn rates(before: &QueueReading, now: &QueueReading, time: Duration) -> Rates {
    let (mut wire, mut lost) = (Count::default(), Count::default());
    let mut captured = Count::default();
    let mut reasons = BTreeMap::new();
    for reason in Reason::ledger() {
        let new = growth(before.counts.ledger[*reason], now.counts.ledger[*reason]);
        wire += new;
        if reason.is_loss() {
            lost += new;
        }
        if *reason == Reason::Captured {
            captured = new;
        } else if new.frames > 0 {
            let rate = Delta::Grew(new.frames).per_second(time);
            reasons.insert(reason.name().to_owned(), rate);
        }
    }
    let published = Delta::between(before.counts.published, now.counts.published);
    Rates {
        seconds: time.as_secs_f64(),
        on_the_wire: rate_of(wire, time),
        captured: rate_of(captured, time),
        lost: rate_of(lost, time),
        reasons,
        published_bytes_per_second: published.per_second(time),
        mean_frame_bytes: Total::from(wire).mean_bytes(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reading(captured: u64, ring_full: u64) -> QueueReading {
        let mut reading = QueueReading::default();
        reading.counts.ledger[Reason::Captured] = Count::new(captured, 100 * captured);
        reading.counts.ledger[Reason::RingFull] = Count::new(ring_full, 100 * ring_full);
        reading.counts.published = 112 * captured;
        reading
    }

    #[test]
    fn rates_cover_the_last_second() {
        let mut window = Window::default();
        for tenth in 0..=30_u32 {
            // Twice as fast in the last second.
            let frames = u64::from(tenth.max(20)) * 100;
            window.push(tenth * Duration::from_millis(100), reading(frames, 0));
        }
        let (before, now, time) = window.ends().unwrap();
        assert_eq!(time, Duration::from_secs(1));
        let rates = rates(before, now, time);
        assert_eq!(rates.on_the_wire.frames_per_second, 1000.0);
        assert_eq!(rates.on_the_wire.bits_per_second, 8.0 * 124.0 * 1000.0);
        assert_eq!(rates.published_bytes_per_second, 112_000.0);
        assert_eq!(rates.mean_frame_bytes, Some(100.0));
    }

    #[test]
    fn one_reading_has_no_rate() {
        let mut window = Window::default();
        assert!(window.ends().is_none());
        window.push(LENGTH, reading(1, 0));
        assert!(window.ends().is_none());
        window.push(LENGTH, reading(9, 0));
        assert!(window.ends().is_none(), "two readings at one moment");
    }

    #[test]
    fn readings_far_apart_are_compared() {
        let mut window = Window::default();
        for second in [0, 10, 20] {
            window.push(Duration::from_secs(second), reading(second, 0));
        }
        assert_eq!(window.ends().unwrap().2, Duration::from_secs(10));
    }

    proptest! {
        #[test]
        fn any_readings_have_sensible_rates(
            steps in proptest::collection::vec((any::<u64>(), any::<u64>(), any::<u32>()), 0..40)
        ) {
            let mut window = Window::default();
            let mut now = Duration::ZERO;
            for (captured, ring_full, nanos) in steps {
                now += Duration::from_nanos(nanos.into());
                let (captured, ring_full) = (captured / 1000, ring_full / 1000);
                window.push(now, reading(captured, ring_full));
                if let Some((before, now, time)) = window.ends() {
                    let rates = rates(before, now, time);
                    for rate in [rates.on_the_wire, rates.captured, rates.lost] {
                        prop_assert!(rate.frames_per_second.is_finite() && rate.frames_per_second >= 0.0);
                        prop_assert!(rate.bits_per_second.is_finite() && rate.bits_per_second >= 0.0);
                    }
                }
            }
        }
    }
}
