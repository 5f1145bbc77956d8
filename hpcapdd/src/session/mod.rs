//! The loop of a recording: takes steps, waits, retries after storage failures, and ends.

pub mod attach;
pub mod completion;
pub mod heartbeat;
pub mod input;
pub mod rotation;
pub mod signals;

use std::time::{Duration, Instant};

use hpcap::error::Error;
use hpcap::listener::{Moment, TOLD_LOSSES};
use hpcap::loss::LossWatch;
use hpcap::queue::QueueEnd;
use hpcap::{Ledger, Reason, Result};

use crate::report::event::{EndedBy, Event, Frames, Notice, SourceLoss, Summary};
use crate::report::meter::{Meter, recording_ledger};
use crate::report::reporter::Reporter;
use crate::session::completion::{Completion, Report};
use crate::session::heartbeat::{Change, HeartbeatMonitor};
use crate::session::input::{Heartbeat, Input, is_end_of_listening};
use crate::session::rotation::{Rotation, RotationClock};
use crate::session::signals::{Signals, Stop};
use crate::sink::{Ending, Sink, Step, TICK, Tally};
use crate::storage::error::StorageError;

/// Shortest and longest time between two attempts to store.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Time between two looks at a state whose change wakes nobody.
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

/// Whether the ledger is looked at again after this look.
#[derive(Debug, Clone, Copy)]
enum Watching {
    GoesOn,
    Ends,
}

/// A storage failure that may pass; the session retries.
#[derive(Debug)]
struct Hold {
    since: Instant,
    delay: Duration,
    lost: u64,
}

