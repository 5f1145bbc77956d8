//! The content of a pcapng file besides its frames: its origin, its interfaces and their
//! statistics.

use hpcap_base::ledger::{Ledger, Reason};
use hpcap_base::name::QueueName;
use hpcap_base::time::Timestamp;
use hpcap_raw::tag::FileHeader;

/// The header of a file (section header block).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Section {
    /// The hardware of the machine; empty = unknown.
    pub hardware: String,
    /// The operating system of the machine; empty = unknown.
    pub os: String,
    /// The program that writes the file.
    pub application: String,
    /// A comment on the whole file; empty = none.
    pub comment: String,
}

impl Section {
    /// Returns a section that `application` writes on this machine.
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

/// An interface of the file, which stands for a queue (interface description block).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// LINKTYPE_ value; 1 = Ethernet.
    pub link_type: u32,
    /// Bytes stored of each frame at most; 0 = whole frames.
    pub snaplen: u32,
    /// Name of the interface, such as `eth0`; empty = unknown.
    pub name: String,
    /// Description of the interface; empty = none.
    pub description: String,
    /// The filter that was set, in tcpdump's syntax; empty = none.
    pub filter: String,
    /// Number of the queue, which is written with each frame; `None` writes no number.
    pub queue: Option<u32>,
    /// Whether a frame of unknown direction was received, because the sent ones are known.
    pub knows_directions: bool,
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
            knows_directions: false,
        }
    }
}

impl Interface {
    /// Returns the interface that a RAW file's header describes.
    #[must_use]
    pub fn of(header: &FileHeader) -> Self {
        let queue = header.queue.map(|q: QueueName| format!("queue {q}"));
        let host = (!header.host.is_empty()).then(|| format!("on {}", header.host));
        let stamps =
            (!header.clock_source.is_empty()).then(|| format!("time by {}", header.clock_source));
        let software =
            (!header.software.is_empty()).then(|| format!("captured by {}", header.software));
        // The length is not given as the snapshot length, because tcpdump refuses a file whose
        // interfaces have different ones.
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
            knows_directions: header.knows_directions,
        }
    }
}

/// Counters of an interface (interface statistics block); `None` = unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Time at which the counters were read.
    pub time: Timestamp,
    /// Time at which the capture started.
    pub start: Option<Timestamp>,
    /// Time at which the capture ended.
    pub end: Option<Timestamp>,
    /// Frames that the interface received.
    pub received: Option<u64>,
    /// Frames that the interface lost.
    pub dropped: Option<u64>,
    /// Frames that the filter let pass.
    pub accepted: Option<u64>,
    /// Frames lost after the interface.
    pub os_dropped: Option<u64>,
    /// Frames that the file holds.
    pub delivered: Option<u64>,
}

impl Statistics {
    /// Derives the statistics from a ledger, of whose frames `delivered` are in the file:
    ///
    /// - received: all frames on the wire,
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
    /// Derives the statistics of the time from `start` to `end` from the ledgers at both. `own` counts
    /// the frames that the program itself lost, and `delivered` those in its output.
    #[must_use]
    pub fn between(
        start: (Timestamp, &Ledger),
        end: (Timestamp, &Ledger),
        own: &Ledger,
        delivered: u64,
    ) -> Self {
        let mut ledger = end.1.since(start.1);
        ledger += own;
        Self {
            start: Some(start.0),
            end: Some(end.0),
            ..Self::of(&ledger, delivered, end.0)
        }
    }
}
