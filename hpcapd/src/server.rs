//! A queue that the daemon serves, from its start to its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hpcap::loss::LossWatch;
use hpcap::queue::QueueEnd;
use hpcap::{QueueName, Result, message};
use hpcap_engine::{Engine, Event, Events};

use crate::reporter::{QueueMessage, Reporter};
use crate::socket::SocketListener;

/// Time between two checks of the ledgers for losses.
const LOSS_CHECK_PERIOD: Duration = Duration::from_secs(1);

/// Time that the listeners of a failed queue have to read the rest of the ring.
const LINGER_FAILED: Duration = Duration::from_secs(2);

/// A queue with its engine and its socket.
pub(crate) struct Server {
    pub(crate) name: QueueName,
    pub(crate) engine: Engine,
    pub(crate) events: Events,
    pub(crate) listener: SocketListener,
    /// Time at which the daemon noticed that the queue has ended.
    ended_since: Option<Instant>,
    losses: LossWatch,
    looked: Instant,
}

impl Server {
    /// Serves the queue `name` of `engine` over `listener`.
    pub(crate) fn new(
        name: QueueName,
        engine: Engine,
        events: Events,
        listener: SocketListener,
    ) -> Self {
        let now = Instant::now();
        Self {
            name,
            losses: LossWatch::new(engine.queue().ledger().ledger, now),
            engine,
            events,
            listener,
            ended_since: None,
            looked: now,
        }
    }

    /// Returns the last heartbeat of the poll thread, or `None` if the queue has ended.
    pub(crate) fn heartbeat(&self) -> Option<u64> {
        let page = self.engine.queue().page();
        page.end().is_none().then(|| page.heartbeat_ns())
    }

    /// Reports the end of the queue, and losses of frames.
    pub(crate) fn tell(&mut self, reporter: &Reporter) {
        let queue = self.engine.queue();
        if let (Some(end), None) = (queue.page().end(), self.ended_since) {
            self.ended_since = Some(Instant::now());
            reporter.print_message(&match end {
                QueueEnd::Failed => {
                    let text = "capturing has failed: this queue gets no more frames";
                    QueueMessage::new(self.name, message::Level::Error, text)
                }
                QueueEnd::Ended | QueueEnd::Stopped => {
                    QueueMessage::info(self.name, "the source has ended")
                }
            });
        }
        if self.looked.elapsed() >= LOSS_CHECK_PERIOD {
            self.looked = Instant::now();
            let ledger = queue.ledger().ledger;
            for loss in self.losses.look(&ledger, self.looked, || queue.listeners()) {
                reporter.loss(self.name, &loss);
            }
        }
    }

    /// Returns whether the daemon must go on for this queue. A failed queue gets only a short time:
    /// its listeners can read the ring without the daemon, and the exit code must show the failure.
    pub(crate) fn is_wanted(&self, no_linger: bool) -> bool {
        let Some(since) = self.ended_since else {
            return true;
        };
        let lingers = !self.engine.has_failed() || since.elapsed() < LINGER_FAILED;
        lingers && !no_linger && !self.engine.queue().listeners().is_empty()
    }

    /// Ends a queue and prints its ledger.
    pub(crate) fn finish(mut self, reporter: &Reporter) -> Result<()> {
        let queue = Arc::clone(self.engine.queue());
        let listeners = queue.listeners();
        let outcome = self.engine.stop();
        for event in self.events.take() {
            reporter.print_message(&message_of(self.name, &event));
        }
        // No new listener finds the queue now; attached listeners can still read the ring.
        drop(self.listener);
        let ledger = queue.ledger();
        let listeners = || listeners.clone();
        for loss in self.losses.end(&ledger.ledger, Instant::now(), listeners) {
            reporter.loss(self.name, &loss);
        }
        reporter.ended(self.name, &ledger);
        outcome
    }
}

/// The message about an event of queue `name`.
pub(crate) fn message_of(name: QueueName, event: &Event) -> QueueMessage {
    QueueMessage::new(name, event.level(), event.to_string())
}
