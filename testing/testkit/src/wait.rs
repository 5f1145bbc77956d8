//! Waiting for a condition, with a time limit.

use std::time::{Duration, Instant};

/// First pause between two checks of a condition. Each further pause is longer by half.
const SHORTEST_PAUSE: Duration = Duration::from_millis(2);

/// Longest pause between two checks. Many conditions start a program, and on a busy machine the programs
/// of a test that checks without pause would slow down what the test waits for.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Longest time that one step of a test may take before the test fails: 60 s, or the number of
/// seconds in `HPCAP_TEST_PATIENCE` (an emulated processor needs more). It is generous, because no
/// test may fail on a busy machine; a test that passes never waits for it.
#[must_use]
pub fn time_limit() -> Duration {
    let seconds = std::env::var("HPCAP_TEST_PATIENCE");
    Duration::from_secs(seconds.map_or(60, |text| text.parse().unwrap()))
}

/// Polls `condition` until it holds. The test fails, naming `what`, after [`time_limit`].
#[track_caller]
pub fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    wait_until_within(what, time_limit(), condition);
}

/// Polls `condition` until it holds. The test fails, naming `what`, after `limit`.
#[track_caller]
pub fn wait_until_within(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let mut looks = Looks::new(limit);
    while !condition() {
        looks.pause_or_fail(|| what.to_owned());
    }
}

/// Polls `look` until it returns `Ok`. The test fails after [`time_limit`] with what the last look returned.
#[track_caller]
pub fn wait_until_ok<T>(mut look: impl FnMut() -> Result<T, String>) -> T {
    let mut looks = Looks::new(time_limit());
    loop {
        match look() {
            Ok(found) => return found,
            Err(why) => looks.pause_or_fail(|| why),
        }
    }
}

/// The pauses between the looks at a condition, and their limit.
struct Looks {
    start: Instant,
    limit: Duration,
    pause: Duration,
}

impl Looks {
    fn new(limit: Duration) -> Self {
        Self {
            start: Instant::now(),
            limit,
            pause: SHORTEST_PAUSE,
        }
    }

    /// Sleeps until the next look. The test fails, naming `what`, when the time is over.
    #[track_caller]
    fn pause_or_fail(&mut self, what: impl FnOnce() -> String) {
        assert!(
            self.start.elapsed() < self.limit,
            "waited {} s in vain: {}",
            self.limit.as_secs(),
            what()
        );
        std::thread::sleep(self.pause);
        self.pause = (self.pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_ends_when_the_condition_holds() {
        let mut looks = 0;
        wait_until("three looks", || {
            looks += 1;
            looks == 3
        });
        assert_eq!(looks, 3);
    }

    #[test]
    #[should_panic(expected = "in vain: the impossible")]
    fn wait_fails_at_its_limit() {
        wait_until_within("the impossible", Duration::from_millis(1), || false);
    }
}
