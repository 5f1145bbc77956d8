//! Waiting for a producer, and for the next one: `--wait`.

use std::time::{Duration, Instant};

use hpcap::{Error, Kind, Result, patience};

use crate::cli::Cli;
use crate::report::event::{EndedBy, Event};
use crate::report::reporter::Reporter;
use crate::session::Recorded;
use crate::session::input::Input;
use crate::session::signals::{Signals, Stop};
use crate::sink::Tally;

/// How often a queue is looked for.
const LOOK: Duration = Duration::from_millis(500);

/// How often the clock and the signals are looked at meanwhile.
const TICK: Duration = Duration::from_millis(20);

/// After so long, it is said that a producer does not answer, or a source does not begin.
const SAY_WAITING: Duration = Duration::from_secs(2);

/// Opens inputs, and gives way to signals while it waits for one.
#[derive(Debug)]
pub struct Attaching {
    wait: bool,
    signals: Signals,
    duration: Option<Duration>,
    /// When `--duration` is over, counted from the first producer on.
    deadline: Option<Instant>,
    /// A producer was attached to before.
    again: bool,
}

impl Attaching {
    /// With `wait`, a queue that is not there is waited for.
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

    /// Opens an input with `open`; `None` where a signal came, or `--duration` was over, while a
    /// queue was waited for.
    ///
    /// # Errors
    /// Those of `open`, and that a signal came before it had an answer.
    pub fn open(
        &mut self,
        reporter: &mut Reporter,
        open: impl Fn() -> Result<Input> + Clone + Send + 'static,
    ) -> Result<Option<Input>> {
        let mut said = false;
        loop {
            match self.try_once(reporter, open.clone()) {
                // A queue that ended before it could be recorded: its daemon is on its way out.
                Ok(Some(input)) if self.again && input.listener.ended() => {}
                Ok(Some(input)) => {
                    if !std::mem::replace(&mut self.again, true) {
                        self.deadline = self.duration.and_then(|d| Instant::now().checked_add(d));
                    }
                    return Ok(Some(input));
                }
                Ok(None) if self.wait => return Ok(None),
                Ok(None) => {
                    let why = "a signal came before the first frame could";
                    return Err(Error::new(Kind::Io, "begin to record", why));
                }
                Err(e) if self.wait && is_absence(&e) => {
                    if !std::mem::replace(&mut said, true) {
                        reporter.tell(&Event::warning(format!("waiting: {e}")));
                    }
                }
                Err(e) => return Err(e),
            }
            let looked = Instant::now();
            while looked.elapsed() < LOOK {
                if self.stop() {
                    return Ok(None);
                }
                std::thread::sleep(TICK);
            }
        }
    }

    /// One try, in a thread of its own: a producer may be stopped, and a pipe have no writer.
    fn try_once(
        &self,
        reporter: &mut Reporter,
        open: impl FnOnce() -> Result<Input> + Send + 'static,
    ) -> Result<Option<Input>> {
        let mut said = false;
        patience::unless(
            |waited| {
                if waited >= SAY_WAITING && !std::mem::replace(&mut said, true) {
                    reporter.tell(&Event::warning("still waiting for the source to begin"));
                }
                self.stop()
            },
            open,
        )
    }

    /// Whether the next producer is waited for after this recording.
    #[must_use]
    pub fn goes_on_after(&self, recorded: &Recorded) -> bool {
        self.wait
            && recorded.ended_by.is_end_of_queue()
            && recorded.ended_by != EndedBy::SourceEnded
            && !self.stop()
    }

    /// Takes what was recorded off the limits of `cli`. Returns whether there is anything left.
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

/// Whether a producer may still come.
fn is_absence(error: &Error) -> bool {
    matches!(error.kind(), Kind::NotFound | Kind::Gone | Kind::Timeout)
}
