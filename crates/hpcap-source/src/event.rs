//! Events that a source reports while it captures.
//!
//! An event is a small value without heap memory, because the poll thread, which passes it on, must
//! not allocate. The program that prints the event turns it into text.

use std::collections::VecDeque;
use std::fmt;

use hpcap::message::Level;

use super::af_xdp::AfXdpStart;
use super::auto::Declined;

/// Something that happened to a source and that a person should read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceEvent {
    /// The interface is down. The source waits until it is up.
    InterfaceDown,
    /// The interface was down or gone, and is up again.
    InterfaceUp,
    /// The interface went down and came up between two looks at it.
    InterfaceRestarted,
    /// The interface does not exist any more. The source waits for another one of the same name.
    InterfaceGone,
    /// An interface of the same name exists again.
    InterfaceBack,
    /// The interface has a new name. The capture continues.
    InterfaceRenamed {
        /// The name before the change.
        from: InterfaceName,
        /// The name after the change.
        to: InterfaceName,
    },
    /// The interface merges received frames into larger ones before a capture gets them.
    FramesMerged {
        /// The name of the interface.
        interface: InterfaceName,
        /// Whether generic receive offload is on.
        gro: bool,
        /// Whether large receive offload is on.
        lro: bool,
    },
    /// Hardware time stamps were requested, and some frames have the kernel's instead.
    KernelTimestamps,
    /// The kernel handed over a block that contradicts itself; its remaining frames are lost.
    InvalidBlock,
    /// `auto` has chosen AF_XDP, or AF_PACKET for the reason given.
    Chosen {
        /// The name of the interface.
        interface: InterfaceName,
        /// Why not AF_XDP.
        declined: Option<Declined>,
    },
    /// A capture by AF_XDP has started.
    AfXdp(AfXdpStart),
    /// The driver leaves no room for the kernel's time, so frames have that of the poll thread.
    PollTimestamps,
    /// The NIC takes VLAN tags out of frames, and this source cannot put them back.
    TagsStripped {
        /// The name of the interface.
        interface: InterfaceName,
    },
    /// Frames arrive on a receive queue that was added to the interface after the start.
    QueueAdded,
    /// The next frame of a capture file that is replayed at its own speed is due only much later.
    LongPause {
        /// Time until the next frame, in seconds.
        seconds: u64,
    },
}

impl SourceEvent {
    /// Returns the severity of the event.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::InterfaceUp
            | Self::InterfaceBack
            | Self::InterfaceRenamed { .. }
            | Self::AfXdp(_)
            | Self::Chosen { .. }
            | Self::LongPause { .. } => Level::Info,
            Self::InterfaceDown
            | Self::InterfaceRestarted
            | Self::InterfaceGone
            | Self::FramesMerged { .. }
            | Self::KernelTimestamps
            | Self::PollTimestamps
            | Self::TagsStripped { .. }
            | Self::QueueAdded
            | Self::InvalidBlock => Level::Warning,
        }
    }

    /// Returns the event as a sentence about `source`, which is the
    /// [`Description::interface`](crate::Description::interface) of the source that reported it.
    #[must_use]
    pub fn display<'a>(&'a self, source: &'a str) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| match self {
            Self::InterfaceDown => write!(f, "{source} is down: waiting for it"),
            Self::InterfaceUp => write!(f, "{source} is up again"),
            Self::InterfaceRestarted => write!(f, "{source} went down and is up again"),
            Self::InterfaceGone => write!(f, "{source} is gone: waiting for it to come back"),
            Self::InterfaceBack => write!(f, "{source} is back"),
            Self::InterfaceRenamed { from, to } => {
                write!(f, "{from} is called {to} now: its capture goes on")
            }
            Self::FramesMerged {
                interface,
                gro,
                lro,
            } => {
                let (merges, off) = match (gro, lro) {
                    (true, true) => ("gro and lro", "gro off lro off"),
                    (false, true) => ("lro", "lro off"),
                    _ => ("gro", "gro off"),
                };
                write!(
                    f,
                    "{interface} joins frames on receipt ({merges}): records can be longer than \
                     the frames on the wire; ethtool -K {interface} {off} stops that"
                )
            }
            Self::KernelTimestamps => write!(
                f,
                "{source} hands over frames that its NIC has not stamped, such as those that this \
                 machine sends: they have the kernel's time"
            ),
            Self::InvalidBlock => write!(
                f,
                "{source} handed over a block that makes no sense; the rest of it is lost"
            ),
            Self::Chosen {
                interface,
                declined: None,
            } => write!(f, "auto:{interface} is af_xdp"),
            Self::Chosen {
                interface,
                declined: Some(why),
            } => write!(f, "auto:{interface} is af_packet: {why}"),
            Self::AfXdp(start) => write!(f, "{start}"),
            Self::PollTimestamps => write!(
                f,
                "{source} has no room for the kernel's time before its frames: they have the time \
                 at which they were taken"
            ),
            Self::TagsStripped { interface } => write!(
                f,
                "{interface} may take VLAN tags out of frames, and AF_XDP cannot put them back: \
                 ethtool -K {interface} rxvlan off stops that"
            ),
            Self::QueueAdded => write!(
                f,
                "{source} has more receive queues than at the start: their frames are lost, and \
                 counted as nic_missed, until the capture is started anew"
            ),
            Self::LongPause { seconds } => {
                write!(f, "{source}: the next frame is due in {seconds} s")
            }
        })
    }
}

