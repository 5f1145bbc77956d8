//! Waits for a producer and, with `--wait`, for the next one.

use std::time::{Duration, Instant};

use hpcap::cancellable::{self, Notice};
use hpcap::visible::visible;
use hpcap::{Error, Kind, Result};

use crate::cli::Cli;
use crate::report::event::{EndedBy, Event};
use crate::report::reporter::Reporter;
use crate::session::Recorded;
use crate::session::input::Input;
use crate::session::signals::{Signals, Stop};
use crate::sink::Tally;

/// Time between two looks for a queue.
const LOOK: Duration = Duration::from_millis(500);

/// Time between two looks at the clock and the signals while waiting for a queue.
const TICK: Duration = Duration::from_millis(20);

/// Time after which a refused queue is an error, although the recorder waits for it. A device belongs to root until udev
/// has given it to the group of hpcap, shortly after its driver has made it.
const REFUSED: Duration = Duration::from_secs(5);

/// Opens inputs, and stops waiting for one when a signal comes.
#[derive(Debug)]
pub struct Attaching {
    wait: bool,
    signals: Signals,
    duration: Option<Duration>,
    /// Time at which `--duration` is over, counted from the first producer.
    deadline: Option<Instant>,
    /// Whether the recorder was attached to a producer before.
    again: bool,
}

impl Attaching {
    /// With `wait`, [`Attaching::open`] waits for a queue that does not exist.
    #[must_use]
    pub fn new(wait: bool, duration: Option<Duration>, signals: &Signals) -> Self {
        Self {
            wait,
            signals: signals.clone(),
            duration,
            deadline: None,
            again: false,
        }
    }

    fn stop(&self) -> bool {
        self.signals.stop() != Stop::No || self.deadline.is_some_and(|end| Instant::now() >= end)
    }

    /// Opens an input with `open`, which waits for `event`. Returns `None` if a signal came, or `--duration` was over, while
    /// waiting for a queue.
    ///
    /// # Errors
    /// Errors of `open`. Without `--wait`, also an error if a signal came before `open` had
    /// returned.
    pub fn open(
        &mut self,
        reporter: &mut Reporter,
        event: &str,
        open: impl Fn() -> Result<Input> + Clone + Send + 'static,
    ) -> Result<Option<Input>> {
        let mut said = false;
        let mut refused: Option<Instant> = None;
        loop {
            match self.try_once(reporter, event, open.clone()) {
                // The queue ended before it could be recorded, because its daemon is about to exit.
                Ok(Some(input)) if self.again && input.listener.ended() => {}
                Ok(Some(input)) => {
                    if !std::mem::replace(&mut self.again, true) {
                        self.deadline = self.duration.and_then(|d| Instant::now().checked_add(d));
                    }
                    return Ok(Some(input));
                }
                Ok(None) if self.wait => return Ok(None),
                Ok(None) => return Err(cancellable::interrupted("begin to record", event)),
                Err(e) if self.wait && goes_on_waiting(&e, &mut refused) => {
                    if !std::mem::replace(&mut said, true) {
                        reporter.tell(&Event::warning(format!("waiting: {e}")));
                        // A recorder that waits works as it should: the boot goes on meanwhile.
                        let why = e.to_string();
                        let why = why.lines().next().unwrap_or_default();
                        let status = format!("waiting: {}", visible(why));
                        reporter.service().set_ready(&status);
                    }
                }
                Err(e) => return Err(e),
            }
            let looked = Instant::now();
            while looked.elapsed() < LOOK {
                if self.stop() {
                    return Ok(None);
                }
                reporter.service().watch(&[]);
                std::thread::sleep(TICK);
            }
        }
    }

    /// Tries once, in a thread of its own, because `open` blocks while a producer is stopped or a
    /// pipe has no writer.
    fn try_once(
        &self,
        reporter: &mut Reporter,
        event: &str,
        open: impl FnOnce() -> Result<Input> + Send + 'static,
    ) -> Result<Option<Input>> {
        let mut notice = Notice::default();
        cancellable::run(
            |waited| {
                if notice.is_due(waited) {
                    reporter.tell(&Event::warning(format!("still waiting for {event}")));
                }
                reporter.service().watch(&[]);
                self.stop()
            },
            open,
        )
    }

    /// Whether to wait for the next producer after this recording.
    #[must_use]
    pub fn goes_on_after(&self, recorded: &Recorded) -> bool {
        self.wait
            && recorded.ended_by.is_end_of_queue()
            && recorded.ended_by != EndedBy::SourceEnded
            && !self.stop()
    }

    /// Subtracts what was recorded from the limits of `cli`. Returns whether anything is left to
    /// record.
    pub fn take_from_limits(&self, cli: &mut Cli, tally: &Tally) -> bool {
        let less = |limit: Option<u64>, n: u64| limit.map(|limit| limit.saturating_sub(n));
        cli.frames = less(cli.frames, tally.stored.frames);
        cli.bytes = less(cli.bytes, tally.stored_bytes);
        cli.files = less(cli.files, tally.files);
        cli.duration = self
            .deadline
            .map(|end| end.saturating_duration_since(Instant::now()));
        ![cli.frames, cli.bytes, cli.files].contains(&Some(0)) && !self.stop()
    }
}

/// Whether `error` says that there is no producer, so that one may still come, or that it has only just appeared.
/// `refused` is when the queue was first refused.
fn goes_on_waiting(error: &Error, refused: &mut Option<Instant>) -> bool {
    match error.kind() {
        Kind::NotFound | Kind::Gone | Kind::Timeout => true,
        Kind::Permission => refused.get_or_insert_with(Instant::now).elapsed() < REFUSED,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_queue_is_an_error_after_a_while() {
        let of = |kind| Error::new(kind, "open queue hpcap0", "injected");
        let mut refused = None;
        assert!(goes_on_waiting(&of(Kind::NotFound), &mut refused));
        assert!(refused.is_none());
        assert!(goes_on_waiting(&of(Kind::Permission), &mut refused));
        refused = refused.and_then(|since| since.checked_sub(REFUSED));
        assert!(!goes_on_waiting(&of(Kind::Permission), &mut refused));
        assert!(!goes_on_waiting(&of(Kind::Version), &mut refused));
    }
}
