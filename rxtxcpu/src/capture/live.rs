//! The table that `--live` prints while a capture runs: the rates of each stream.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use super::counters::{Counters, StreamCounts};
use crate::plan::Plan;
use crate::say::say_text;

/// Largest number of streams in a table, which shows the busiest ones.
const ROWS_MAX: usize = 20;

/// The table, as it was printed last.
pub(super) struct Live<'a> {
    plan: &'a Plan,
    counters: &'a [Counters],
    numbers: &'a [u32],
    every: Duration,
    before: Vec<StreamCounts>,
    printed: Instant,
    /// Lines to overwrite on a terminal; `None` elsewhere, where tables follow each other.
    lines: Option<usize>,
}

impl<'a> Live<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        counters: &'a [Counters],
        numbers: &'a [u32],
        every: Duration,
    ) -> Self {
        let mut live = Self {
            plan,
            counters,
            numbers,
            every,
            before: Vec::new(),
            printed: Instant::now(),
            lines: std::io::stderr().is_terminal().then_some(0),
        };
        live.before = live.read();
        live
    }

    fn read(&self) -> Vec<StreamCounts> {
        let streams = self.numbers.iter().zip(self.counters);
        streams
            .map(|(number, counters)| counters.read(*number))
            .collect()
    }

    /// Time until the next table.
    pub(super) fn due_in(&self) -> Duration {
        self.every.saturating_sub(self.printed.elapsed())
    }

    /// Prints a table if it is due.
    pub(super) fn print_if_due(&mut self) {
        if !self.due_in().is_zero() {
            return;
        }
        let now = self.read();
        let seconds = self.printed.elapsed().as_secs_f64();
        let (mut text, lines) = (String::new(), table(self.plan, &self.before, &now, seconds));
        if let Some(above) = self.lines.as_mut() {
            if *above > 0 {
                let _ = write!(text, "\x1b[{above}A\x1b[J");
            }
            *above = lines.len();
        }
        for line in lines {
            let _ = writeln!(text, "{line}");
        }
        say_text(&text);
        (self.before, self.printed) = (now, Instant::now());
    }
}

/// The lines of a table for the time between two readings.
fn table(plan: &Plan, before: &[StreamCounts], now: &[StreamCounts], seconds: f64) -> Vec<String> {
    let mut rows: Vec<(&StreamCounts, &StreamCounts)> = before.iter().zip(now).collect();
    let frames =
        |(before, now): &(&StreamCounts, &StreamCounts)| now.captured() - before.captured();
    if rows.len() > ROWS_MAX {
        rows.sort_by_key(|row| std::cmp::Reverse(frames(row)));
        rows.truncate(ROWS_MAX);
        rows.sort_by_key(|(before, _)| before.number);
    }
    let hidden = now.len() - rows.len();
    let per_second = |from: u64, to: u64| format!("{:.0}", (to - from) as f64 / seconds);
    let head = format!(
        "{:14} {:>11} {:>11} {:>9} {:>13} {:>10}",
        "", "rx/s", "tx/s", "Mb/s", "captured", "dropped"
    );
    let mut lines = vec![head];
    lines.extend(rows.iter().map(|(before, now)| {
        let megabits = (now.bytes - before.bytes) as f64 * 8e-6 / seconds;
        format!(
            "{:14} {:>11} {:>11} {megabits:>9.1} {:>13} {:>10}",
            plan.subject.label(now.number),
            per_second(before.received, now.received),
            per_second(before.sent, now.sent),
            now.captured(),
            now.lost
        )
    }));
    if hidden > 0 {
        lines.push(format!("and {hidden} with fewer packets"));
    }
    lines
}
