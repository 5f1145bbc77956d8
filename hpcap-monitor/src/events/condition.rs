//! A condition with hysteresis.

use std::time::Duration;

/// A change of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The condition has begun.
    Began,
    /// The condition has ended, after this time.
    Ended(Duration),
}

/// A condition that begins after it has held without interruption for some time, and ends after it has
/// not held for some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// How long it must hold before it begins.
    begin_after: Duration,
    /// How long it must not hold before it ends.
    end_after: Duration,
    /// Start of the present run of observations that contradict the state.
    contradicted: Option<Duration>,
    /// When the condition began; `None` while it has not.
    began: Option<Duration>,
}

impl Condition {
    /// A condition that has not begun.
    #[must_use]
    pub const fn new(begin_after: Duration, end_after: Duration) -> Self {
        Self {
            begin_after,
            end_after,
            contradicted: None,
            began: None,
        }
    }

    /// Whether the condition has begun and not ended.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.began.is_some()
    }

    /// Notes whether the condition holds at `now`, by a monotonic clock.
    pub fn observe(&mut self, holds: bool, now: Duration) -> Option<Change> {
        if holds == self.is_active() {
            self.contradicted = None;
            return None;
        }
        let since = *self.contradicted.get_or_insert(now);
        let limit = if holds {
            self.begin_after
        } else {
            self.end_after
        };
        if now.saturating_sub(since) < limit {
            return None;
        }
        self.contradicted = None;
        match self.began.take() {
            None => {
                self.began = Some(since);
                Some(Change::Began)
            }
            Some(began) => Some(Change::Ended(since.saturating_sub(began))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Observes a letter each second: `+` holds, `-` does not. Returns when it began and ended.
    fn changes(begin: u32, end: u32, letters: &str) -> Vec<(u32, Change)> {
        let mut condition = Condition::new(begin * SECOND, end * SECOND);
        (0..)
            .zip(letters.chars())
            .filter_map(|(at, letter)| Some((at, condition.observe(letter == '+', at * SECOND)?)))
            .collect()
    }

    #[test]
    fn condition_begins_when_it_has_held() {
        assert_eq!(changes(2, 0, "-++-+++"), [(6, Change::Began)]);
    }

    #[test]
    fn condition_ends_when_it_has_not_held() {
        // The condition begins at the first observation, and holds for the last time at the third.
        let expected = [(0, Change::Began), (6, Change::Ended(4 * SECOND))];
        assert_eq!(changes(0, 2, "+-++---"), expected);
    }

    #[test]
    fn flapping_condition_is_one_event() {
        let flapping = "+-".repeat(50);
        assert_eq!(changes(0, 5, &flapping), [(0, Change::Began)]);
    }

    proptest! {
        #[test]
        fn begin_and_end_alternate(
            begin in 0_u32..4, end in 0_u32..4, letters in "[+-]{0,60}"
        ) {
            let changes = changes(begin, end, &letters);
            for (count, (_, change)) in changes.iter().enumerate() {
                prop_assert_eq!(*change == Change::Began, count % 2 == 0);
            }
        }
    }
}
