//! The loop of a recording: takes steps, waits, retries after storage failures, and ends.

pub mod attach;
pub mod completion;
mod ending;
pub mod heartbeat;
pub mod input;
#[cfg(test)]
mod panic_tests;
pub mod rotation;
pub mod signals;
mod watching;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use hpcap::error::Error;
use hpcap::loss::LossWatch;
use hpcap::{Ledger, Reason, Result};

use crate::internal_error::internal_error;
use crate::report::event::{EndedBy, Event, Notice};
use crate::report::meter::Meter;
use crate::report::reporter::Reporter;
use crate::session::completion::{Completion, Report};
use crate::session::ending::Target;
use crate::session::heartbeat::HeartbeatMonitor;
use crate::session::input::Input;
use crate::session::rotation::{Rotation, RotationClock};
use crate::session::signals::{Signals, Stop};
use crate::sink::{Sink, Step, TICK, Tally};
use crate::storage::error::StorageError;

/// Shortest and longest time between two attempts to store.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Time between two looks at a state whose change does not wake this thread.
const PAUSE: Duration = Duration::from_millis(10);

/// Time between two checks that the open file still exists.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Actions of a session that depend on time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timing {
    /// The recording ends after this time.
    pub duration: Option<Duration>,
    /// The times at which new files begin.
    pub rotate: Option<Rotation>,
}

/// A storage failure that may pass; the session retries.
#[derive(Debug)]
struct Hold {
    since: Instant,
    delay: Duration,
    lost: u64,
}

/// The result of a recording.
#[derive(Debug)]
pub struct Recorded {
    /// Why the recording ended.
    pub ended_by: EndedBy,
    /// Counts of what was stored and lost.
    pub tally: Tally,
    /// The first failure. The other failures were reported as warnings.
    pub outcome: Result<()>,
}

/// A running recording.
pub struct Session<'a> {
    input: Input,
    sink: Box<dyn Sink + 'a>,
    completion: Option<Completion>,
    reporter: &'a mut Reporter,
    signals: Signals,
    timing: Timing,
    meter: Meter,
    /// One monitor for each source.
    heartbeats: Vec<HeartbeatMonitor>,
    /// One watch for each source and, with several sources, one more for the recorder's own losses.
    losses: Vec<LossWatch>,
    hold: Option<Hold>,
    rotation: Option<RotationClock>,
    looked: Instant,
    failures: Vec<Error>,
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("input", &self.input)
            .finish_non_exhaustive()
    }
}

impl<'a> Session<'a> {
    /// Records `input` into `sink`; `completion` finishes its files.
    #[must_use]
    pub fn new(
        input: Input,
        sink: Box<dyn Sink + 'a>,
        completion: Option<Completion>,
        reporter: &'a mut Reporter,
        signals: Signals,
        timing: Timing,
    ) -> Self {
        let now = Instant::now();
        let heartbeats: Vec<_> = input
            .heartbeats()
            .into_iter()
            .map(|beat| HeartbeatMonitor::new(beat.time_ns, now))
            .collect();
        let watches = match heartbeats.len() {
            1 => 1,
            sources => sources + 1,
        };
        Self {
            input,
            sink,
            completion,
            reporter,
            signals,
            timing,
            meter: Meter::new(),
            heartbeats,
            losses: (0..watches)
                .map(|_| LossWatch::new(Ledger::default(), now))
                .collect(),
            hold: None,
            rotation: timing.rotate.map(RotationClock::new),
            looked: now,
            failures: Vec::new(),
        }
    }

    /// Records until something ends the recording. In every case, the session stores what it can
    /// and closes the files.
    #[must_use]
    pub fn run(mut self) -> Recorded {
        let mut target = None;
        let stored = catch_unwind(AssertUnwindSafe(|| self.store(&mut target)));
        let complete = stored.unwrap_or_else(|panic| {
            self.failures
                .push(internal_error("go on recording", panic.as_ref()));
            target = Some(self.decide_end(EndedBy::Failed));
            false
        });
        let target = target.unwrap_or_else(|| self.decide_end(EndedBy::Signal));
        self.end(&target, complete)
    }

