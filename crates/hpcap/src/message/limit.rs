//! Limits the rate of messages that another program can cause as often as it likes.

use std::time::{Duration, Instant};

/// Number of kinds of messages with a limit of their own; further kinds share one limit.
const KINDS: usize = 64;

/// Messages of a kind that pass in a period.
const BURST: u32 = 5;

/// Length of a period.
const PERIOD: Duration = Duration::from_secs(10);

/// A message that can stand for others of its kind.
pub trait Limited {
    /// Adds to the text how many other messages of its kind this message stands for.
    fn append(&mut self, note: &str);
}

impl Limited for String {
    fn append(&mut self, note: &str) {
        self.push_str(note);
    }
}

/// State of a kind of message in its current period.
#[derive(Debug)]
struct Window<M> {
    kind: String,
    since: Instant,
    told: u32,
    held_back: u64,
    /// The last message that was held back.
    last: Option<M>,
}

/// Passes the first messages of a kind, and sums up those that follow within ten seconds in one
/// message.
#[derive(Debug)]
pub struct Limiter<M> {
    windows: Vec<Window<M>>,
}

impl<M> Default for Limiter<M> {
    fn default() -> Self {
        Self {
            windows: Vec::new(),
        }
    }
}

/// Returns the kind of a free text: its first line without the digits.
#[must_use]
pub fn kind_of(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_ascii_digit()).collect()
}

impl<M: Limited> Limiter<M> {
    /// Creates a limiter without held-back messages.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns `message`, of kind `kind`, if it may be printed now; otherwise holds it back.
    pub fn pass(&mut self, kind: &str, message: M, now: Instant) -> Option<M> {
        let full = self.windows.len() >= KINDS;
        let known = self.windows.iter_mut().position(|w| w.kind == kind);
        // Kinds beyond the limit share the last window.
        let Some(index) = known.or(full.then_some(KINDS - 1)) else {
            self.windows.push(Window {
                kind: kind.to_owned(),
                since: now,
                told: 1,
                held_back: 0,
                last: None,
            });
            return Some(message);
        };
        let window = &mut self.windows[index];
        if now.duration_since(window.since) >= PERIOD && window.held_back == 0 {
            window.since = now;
            window.told = 0;
        }
        if window.told < BURST {
            window.told += 1;
            return Some(message);
        }
        window.held_back += 1;
        window.last = Some(message);
        None
    }

    /// Whether messages are held back, so that [`Limiter::due`] will return a message.
    #[must_use]
    pub fn holds_back(&self) -> bool {
        self.windows.iter().any(|w| w.held_back > 0)
    }

    /// Returns a message for each kind whose period is over: its last one, with the number of held
    /// back messages.
    pub fn due(&mut self, now: Instant) -> Vec<M> {
        self.take(now, PERIOD)
    }

    /// Returns a summary for each kind that has held-back messages; for a program that ends.
    pub fn rest(&mut self, now: Instant) -> Vec<M> {
        self.take(now, Duration::ZERO)
    }

    fn take(&mut self, now: Instant, after: Duration) -> Vec<M> {
        let mut due = Vec::new();
        self.windows.retain_mut(|window| {
            let age = now.duration_since(window.since);
            if age < after {
                return true;
            }
            let Some(mut message) = window.last.take() else {
                return false;
            };
            if window.held_back > 1 {
                let (more, seconds) = (window.held_back - 1, age.as_secs().max(1));
                message.append(&format!(" ({more} more of this kind in {seconds} s)"));
            }
            due.push(message);
            // A kind that continues at this rate gets one line in each period, and not a burst
            // again.
            window.since = now;
            window.told = BURST;
            window.held_back = 0;
            true
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limiter_counts_suppressed_messages() {
        let mut limiter = Limiter::new();
        let start = Instant::now();
        let passed = (0..1000)
            .filter_map(|n| limiter.pass("k", format!("client {n} refused"), start))
            .count();
        assert_eq!(passed, 5);
        assert!(limiter.due(start + PERIOD / 2).is_empty());
        assert_eq!(
            limiter.due(start + PERIOD),
            ["client 999 refused (994 more of this kind in 10 s)"]
        );
        assert!(!limiter.holds_back());
    }

    #[test]
    fn limiter_allows_one_line_a_period() {
        let mut limiter = Limiter::new();
        let mut now = Instant::now();
        let mut lines = 0;
        for _ in 0..10_000 {
            lines += usize::from(limiter.pass("k", "x".to_owned(), now).is_some());
            lines += limiter.due(now).len();
            now += Duration::from_millis(10);
        }
        assert!(lines <= 5 + 10, "{lines}");
    }

    #[test]
    fn limiter_forgets_quiet_kinds() {
        let mut limiter = Limiter::new();
        let start = Instant::now();
        for n in 0..5 {
            assert!(limiter.pass("k", n.to_string(), start).is_some());
        }
        assert!(limiter.due(start + PERIOD).is_empty());
        assert!(
            limiter
                .pass("k", "again".to_owned(), start + PERIOD)
                .is_some()
        );
    }

    #[test]
    fn limiter_bounds_its_kinds() {
        let mut limiter = Limiter::new();
        let now = Instant::now();
        let passed = (0..10_000)
            .filter_map(|n| limiter.pass(&format!("kind {n}"), "x".to_owned(), now))
            .count();
        assert!(passed < KINDS + 5, "{passed}");
    }

    #[test]
    fn kind_ignores_numbers() {
        let first = kind_of("eth0: block 17 makes no sense\n  advice");
        assert_eq!(first, kind_of("eth0: block 4 makes no sense"));
        assert_ne!(first, kind_of("eth0 is down"));
    }
}
