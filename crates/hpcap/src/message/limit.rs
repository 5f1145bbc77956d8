//! Limits the rate of messages that another program can cause as often as it likes.

use std::time::{Duration, Instant};

/// Number of kinds of messages with a limit of their own; further kinds share one limit.
const KINDS: usize = 64;

/// Messages of a kind that pass in a period.
const BURST: u32 = 5;

/// Length of a period.
const PERIOD: Duration = Duration::from_secs(10);

/// State of a kind of message in its current period.
#[derive(Debug)]
struct Window {
    kind: String,
    since: Instant,
    told: u32,
    held_back: u64,
    last: String,
}

/// Passes the first messages of a kind, and sums up those that follow within ten seconds in one
/// line.
#[derive(Debug, Default)]
pub struct Limiter {
    windows: Vec<Window>,
}

/// Returns the kind of a free text: its first line without the digits.
#[must_use]
pub fn kind_of(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_ascii_digit()).collect()
}

impl Limiter {
    /// Creates a limiter without held-back messages.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns `text`, of kind `kind`, if it may be printed now; otherwise holds it back.
    pub fn pass(&mut self, kind: &str, text: String, now: Instant) -> Option<String> {
        let full = self.windows.len() >= KINDS;
        let known = self.windows.iter_mut().position(|w| w.kind == kind);
        // Kinds beyond the limit share the last window.
        let Some(index) = known.or(full.then_some(KINDS - 1)) else {
            self.windows.push(Window {
                kind: kind.to_owned(),
                since: now,
                told: 1,
                held_back: 0,
                last: String::new(),
            });
            return Some(text);
        };
        let window = &mut self.windows[index];
        if now.duration_since(window.since) >= PERIOD && window.held_back == 0 {
            window.since = now;
            window.told = 0;
        }
        if window.told < BURST {
            window.told += 1;
            return Some(text);
        }
        window.held_back += 1;
        window.last = text;
        None
    }

    /// Whether messages are held back, so that [`Limiter::due`] will return a line.
    #[must_use]
    pub fn holds_back(&self) -> bool {
        self.windows.iter().any(|w| w.held_back > 0)
    }

    /// Returns a line for each kind whose period is over: its last message, and the number of held
    /// back messages.
    pub fn due(&mut self, now: Instant) -> Vec<String> {
        self.take(now, PERIOD)
    }

    /// Returns the lines of all held-back messages; for a program that ends.
    pub fn rest(&mut self, now: Instant) -> Vec<String> {
        self.take(now, Duration::ZERO)
    }

    fn take(&mut self, now: Instant, after: Duration) -> Vec<String> {
        let mut lines = Vec::new();
        self.windows.retain_mut(|window| {
            let age = now.duration_since(window.since);
            if age < after {
                return true;
            }
            if window.held_back == 0 {
                return false;
            }
            lines.push(match window.held_back {
                1 => std::mem::take(&mut window.last),
                n => format!(
                    "{} ({} more of this kind in {} s)",
                    window.last,
                    n - 1,
                    age.as_secs().max(1)
                ),
            });
            // A kind that continues at this rate gets one line in each period, and not a burst
            // again.
            window.since = now;
            window.told = BURST;
            window.held_back = 0;
            true
        });
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limiter_counts_what_it_holds_back() {
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
            lines += usize::from(limiter.pass("k", "x".into(), now).is_some());
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
        assert!(limiter.pass("k", "again".into(), start + PERIOD).is_some());
    }

    #[test]
    fn limiter_bounds_its_kinds() {
        let mut limiter = Limiter::new();
        let now = Instant::now();
        let passed = (0..10_000)
            .filter_map(|n| limiter.pass(&format!("kind {n}"), "x".into(), now))
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