    /// Stores frames until the recording has to end, and sets `target` to this end. Returns whether
    /// everything before the end is stored.
    fn store(&mut self, target: &mut Option<Target>) -> bool {
        loop {
            self.handle_notices();
            self.tell_progress();
            if target.is_none() {
                *target = self.why_end().map(|why| self.decide_end(why));
                self.by_the_clock();
            }
            let until = target.map_or(u64::MAX, |t: Target| t.at.off);
            let done =
                |this: &Self| target.is_some() && this.sink.done_to(&this.input.listener) >= until;
            if self.signals.stop() == Stop::Now && !done(self) {
                break false;
            }
            if self.completion.as_ref().is_some_and(Completion::is_behind) {
                // The ring holds the frames that arrive meanwhile; the ledger counts those that it
                // cannot hold.
                std::thread::sleep(PAUSE);
                continue;
            }
            match self.sink.step(&mut self.input.listener, until) {
                Ok(Step::Done) => self.end_hold(),
                Ok(Step::Idle { .. } | Step::Pause) if done(self) => break true,
                Ok(Step::Idle { bytes }) => {
                    self.end_hold();
                    if let Err(e) = self.input.listener.wait(bytes, self.longest_sleep()) {
                        break self.fail(e, target);
                    }
                }
                Ok(Step::Pause) => std::thread::sleep(PAUSE),
                Ok(Step::Hold(StorageError::Final(error))) => {
                    self.failures.push(error);
                    *target = Some(self.decide_end(EndedBy::Failed));
                    break false;
                }
                Ok(Step::Hold(error)) => {
                    if !self.hold_on(&error, target.as_ref()) {
                        break false;
                    }
                }
                Ok(Step::Limit(limit)) => {
                    *target = Some(Target {
                        limited: true,
                        ..self.decide_end(limit)
                    });
                    break true;
                }
                Ok(Step::ReaderGone) => {
                    *target = Some(self.decide_end(EndedBy::ReaderGone));
                    break true;
                }
                Err(e) => break self.fail(e, target),
            }
        }
    }

    /// Returns how long the session may sleep: until the next look at signals, the end of `--duration`, or the next
    /// rotation.
    fn longest_sleep(&self) -> Duration {
        let ends = self
            .timing
            .duration
            .map(|d| d.saturating_sub(self.meter.elapsed()));
        let rotates = self.rotation.as_ref().map(RotationClock::remaining);
        [ends, rotates]
            .into_iter()
            .flatten()
            .fold(TICK, Duration::min)
    }

    fn by_the_clock(&mut self) {
        let due = self.rotation.as_mut().is_some_and(RotationClock::is_due);
        if self.signals.take_rotate() || due {
            self.sink.rotate(&mut self.input.listener);
        }
        if self.looked.elapsed() >= LOOK_EVERY {
            self.looked = Instant::now();
            self.sink.look(&mut self.input.listener);
        }
    }

    /// Waits a little after a storage failure that can pass. Returns false if the recording is to
    /// stop, so that there is no use in trying again.
    fn hold_on(&mut self, error: &StorageError, target: Option<&Target>) -> bool {
        let lost = |this: &Self| this.input.listener.ledger().ledger[Reason::RingFull].frames;
        let Some(hold) = &mut self.hold else {
            let mut text = error.to_string();
            text.push_str("\n  holding the ring and trying again; what it cannot hold is counted as ring_full");
            if error.is_full() {
                text.push_str("\n  make room, or stop: what is stored is safe");
            }
            self.reporter.tell(&Event::warning(text));
            if let Some(completion) = &self.completion {
                completion.make_room();
            }
            self.hold = Some(Hold {
                since: Instant::now(),
                delay: RETRY.0,
                lost: lost(self),
            });
            return true;
        };
        let stopping = target.is_some_and(|t| !t.why.is_end_of_queue());
        if stopping || self.signals.stop() != Stop::No {
            let text = format!(
                "{}\n  giving up: what is not stored is counted as storage",
                error
            );
            self.failures.push(Error::new(
                hpcap::Kind::Full,
                "store everything that was captured",
                text,
            ));
            return false;
        }
        let delay = hold.delay;
        hold.delay = (delay * 2).min(RETRY.1);
        let until = Instant::now() + delay;
        while Instant::now() < until && self.signals.stop() == Stop::No {
            self.handle_notices();
            self.tell_progress();
            std::thread::sleep(PAUSE.min(until.saturating_duration_since(Instant::now())));
        }
        true
    }

    fn end_hold(&mut self) {
        let Some(hold) = self.hold.take() else { return };
        let lost = self.input.listener.ledger().ledger[Reason::RingFull].frames - hold.lost;
        self.reporter.tell(&Event::warning(format!(
            "storing works again after {:.1} s; {lost} frames were lost meanwhile",
            hold.since.elapsed().as_secs_f64()
        )));
    }

    /// Handles the notices of the sources and of the sink, and what became of finished files.
    fn handle_notices(&mut self) {
        let mut notices: Vec<Notice> = self.input.take_notices().collect();
        notices.extend(self.sink.take_notices());
        for notice in notices {
            match (notice, &self.completion) {
                (Notice::FileSealed(sealed), Some(completion)) => completion.finish(*sealed),
                (Notice::Tell(event), _) => self.reporter.tell(&event),
                // Only the completion of files has other notices.
                _ => {}
            }
        }
        let reports = self.completion.as_mut().map(Completion::take_reports);
        self.report(reports.unwrap_or_default());
    }

    fn report(&mut self, reports: Vec<Report>) {
        for report in reports {
            match report {
                Report::Event(event) => self.reporter.tell(&event),
                Report::Failure(e) => {
                    self.reporter.tell(&Event::warning(e.to_string()));
                    self.failures.push(e);
                }
            }
        }
    }
}
