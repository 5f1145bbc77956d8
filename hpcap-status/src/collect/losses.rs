//! When a queue lost frames: since when, until when, and how many.

use hpcap::counters::Delta;

use super::report::{Losses, Total};

/// Nanoseconds without a loss after which a run of losses has ended. The monitor ends its events of
/// losses after the same time.
const RUN_END_NS: u64 = 10_000_000_000;

/// Follows the losses of one queue.
#[derive(Debug, Default)]
pub(super) struct LossTracker {
    /// Frames that were lost by the last observation; `None` before the first.
    seen: Option<u64>,
    /// Time of the first observation, and the frames that were lost by then.
    first: (u64, u64),
    /// Since when it is known that nothing was lost, unless a loss was seen.
    watched_from_ns: u64,
    /// Whether nothing is known of the time before.
    lost_before: bool,
    since_ns: Option<u64>,
    last_ns: Option<u64>,
    in_run: u64,
}

impl LossTracker {
    /// Notes that `frames` were lost by `now_ns`. `start_ns` is when the queue started.
    pub(super) fn observe(&mut self, now_ns: u64, start_ns: u64, frames: u64) {
        let Some(before) = self.seen.replace(frames) else {
            self.lost_before = frames > 0;
            self.first = (now_ns, frames);
            self.watched_from_ns = match frames {
                0 => start_ns,
                _ => now_ns,
            };
            return;
        };
        let new = Delta::between(before, frames).growth();
        if new > 0 {
            self.note(now_ns, new);
        }
    }

    /// Notes a loss of `frames` at `now_ns`.
    fn note(&mut self, now_ns: u64, frames: u64) {
        let goes_on = self
            .last_ns
            .is_some_and(|last| now_ns.saturating_sub(last) <= RUN_END_NS);
        if !goes_on {
            self.since_ns = Some(now_ns);
            self.in_run = 0;
        }
        self.last_ns = Some(now_ns);
        self.in_run = self.in_run.saturating_add(frames);
    }

    /// Takes over an earlier observation, such as that of a log: its losses with their times, oldest first. It began at
    /// `from_ns`, and at its end `lost` frames were lost in all.
    pub(super) fn remember(&mut self, from_ns: u64, lost: u64, seen: &[(u64, u64)]) {
        let mut earlier = Self::default();
        for (time_ns, frames) in seen {
            earlier.note(*time_ns, *frames);
        }
        // Nobody observed when frames were lost between the end of that observation and the first one here.
        let (first_ns, first) = self.first;
        if first > lost {
            earlier.note(first_ns, first - lost);
        }
        self.watched_from_ns = self.watched_from_ns.min(from_ns);
        let Some(last) = earlier.last_ns else {
            return;
        };
        match self.since_ns {
            Some(since) if since.saturating_sub(last) <= RUN_END_NS => {
                self.since_ns = earlier.since_ns.min(self.since_ns);
                self.in_run = self.in_run.saturating_add(earlier.in_run);
            }
            Some(_) => {}
            None => {
                self.since_ns = earlier.since_ns;
                self.last_ns = earlier.last_ns;
                self.in_run = earlier.in_run;
            }
        }
    }

    /// Describes the losses at `now_ns`, when `lost` and `wire` are the totals of the queue, and
    /// `lost_now` and `wire_now` its frames a second.
    pub(super) fn describe(
        &self,
        now_ns: u64,
        lost: Total,
        wire: Total,
        (lost_now, wire_now): (f64, f64),
    ) -> Losses {
        let quiet_from = self.last_ns.unwrap_or(self.watched_from_ns);
        let quiet_ns = now_ns.saturating_sub(quiet_from);
        Losses {
            total: lost,
            share: part(lost.frames as f64, wire.frames as f64),
            share_now: part(lost_now, wire_now),
            losing: lost_now > 0.0
                || self
                    .last_ns
                    .is_some_and(|last| now_ns.saturating_sub(last) < RUN_END_NS),
            since_ns: self.since_ns,
            last_ns: self.last_ns,
            in_run: self.in_run,
            quiet_seconds: quiet_ns as f64 / 1e9,
            quiet_at_least: self.last_ns.is_none() && self.lost_before,
        }
    }
}

