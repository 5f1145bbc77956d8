//! What a pcapng file says besides its frames: where it is from, its interfaces, their numbers.

use crate::ledger::{Ledger, Reason};
use crate::name::QueueName;
use crate::raw::tag::FileHeader;
use crate::time::Timestamp;

/// The head of a file (section header block).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Section {
    /// The machine's hardware; empty = not said.
    pub hardware: String,
    /// Its operating system; empty = not said.
    pub os: String,
    /// The program that writes the file.
    pub application: String,
    /// A comment on the whole file; empty = none.
    pub comment: String,
}

impl Section {
    /// A section written by `application` on this machine.
    #[must_use]
    pub fn here(application: impl Into<String>) -> Self {
        let (hardware, os) = nix::sys::utsname::uname().map_or_else(
            |_| (String::new(), String::new()),
            |u| {
                let text = |s: &std::ffi::OsStr| s.to_string_lossy().into_owned();
                (
                    text(u.machine()),
                    format!("{} {}", text(u.sysname()), text(u.release())),
                )
            },
        );
        Self {
            hardware,
            os,
            application: application.into(),
            comment: String::new(),
        }
    }
}

/// An interface of the file: a queue (interface description block).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// LINKTYPE_ value; 1 is Ethernet.
    pub link_type: u32,
    /// Bytes kept of a frame at most; 0 = whole frames.
    pub snaplen: u32,
    /// Its name: `eth0`; empty = not said.
    pub name: String,
    /// What it is; empty = not said.
    pub description: String,
    /// The filter in force, in tcpdump's syntax; empty = none.
    pub filter: String,
    /// Number of the queue, which is then given with each frame.
    pub queue: Option<u32>,
}

impl Default for Interface {
    fn default() -> Self {
        Self {
            link_type: super::LINK_TYPE_ETHERNET,
            snaplen: 0,
            name: String::new(),
            description: String::new(),
            filter: String::new(),
            queue: None,
        }
    }
}

impl Interface {
    /// The interface that a RAW file's header describes.
    #[must_use]
    pub fn of(header: &FileHeader) -> Self {
        let queue = header.queue.map(|q: QueueName| format!("queue {q}"));
        let host = (!header.host.is_empty()).then(|| format!("on {}", header.host));
        let stamps =
            (!header.clock_source.is_empty()).then(|| format!("time by {}", header.clock_source));
        let software =
            (!header.software.is_empty()).then(|| format!("captured by {}", header.software));
        // Not as the snapshot length: tcpdump refuses a file whose interfaces have several.
        let kept =
            (header.caplen != 0).then(|| format!("first {} bytes of each frame", header.caplen));
        let parts: Vec<String> = [queue, host, stamps, software, kept]
            .into_iter()
            .flatten()
            .collect();
        Self {
            link_type: header.link_type,
            snaplen: 0,
            name: header.interface.clone(),
            description: parts.join(", "),
            filter: header.filter.clone(),
            queue: header.queue.map(|q| q.queue),
        }
    }
}

/// What happened on an interface (interface statistics block); `None` = not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// When the numbers were read.
    pub time: Timestamp,
    /// When the capture started and ended.
    pub start: Option<Timestamp>,
    /// See `start`.
    pub end: Option<Timestamp>,
    /// Frames that the interface received.
    pub received: Option<u64>,
    /// Frames that the interface lost.
    pub dropped: Option<u64>,
    /// Frames that the filter let pass.
    pub accepted: Option<u64>,
    /// Frames lost after the interface.
    pub os_dropped: Option<u64>,
    /// Frames delivered.
    pub delivered: Option<u64>,
}

impl Statistics {
    /// The numbers of a ledger, of which `delivered` frames are in the file:
    ///
    /// - received: all that were on the wire,
    /// - dropped: `nic_missed` and `nic_error`,
    /// - accepted: received without `dropped` and `filtered`,
    /// - lost after the interface: `ring_full`, `overrun` and `storage`.
    #[must_use]
    pub fn of(ledger: &Ledger, delivered: u64, time: Timestamp) -> Self {
        let frames = |reasons: &[Reason]| reasons.iter().map(|r| ledger[*r].frames).sum::<u64>();
        let received = ledger.on_the_wire().frames;
        let dropped = frames(&[Reason::NicMissed, Reason::NicError]);
        let refused = dropped.saturating_add(ledger[Reason::Filtered].frames);
        Self {
            time,
            start: None,
            end: None,
            received: Some(received),
            dropped: Some(dropped),
            accepted: Some(received.saturating_sub(refused)),
            os_dropped: Some(frames(&[
                Reason::RingFull,
                Reason::Overrun,
                Reason::Storage,
            ])),
            delivered: Some(delivered),
        }
    }
}
