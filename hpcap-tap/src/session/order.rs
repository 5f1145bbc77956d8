//! Puts the frames of several queues into the order of their times.
//!
//! The next frame of each queue is copied, and waits here until no queue can bring an earlier one. A queue
//! without a frame is waited for, but not for longer than its producer may need to publish a frame. Times
//! come from several clocks, so no wait depends on a clock being right.

use std::time::{Duration, Instant};

use hpcap::{Frame, Timestamp};

/// Longest time between the capture of a frame and its publication.
const LATE_MAX: Duration = Duration::from_millis(100);

/// The next frame of a queue.
#[derive(Debug)]
struct Next {
    /// The frame without its bytes, which are in `data`.
    frame: Option<Frame<'static>>,
    data: Vec<u8>,
}

/// The next frames of several queues.
#[derive(Debug)]
pub(super) struct Order {
    queues: Vec<Next>,
    /// When the earliest frame began to wait.
    since: Option<Instant>,
    /// Time of the last frame that has waited as long as necessary, and when that was. A frame that is later
    /// by as much as has passed since then has waited long enough, too.
    pace: Option<(Timestamp, Instant)>,
}

impl Order {
    pub(super) fn new(queues: usize) -> Self {
        let none = || Next {
            frame: None,
            data: Vec::new(),
        };
        Self {
            queues: std::iter::repeat_with(none).take(queues).collect(),
            since: None,
            pace: None,
        }
    }

    /// Whether the next frame of queue `number` is here.
    pub(super) fn has(&self, number: usize) -> bool {
        self.queues[number].frame.is_some()
    }

    /// Takes a copy of the next frame of queue `number`.
    pub(super) fn put(&mut self, number: usize, frame: &Frame<'_>) {
        let next = &mut self.queues[number];
        next.data.clear();
        next.data.extend_from_slice(frame.data);
        next.frame = Some(frame.with_data(&[]));
    }

    /// Forgets all frames.
    pub(super) fn clear(&mut self) {
        for next in &mut self.queues {
            next.frame = None;
        }
        self.since = None;
    }

    /// Returns the time of the earliest frame, and the number of its queue.
    pub(super) fn earliest(&self) -> Option<(Timestamp, usize)> {
        let times = self.queues.iter().enumerate();
        let times = times.filter_map(|(number, next)| Some((next.frame?.time, number)));
        times.min()
    }

    /// Removes the frame of queue `number` and returns it.
    pub(super) fn take(&mut self, number: usize) -> Option<Frame<'_>> {
        self.since = None;
        let next = &mut self.queues[number];
        let frame = next.frame.take()?;
        Some(frame.with_data(&next.data))
    }

    /// Whether all earlier frames are published at `now`, if the clock of the frames says `wall`.
    pub(super) fn is_due(&self, time: Timestamp, now: Instant, wall: Timestamp) -> bool {
        let age = Duration::from_nanos(wall.as_ns().saturating_sub(time.as_ns()));
        let keeps_pace = self.pace.is_some_and(|(last, then)| {
            let later = Duration::from_nanos(time.as_ns().saturating_sub(last.as_ns()));
            later <= now.saturating_duration_since(then)
        });
        age >= LATE_MAX || keeps_pace
    }

    /// Whether the earliest frame, of `time`, has waited at `now` as long as necessary, whatever the clocks say.
    pub(super) fn has_waited(&mut self, time: Timestamp, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let has_waited = now.saturating_duration_since(since) >= LATE_MAX;
        if has_waited {
            self.pace = Some((time, now));
        }
        has_waited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Timestamp = Timestamp::new(1, 0);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn later(time: Timestamp, by: Duration) -> Timestamp {
        Timestamp::from_ns(time.as_ns() + u64::try_from(by.as_nanos()).unwrap())
    }

    #[test]
    fn frame_waits_until_its_age_is_enough() {
        let (order, now) = (Order::new(2), Instant::now());
        assert!(!order.is_due(SECOND, now, SECOND));
        assert!(!order.is_due(SECOND, now, later(SECOND, ms(99))));
        assert!(order.is_due(SECOND, now, later(SECOND, LATE_MAX)));
    }

    #[test]
    fn clock_that_is_ahead_delays_only_the_first_frame() {
        let (mut order, start) = (Order::new(2), Instant::now());
        let ahead = later(SECOND, ms(3_600_000));
        assert!(!order.has_waited(ahead, start));
        assert!(!order.has_waited(ahead, start + ms(99)));
        let end = start + LATE_MAX;
        assert!(order.has_waited(ahead, end));
        let next = later(ahead, ms(10));
        assert!(!order.is_due(next, end + ms(9), SECOND));
        assert!(order.is_due(next, end + ms(10), SECOND));
    }

    #[test]
    fn clock_that_went_back_delays_nothing() {
        let (mut order, start) = (Order::new(2), Instant::now());
        let ahead = later(SECOND, ms(1000));
        assert!(!order.has_waited(ahead, start));
        assert!(order.has_waited(ahead, start + LATE_MAX));
        assert!(order.is_due(SECOND, start + LATE_MAX, Timestamp::from_ns(0)));
    }
}