/// Longest name of an interface in bytes (`IFNAMSIZ` without the final zero).
const NAME_BYTES: usize = libc::IFNAMSIZ - 1;

/// The name of a network interface, without heap memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InterfaceName([u8; NAME_BYTES]);

impl InterfaceName {
    /// Keeps the first 15 bytes of `name`; the kernel allows no longer names.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut bytes = [0; NAME_BYTES];
        for (to, from) in bytes.iter_mut().zip(name.bytes()) {
            *to = from;
        }
        Self(bytes)
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(NAME_BYTES);
        for chunk in self.0[..end].utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_str("\u{fffd}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Events that were not taken yet. When the queue is full, newer events are dropped.
#[derive(Debug)]
pub(crate) struct PendingEvents(VecDeque<SourceEvent>);

/// Capacity of the queue; a source reports fewer events between two calls of the poll thread.
const PENDING_EVENTS: usize = 16;

impl PendingEvents {
    /// Allocates all memory that the queue will ever use.
    pub(crate) fn new() -> Self {
        Self(VecDeque::with_capacity(PENDING_EVENTS))
    }

    /// Appends `event` if there is room.
    pub(crate) fn push(&mut self, event: SourceEvent) {
        if self.0.len() < PENDING_EVENTS {
            self.0.push_back(event);
        }
    }

    /// Removes and returns the oldest event.
    pub(crate) fn pop(&mut self) -> Option<SourceEvent> {
        self.0.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_name_keeps_15_bytes() {
        assert_eq!(InterfaceName::new("eth0").to_string(), "eth0");
        assert_eq!(
            InterfaceName::new("abcdefghijklmnopq").to_string(),
            "abcdefghijklmno"
        );
        // The cut leaves the first byte of a character of two bytes.
        assert_eq!(
            InterfaceName::new("abcdefghijklmn\u{e9}").to_string(),
            "abcdefghijklmn\u{fffd}"
        );
    }

    #[test]
    fn event_names_its_source() {
        let renamed = SourceEvent::InterfaceRenamed {
            from: InterfaceName::new("eth0"),
            to: InterfaceName::new("wan"),
        };
        assert_eq!(
            renamed.display("eth0").to_string(),
            "eth0 is called wan now: its capture goes on"
        );
        assert_eq!(
            SourceEvent::InterfaceBack.display("eth7").to_string(),
            "eth7 is back"
        );
    }

    #[test]
    fn pending_events_are_bounded() {
        let mut pending = PendingEvents::new();
        let capacity = pending.0.capacity();
        pending.push(SourceEvent::InterfaceDown);
        for _ in 0..1000 {
            pending.push(SourceEvent::InterfaceUp);
        }
        assert_eq!(pending.0.capacity(), capacity);
        assert_eq!(pending.pop(), Some(SourceEvent::InterfaceDown));
        assert_eq!(pending.0.len(), PENDING_EVENTS - 1);
    }
}