/// Where the recording ends, and why.
#[derive(Debug, Clone, Copy)]
struct Target {
    at: Moment,
    why: EndedBy,
    /// Whether a limit was reached, so that what is published behind `at` is not wanted.
    limited: bool,
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
        let complete = loop {
            self.handle_notices();
            self.tell_progress();
            if target.is_none() {
                target = self.why_end().map(|why| self.decide_end(why));
                self.by_the_clock();
            }
            let until = target.map_or(u64::MAX, |t: Target| t.at.off);
            let done =
                |this: &Self| target.is_some() && this.sink.done_to(&this.input.listener) >= until;
            if self.signals.stop() == Stop::Now && !done(&self) {
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
                Ok(Step::Idle { .. } | Step::Pause) if done(&self) => break true,
                Ok(Step::Idle { bytes }) => {
                    self.end_hold();
                    if let Err(e) = self.input.listener.wait(bytes, TICK) {
                        break self.fail(e, &mut target);
                    }
                }
                Ok(Step::Pause) => std::thread::sleep(PAUSE),
                Ok(Step::Hold(error)) => {
                    if !self.hold_on(&error, target.as_ref()) {
                        break false;
                    }
                }
                Ok(Step::Limit(limit)) => {
                    target = Some(Target {
                        limited: true,
                        ..self.decide_end(limit)
                    });
                    break true;
                }
                Ok(Step::ReaderGone) => {
                    target = Some(self.decide_end(EndedBy::ReaderGone));
                    break true;
                }
                Err(e) => break self.fail(e, &mut target),
            }
        };
        let target = target.unwrap_or_else(|| self.decide_end(EndedBy::Signal));
        self.end(&target, complete)
    }

    fn why_end(&self) -> Option<EndedBy> {
        let listener = &self.input.listener;
        if self.signals.stop() != Stop::No {
            Some(EndedBy::Signal)
        } else if self
            .timing
            .duration
            .is_some_and(|d| self.meter.elapsed() >= d)
        {
            Some(EndedBy::Duration)
        } else if listener.end().is_some_and(|end| end.killed) {
            Some(EndedBy::Killed)
        } else if self.input.ended() {
            Some(match listener.queue_end() {
                _ if self.input.further_failed() => EndedBy::SourceFailed,
                Some(QueueEnd::Ended) => EndedBy::SourceEnded,
                Some(QueueEnd::Failed) => EndedBy::SourceFailed,
                Some(QueueEnd::Stopped) => EndedBy::ProducerStopped,
                None => EndedBy::ProducerGone,
            })
        } else {
            None
        }
    }

    /// Decides where the recording ends: where the producer fixes the end. Sources of this process
    /// are ended first.
    fn decide_end(&mut self, why: EndedBy) -> Target {
        if let Err(e) = self.input.end_source() {
            self.failures.push(e);
        }
        let info = self.input.listener.info();
        let pid = info.producer_pid;
        let failure = match why {
            // A source inside this process has reported its own failure.
            EndedBy::SourceFailed if self.failures.is_empty() => Some((
                format!("its source, {}, has failed", info.source),
                "everything that it had published is stored; hpcapd says what is wrong",
            )),
            EndedBy::ProducerGone => Some((
                format!("its producer (process {pid}) has died"),
                "everything that it had published is stored; start it and the recorder again",
            )),
            EndedBy::ProducerStopped => Some((
                format!("its producer (process {pid}) was stopped"),
                "everything that it had published is stored; \
                 with --wait, the recorder attaches again when the queue is back",
            )),
            EndedBy::Killed if self.failures.is_empty() => Some((
                format!("listener {} was killed", self.input.listener.id()),
                "what was published before is stored, as far as the ring still had it",
            )),
            _ => None,
        };
        if let Some((reason, advice)) = failure {
            let tried = format!("go on recording {}", info.name);
            let kind = match why {
                EndedBy::Killed => hpcap::Kind::Killed,
                _ => hpcap::Kind::Gone,
            };
            self.failures
                .push(Error::new(kind, tried, reason).advise(advice));
        }
        Target {
            at: self.input.end(),
            why,
            limited: false,
        }
    }

    /// Ends the recording where it is, because the listener failed.
    fn fail(&mut self, error: Error, target: &mut Option<Target>) -> bool {
        let why = if is_end_of_listening(&error) {
            EndedBy::Killed
        } else {
            EndedBy::Failed
        };
        self.failures.push(error);
        let mut end = self.decide_end(why);
        end.at.off = self.sink.done_to(&self.input.listener);
        *target = Some(end);
        true
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

    fn tell_progress(&mut self) {
        self.meter.set_further(self.input.further());
        let listener = &self.input.listener;
        if let Some(progress) = self.meter.progress(listener, &self.sink.tally()) {
            let first = listener.ledger().ledger;
            self.tell_losses(&progress.ledger, &first, Watching::GoesOn);
            self.reporter.tell(&Event::Progress(progress));
            self.reporter.tell_due();
        }
        if self.signals.take_statistics() {
            let listener = &self.input.listener;
            let mut progress = self.meter.progress_now(listener, &self.sink.tally());
            progress.asked = true;
            self.reporter.tell(&Event::Progress(progress));
        }
        for (monitor, beat) in self.heartbeats.iter_mut().zip(self.input.heartbeats()) {
            if let Some(change) = monitor.look(beat.time_ns, Instant::now())
                && !beat.ended
            {
                let text = heartbeat_text(change, &beat);
                self.reporter.tell(&Event::warning(text));
            }
        }
        self.feed_watchdog();
    }

    /// Feeds the service manager's watchdog while the poll threads of this process work. The producer
    /// of a queue is another service with a watchdog of its own, so only this loop counts then.
    fn feed_watchdog(&mut self) {
        let beats: Vec<Option<u64>> = match self.input.captures_itself() {
            true => (self.input.heartbeats().iter())
                .map(|beat| (!beat.ended).then_some(beat.time_ns))
                .collect(),
            false => Vec::new(),
        };
        self.reporter.service().watch(&beats);
    }

    /// Reports the losses in the ledger of each source, and the recorder's own losses. `all` is the
    /// ledger of the recording, `first` that of the first source's queue.
    fn tell_losses(&mut self, all: &Ledger, first: &Ledger, watching: Watching) {
        let mut ledgers: Vec<(Option<String>, Ledger)> = match self.input.is_several() {
            false => vec![(None, *all)],
            true => self
                .input
                .by_source(first)
                .into_iter()
                .map(|source| (Some(source.source), source.ledger))
                .collect(),
        };
        if self.input.is_several() {
            let mut own = Ledger::default();
            for reason in [Reason::Captured, Reason::Overrun, Reason::Storage] {
                own[reason] = all[reason];
            }
            ledgers.push((None, own));
        }
        for (number, (watch, (source, ledger))) in self.losses.iter_mut().zip(ledgers).enumerate() {
            let listeners = || self.input.listeners_of(number);
            let now = Instant::now();
            let losses = match watching {
                Watching::GoesOn => watch.look(&ledger, now, listeners),
                Watching::Ends => watch.end(&ledger, now, listeners),
            };
            for loss in losses {
                let source = source.clone();
                self.reporter
                    .tell(&Event::Loss(SourceLoss { source, loss }));
            }
        }
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

    fn end(mut self, target: &Target, complete: bool) -> Recorded {
        self.check_heartbeat_at_end();
        if !target.why.is_end_of_queue() {
            let status = "storing what is in the ring";
            self.reporter.service().set_stopping(status);
        }
        self.meter.look(&self.input.listener);
        let ending = Ending {
            target: target.at,
            complete,
            limited: target.limited,
        };
        self.sink.finish(&mut self.input.listener, &ending);
        self.handle_notices();
        let mut tally = self.sink.tally();
        if let Some(mut completion) = self.completion.take() {
            let signals = self.signals.clone();
            let reports = completion.end(|| signals.stop() == Stop::Now);
            self.report(reports);
            tally = completion.without_removed(tally);
        }
        let (start, mut at) = (*self.input.listener.start(), target.at);
        if target.limited {
            // The ledger ends at the limit, not where the producer is by now.
            let told = self.sink.told(&self.input.listener);
            at.ledger[Reason::Captured] = told[Reason::Captured];
            for reason in TOLD_LOSSES {
                at.ledger[reason] = told[reason];
            }
        }
        if !complete && self.failures.is_empty() {
            self.failures.push(Error::new(
                hpcap::Kind::Io,
                "store everything that was captured",
                "stopped by a second signal",
            ));
        }
        let unstored = tally.lost[Reason::Storage].frames;
        if unstored > 0 && self.failures.is_empty() {
            self.failures.push(Error::new(
                hpcap::Kind::Io,
                "store everything that was captured",
                format!("{unstored} frames could not be written"),
            ));
        }
        let mut all = at.ledger;
        all += &self.input.further();
        if target.limited && self.input.is_several() {
            // Frames behind the last stored one do not belong to this recording.
            all[Reason::Captured] = start.ledger[Reason::Captured] + tally.stored;
        }
        let ledger = recording_ledger(&all, &start.ledger, &tally);
        self.tell_losses(&ledger, &at.ledger, Watching::Ends);
        self.reporter.tell_rest();
        if self.input.is_several() {
            for source in self.input.by_source(&at.ledger) {
                self.reporter.tell(&Event::Source(source));
            }
        }
        self.reporter.tell(&Event::Summary(Summary {
            ended_by: target.why,
            stored: Frames::from(tally.stored),
            stored_bytes: tally.stored_bytes,
            files: tally.files,
            seconds: self.meter.elapsed().as_secs_f64(),
            lag_peak: self.meter.lag_peak(),
            ledger,
            frames_cut: at.frames_cut.saturating_sub(start.frames_cut),
            times_adjusted: at.times_adjusted.saturating_sub(start.times_adjusted),
        }));
        let mut failures = self.failures.into_iter();
        let first = failures.next();
        for other in failures {
            self.reporter.tell(&Event::warning(other.to_string()));
        }
        self.reporter.tell_rest();
        Recorded {
            ended_by: target.why,
            tally,
            outcome: first.map_or(Ok(()), Err),
        }
    }

    /// Adds a failure for each producer that is silent at the end, because the recording may lack
    /// frames that were on the wire.
    fn check_heartbeat_at_end(&mut self) {
        for (monitor, beat) in self.heartbeats.iter().zip(self.input.heartbeats()) {
            if !monitor.is_silent() || beat.ended {
                continue;
            }
            let why = format!(
                "its producer (process {}) captures nothing any more: it is stopped or stuck",
                beat.producer_pid
            );
            let tried = format!("record all of {}", beat.name);
            self.failures.push(
                Error::new(hpcap::Kind::Gone, tried, why)
                    .advise("everything that the producer had published is stored"),
            );
        }
    }
}

/// The message about a producer that falls silent or comes back.
fn heartbeat_text(change: Change, beat: &Heartbeat) -> String {
    let (pid, name) = (beat.producer_pid, &beat.name);
    match change {
        Change::Silent(time) => format!(
            "the producer of {name} (process {pid}) has captured nothing for {:.1} s: it is stopped or stuck\n  \
             waiting for it; frames of this time may be lost, and nobody counts them",
            time.as_secs_f64()
        ),
        Change::Back(time) => format!(
            "the producer of {name} (process {pid}) captures again after {:.1} s",
            time.as_secs_f64()
        ),
    }
}
