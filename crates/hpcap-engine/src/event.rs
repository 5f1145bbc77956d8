//! Events that an engine reports while it runs. The poll thread sends them through a bounded queue,
//! so that a slow or missing reader never blocks the thread.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use hpcap::message::Level;
use hpcap_source::SourceEvent;

/// Capacity of the queue of events.
const QUEUE: usize = 256;

/// Something that a person should read about a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The ring has ordinary pages, although hugepages would help on a link as fast as this one.
    OrdinaryPages {
        /// Why there are no hugepages, and how to provide some.
        advice: String,
    },
    /// Something happened to the source.
    Source {
        /// The name of the interface or of the file.
        interface: Arc<str>,
        /// The event that the source reported.
        event: SourceEvent,
    },
    /// The queue of events was full, so some events are missing.
    Dropped {
        /// Number of missing events.
        events: u64,
    },
}

impl Event {
    /// Returns the severity of the event.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Source { event, .. } => event.level(),
            Self::OrdinaryPages { .. } | Self::Dropped { .. } => Level::Warning,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OrdinaryPages { advice } => f.write_str(advice),
            Self::Source { interface, event } => event.display(interface).fmt(f),
            Self::Dropped { events } => {
                write!(
                    f,
                    "{events} messages of the source were dropped: nobody read them"
                )
            }
        }
    }
}

/// The poll thread's end of the queue of events.
#[derive(Debug)]
pub(crate) struct EventSender {
    queue: SyncSender<SourceEvent>,
    dropped: Arc<AtomicU64>,
}

impl EventSender {
    /// Reports `event`. Never blocks or allocates; an event that finds the queue full is only
    /// counted.
    pub(crate) fn send(&self, event: SourceEvent) {
        // A program that has dropped its `Events` has no use for events, so the error is ignored.
        if self.queue.try_send(event).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The events of an engine, which stay readable after the engine has stopped.
#[derive(Debug)]
pub struct Events {
    /// The event that arose at the start of the engine, if any.
    first: std::cell::RefCell<Option<Event>>,
    queue: Receiver<SourceEvent>,
    dropped: Arc<AtomicU64>,
    interface: Arc<str>,
}

impl Events {
    /// Returns the events since the last call, oldest first. Never blocks.
    pub fn take(&self) -> impl Iterator<Item = Event> + '_ {
        let source = self.queue.try_iter().map(|event| Event::Source {
            interface: Arc::clone(&self.interface),
            event,
        });
        let dropped = std::iter::once_with(|| self.dropped.swap(0, Ordering::Relaxed))
            .filter(|events| *events > 0)
            .map(|events| Event::Dropped { events });
        self.first.take().into_iter().chain(source).chain(dropped)
    }
}

/// Creates a queue for the events of the source of `interface`, with `first` as its first event.
pub(crate) fn event_queue(interface: &str, first: Option<Event>) -> (EventSender, Events) {
    let (sender, queue) = sync_channel(QUEUE);
    let dropped = Arc::new(AtomicU64::new(0));
    let events = Events {
        first: std::cell::RefCell::new(first),
        queue,
        dropped: Arc::clone(&dropped),
        interface: interface.into(),
    };
    let sender = EventSender {
        queue: sender,
        dropped,
    };
    (sender, events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_events_are_counted() {
        let (sender, events) = event_queue("eth0", None);
        for _ in 0..QUEUE + 3 {
            sender.send(SourceEvent::InterfaceUp);
        }
        let told: Vec<Event> = events.take().collect();
        assert_eq!(told.len(), QUEUE + 1);
        assert_eq!(told[0].to_string(), "eth0 is up again");
        assert_eq!(told[QUEUE], Event::Dropped { events: 3 });
        assert_eq!(events.take().count(), 0);
    }

    #[test]
    fn events_outlive_their_sender() {
        let advice = Event::OrdinaryPages {
            advice: "make hugepages".into(),
        };
        let (sender, events) = event_queue("eth0", Some(advice.clone()));
        sender.send(SourceEvent::InterfaceGone);
        drop(sender);
        let told: Vec<Event> = events.take().collect();
        assert_eq!(told[0], advice);
        assert_eq!(told.len(), 2);
    }
}
