//! Reports while a recording runs: progress, losses, and producers that stand still.

use std::time::Instant;

use hpcap::{Ledger, Reason};

use super::Session;
use crate::report::event::{Event, SourceLoss};
use crate::session::heartbeat::Change;
use crate::session::input::Heartbeat;

/// Whether the ledger is looked at again after this look.
#[derive(Debug, Clone, Copy)]
pub(super) enum Watching {
    GoesOn,
    Ends,
}

impl Session<'_> {
    pub(super) fn tell_progress(&mut self) {
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
    pub(super) fn tell_losses(&mut self, all: &Ledger, first: &Ledger, watching: Watching) {
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