/// Returns `some` as a part of `all`, 0 to 1; 0 of nothing.
pub(super) fn part(some: f64, all: f64) -> f64 {
    match all > 0.0 {
        true => (some / all).clamp(0.0, 1.0),
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn losses(tracker: &LossTracker, second: u64) -> Losses {
        tracker.describe(
            second * SECOND,
            Total::default(),
            Total::default(),
            (0.0, 0.0),
        )
    }

    #[test]
    fn queue_without_losses_is_quiet_since_its_start() {
        let mut tracker = LossTracker::default();
        tracker.observe(100 * SECOND, 10 * SECOND, 0);
        let found = losses(&tracker, 100);
        assert_eq!((found.quiet_seconds, found.quiet_at_least), (90.0, false));
        assert!(!found.losing);
    }

    #[test]
    fn unseen_losses_leave_the_time_open() {
        let mut tracker = LossTracker::default();
        tracker.observe(100 * SECOND, 10 * SECOND, 7);
        let found = losses(&tracker, 103);
        assert_eq!((found.quiet_seconds, found.quiet_at_least), (3.0, true));
        assert_eq!((found.since_ns, found.losing), (None, false));
    }

    #[test]
    fn losses_close_together_are_one_run() {
        let mut tracker = LossTracker::default();
        for (second, lost) in [(0, 0), (5, 3), (9, 4), (40, 4), (60, 6)] {
            tracker.observe(second * SECOND, 0, lost);
            if second == 9 {
                let found = losses(&tracker, 12);
                assert_eq!((found.since_ns, found.in_run), (Some(5 * SECOND), 4));
                assert!(found.losing);
                assert!(!losses(&tracker, 20).losing);
            }
        }
        let found = losses(&tracker, 61);
        assert_eq!((found.since_ns, found.in_run), (Some(60 * SECOND), 2));
        assert_eq!(found.quiet_seconds, 1.0);
    }

    #[test]
    fn reset_counter_is_no_loss() {
        let mut tracker = LossTracker::default();
        tracker.observe(SECOND, 0, 500);
        tracker.observe(2 * SECOND, 0, 3);
        assert_eq!(losses(&tracker, 3).last_ns, None);
    }

    #[test]
    fn remembered_losses_tell_since_when() {
        let mut tracker = LossTracker::default();
        tracker.observe(100 * SECOND, 0, 50);
        tracker.observe(101 * SECOND, 0, 60);
        tracker.remember(
            40 * SECOND,
            50,
            &[(50 * SECOND, 5), (92 * SECOND, 20), (95 * SECOND, 25)],
        );
        let found = losses(&tracker, 101);
        assert_eq!(found.since_ns, Some(92 * SECOND));
        assert_eq!(found.in_run, 55);
    }

    #[test]
    fn loss_between_two_watchers_is_noticed() {
        let mut tracker = LossTracker::default();
        tracker.observe(100 * SECOND, 0, 50);
        tracker.remember(40 * SECOND, 20, &[]);
        let found = losses(&tracker, 130);
        assert_eq!((found.last_ns, found.in_run), (Some(100 * SECOND), 30));
    }

    #[test]
    fn remembered_silence_is_time_without_loss() {
        let mut tracker = LossTracker::default();
        tracker.observe(100 * SECOND, 0, 50);
        tracker.remember(40 * SECOND, 50, &[]);
        let found = losses(&tracker, 100);
        assert_eq!((found.quiet_seconds, found.quiet_at_least), (60.0, true));
    }

    #[test]
    fn clock_that_was_set_back_gives_no_absurd_time() {
        let mut tracker = LossTracker::default();
        tracker.observe(100 * SECOND, 0, 0);
        tracker.observe(101 * SECOND, 0, 9);
        assert_eq!(losses(&tracker, 7).quiet_seconds, 0.0);
    }
}
