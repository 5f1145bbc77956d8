//! Counts the files that wait to be finished, and decides when a message reports them.

use std::time::Instant;

use crate::report::event::{Event, FinishingBehind, FinishingCaughtUp};

/// Files that may wait to be finished. Each one keeps descriptors open and holds reserved room on
/// the disk, so the recorder begins no further file while this many wait.
pub const WAITING_MAX: usize = 16;

/// Watches the number of waiting files. One event tells that finishing has fallen behind, and one
/// that it has caught up; the recorder may pause many times between the two.
#[derive(Debug, Default)]
pub struct Backlog {
    full: bool,
    behind: Option<Behind>,
}

#[derive(Debug)]
struct Behind {
    since: Instant,
    pauses: u64,
}

impl Backlog {
    /// Takes note that `waiting` files wait at time `now`. Returns the event to tell, if any.
    pub fn look(&mut self, waiting: usize, now: Instant) -> Option<Event> {
        let was_full = std::mem::replace(&mut self.full, waiting >= WAITING_MAX);
        if self.full && !was_full {
            if let Some(behind) = &mut self.behind {
                behind.pauses += 1;
                return None;
            }
            self.behind = Some(Behind {
                since: now,
                pauses: 1,
            });
            let files = waiting as u64;
            return Some(Event::FinishingBehind(FinishingBehind { files }));
        }
        if waiting > 0 {
            return None;
        }
        self.behind.take().map(|behind| {
            Event::FinishingCaughtUp(FinishingCaughtUp {
                seconds: now.duration_since(behind.since).as_secs_f64(),
                pauses: behind.pauses,
            })
        })
    }

    /// Whether so many files wait that no further file may begin.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn backlog_is_reported_once_until_empty() {
        let mut backlog = Backlog::default();
        let start = Instant::now();
        let told: Vec<Event> = [3, 16, 15, 16, 17, 1, 0, 5, 0]
            .into_iter()
            .zip(0..)
            .filter_map(|(waiting, second)| {
                backlog.look(waiting, start + Duration::from_secs(second))
            })
            .collect();
        let [
            Event::FinishingBehind(behind),
            Event::FinishingCaughtUp(done),
        ] = &told[..]
        else {
            panic!("{told:?}");
        };
        assert_eq!(behind.files, 16);
        assert_eq!(done.pauses, 2);
        assert!((done.seconds - 5.0).abs() < 0.001);
    }

    #[test]
    fn backlog_is_full_at_its_limit() {
        let mut backlog = Backlog::default();
        for (waiting, full) in [(0, false), (15, false), (16, true), (15, false)] {
            backlog.look(waiting, Instant::now());
            assert_eq!(backlog.is_full(), full, "{waiting}");
        }
    }
}
