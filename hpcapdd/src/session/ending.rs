//! Decides where and why a recording ends, and reports it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hpcap::Reason;
use hpcap::error::Error;
use hpcap::listener::{Moment, TOLD_LOSSES};
use hpcap::queue::QueueEnd;

use super::watching::Watching;
use super::{Recorded, Session};
use crate::internal_error::internal_error;
use crate::report::event::{EndedBy, Event, Frames, Summary};
use crate::report::meter::recording_ledger;
use crate::session::input::is_end_of_listening;
use crate::session::signals::Stop;
use crate::sink::Ending;

/// Where the recording ends, and why.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) at: Moment,
    pub(super) why: EndedBy,
    /// Whether a limit was reached, so that what is published behind `at` is not wanted.
    pub(super) limited: bool,
}

impl Session<'_> {
    pub(super) fn why_end(&self) -> Option<EndedBy> {
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
    pub(super) fn decide_end(&mut self, why: EndedBy) -> Target {
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
    pub(super) fn fail(&mut self, error: Error, target: &mut Option<Target>) -> bool {
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

    pub(super) fn end(mut self, target: &Target, complete: bool) -> Recorded {
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
        let (sink, listener) = (&mut self.sink, &mut self.input.listener);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| sink.finish(listener, &ending))) {
            self.failures
                .push(internal_error("go on recording", panic.as_ref()));
        }
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
