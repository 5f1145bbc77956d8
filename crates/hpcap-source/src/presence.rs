//! Whether the interface of a capture is up, down or gone, and the events that say so.

use std::time::Instant;

use hpcap_host::Interface;

use super::event::PendingEvents;
use super::{InterfaceName, SourceEvent};

/// State of the interface of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Up,
    Down,
    /// The interface was removed. The ring of the capture, if it is still open, may have frames left.
    Gone {
        since: Instant,
    },
}

impl Presence {
    /// Whether the interface does not exist.
    pub(crate) fn is_gone(self) -> bool {
        matches!(self, Self::Gone { .. })
    }

    /// Notes that the interface, which was `before` at the last look, is `now`. Returns whether it has
    /// come up since then.
    pub(crate) fn found(
        &mut self,
        before: &Interface,
        now: &Interface,
        events: &mut PendingEvents,
    ) -> bool {
        let has_come_up = *self != Self::Up && now.is_up();
        if has_come_up {
            *self = Self::Up;
            events.push(SourceEvent::InterfaceUp);
        } else if *self == Self::Up && !now.is_up() {
            *self = Self::Down;
            events.push(SourceEvent::InterfaceDown);
        }
        if now.name != before.name {
            events.push(SourceEvent::InterfaceRenamed {
                from: InterfaceName::new(&before.name),
                to: InterfaceName::new(&now.name),
            });
        }
        has_come_up
    }

    /// Notes that the interface does not exist. Returns when that was noticed, if it was before.
    pub(crate) fn missing(&mut self, events: &mut PendingEvents) -> Option<Instant> {
        if let Self::Gone { since } = *self {
            return Some(since);
        }
        let since = Instant::now();
        *self = Self::Gone { since };
        events.push(SourceEvent::InterfaceGone);
        None
    }

    /// Notes that the capture goes on with another `interface` of the same name.
    pub(crate) fn replaced(&mut self, interface: &Interface, events: &mut PendingEvents) {
        events.push(SourceEvent::InterfaceBack);
        *self = if interface.is_up() {
            Self::Up
        } else {
            events.push(SourceEvent::InterfaceDown);
            Self::Down
        };
    }
}
