//! The report on standard error.

use std::time::{Duration, Instant};

use hpcap::message::{Level, Limiter, Messages, Stream, kind_of};
use hpcap::visible::visible_lines;
use hpcap::{Error, Reason, Timestamp};

use crate::tap::{Counts, Tap, lost_by_queue};

/// Returns the line about messages that nobody read, for [`hpcap::message::run`].
#[must_use]
pub fn notice(_: Stream, dropped: u64) -> String {
    format!("hpcap-tap: {dropped} messages before this one were dropped: nobody read them")
}

/// Passes messages to the printing thread, so that reporting never delays a viewer. Repeated warnings
/// of one kind become one line.
#[derive(Debug)]
pub struct Reporter {
    messages: Messages,
    limiter: Limiter<String>,
    least: Level,
}

impl Reporter {
    /// Creates a reporter of messages that are at least as important as `least`.
    #[must_use]
    pub fn new(messages: &Messages, least: Level) -> Self {
        Self {
            messages: messages.clone(),
            limiter: Limiter::new(),
            least,
        }
    }

    fn tell(&self, level: Level, text: &str) {
        if level >= self.least {
            let text = visible_lines(&format!("hpcap-tap: {text}")).into_owned();
            self.messages.tell(level, Stream::Errors, text);
        }
    }

    /// Reports something that went as it should.
    pub fn info(&self, text: &str) {
        self.tell(Level::Info, text);
    }

    /// Reports something that the user should know. Warnings of one kind are limited in rate.
    pub fn warn(&mut self, text: String) {
        let now = Instant::now();
        if let Some(text) = self.limiter.pass(&kind_of(&text), text, now) {
            self.tell(Level::Warning, &text);
        }
        self.release();
    }

    /// Reports the warnings that were held back and are due.
    pub fn release(&mut self) {
        for text in self.limiter.due(Instant::now()) {
            self.tell(Level::Warning, &text);
        }
    }

    /// Reports what ended a part of the program, which continues.
    pub fn error(&self, error: &Error) {
        self.tell(Level::Error, &error.to_string());
    }
}

/// Describes the counts of a queue: `hpcap0: 12 frames read, 10 match the filter, 2 missed by this tap`.
#[must_use]
pub fn describe_counts(name: &str, counts: &Counts, is_filtered: bool) -> String {
    let mut text = format!("{name}: {} frames read", counts.seen);
    if is_filtered {
        text += &format!(", {} match the filter", counts.matched);
    }
    let missed = counts.lost[Reason::Overrun].frames;
    let before = lost_by_queue(&counts.lost).frames;
    text += &format!(", {missed} missed by this tap, {before} lost before the ring");
    text
}

/// Describes that the ring of the queue `name` begins with a frame of the time `oldest`, later than
/// was asked for.
#[must_use]
pub fn describe_late_start(name: &str, event: Timestamp, oldest: Timestamp) -> String {
    let had = Duration::from_nanos(event.as_ns().saturating_sub(oldest.as_ns()));
    format!(
        "{name}: the ring had only the {:.3} s before the event; a larger ring holds more",
        had.as_secs_f64()
    )
}

/// Describes the missing frames of `taps`, and those that only viewers missed: `viewers`.
#[must_use]
pub fn describe_losses(taps: &[Tap], viewers: u64) -> String {
    let (mut missed, mut before) = (viewers, 0);
    for tap in taps {
        let lost = &tap.counts().lost;
        missed += lost[Reason::Overrun].frames;
        before += lost_by_queue(lost).frames;
    }
    format!("{missed} missed by this capture, {before} lost before the ring")
}

#[cfg(test)]
mod tests {
    use hpcap::{Count, Ledger};

    use super::*;

    #[test]
    fn counts_name_who_lost_frames() {
        let mut lost = Ledger::default();
        lost[Reason::Overrun] = Count::new(3, 300);
        lost[Reason::RingFull] = Count::new(1, 100);
        lost[Reason::NicMissed] = Count::new(4, 0);
        let counts = Counts {
            seen: 12,
            matched: 10,
            lost,
        };
        assert_eq!(
            describe_counts("hpcap0", &counts, true),
            "hpcap0: 12 frames read, 10 match the filter, 3 missed by this tap, 5 lost before the ring"
        );
    }
}
