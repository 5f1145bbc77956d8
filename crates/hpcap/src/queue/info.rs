//! The values that a queue page has for its queue.

use crate::abi;
use crate::ledger::Ledger;
use crate::name::QueueName;
use crate::raw::{FileHeader, Origin, RecordingId};
use crate::time::Timestamp;

/// Properties of a queue that do not change while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueInfo {
    /// Name of the queue.
    pub name: QueueName,
    /// Size of the ring in bytes.
    pub ring_bytes: u64,
    /// Size of the memory pages under the ring in bytes: 4 KiB, 2 MiB or 1 GiB.
    pub page_bytes: u64,
    /// Size of a block in bytes.
    pub block_bytes: u64,
    /// Largest size of a file in bytes; a multiple of `block_bytes`.
    pub file_bytes_max: u64,
    /// Whether the stream has no tags (plain mode), for readers made for the original.
    pub plain: bool,
    /// Whether the queue also captures while no listener is attached.
    pub look_back: bool,
    /// Whether the source knows which frames this machine sent: a frame without the mark was received.
    pub knows_directions: bool,
    /// LINKTYPE_ value; 1 = Ethernet.
    pub link_type: u32,
    /// Process id of the producer; 0 = the kernel module.
    pub producer_pid: u32,
    /// Stream offset of the first byte of the stream.
    pub start_off: u64,
    /// Time at which the queue started.
    pub start: Timestamp,
    /// The network interface or file that the frames come from.
    pub interface: String,
    /// Name of the machine.
    pub host: String,
    /// The clock that stamps the frames: `kernel`, `engine`, `file`, `nic`.
    pub clock_source: String,
    /// Name and version of the producer.
    pub software: String,
    /// Specification of the source, as the user gave it.
    pub source: String,
    /// The filter; empty = none.
    pub filter: String,
    /// Id of the stream; each start of the queue draws a new one.
    pub recording: Option<RecordingId>,
}

impl QueueInfo {
    /// The origin of the frames: host, interface and queue.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin {
            host: self.host.clone(),
            interface: self.interface.clone(),
            queue: Some(self.name),
        }
    }

    /// Describes the frames of this queue as the header of a file does. `caplen` and `filter` are those
    /// of the program that writes the file; 0 keeps whole frames, and an empty filter all frames. The
    /// header combines the filter with the queue's own.
    #[must_use]
    pub fn file_header(&self, caplen: u32, filter: &str) -> FileHeader {
        let filter = match (self.filter.as_str(), filter) {
            (queue, "") => queue.to_owned(),
            ("", own) => own.to_owned(),
            (queue, own) => format!("({queue}) and ({own})"),
        };
        FileHeader {
            start: Timestamp::now(),
            link_type: self.link_type,
            caplen,
            queue: Some(self.name),
            producer_pid: self.producer_pid,
            knows_directions: self.knows_directions,
            file_bytes_max: self.file_bytes_max,
            block_bytes: self.block_bytes,
            interface: self.interface.clone(),
            host: self.host.clone(),
            clock_source: self.clock_source.clone(),
            software: self.software.clone(),
            filter,
            ..FileHeader::default()
        }
    }
}

/// The ledger at one moment; all numbers belong to that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LedgerSnapshot {
    /// The counts.
    pub ledger: Ledger,
    /// Stream offset up to which frames are captured.
    pub published: u64,
    /// Frames longer than 65,535 bytes, whose stored data is cut.
    pub frames_cut: u64,
    /// Frames whose time was zero or outside 32-bit seconds, stored with an adjusted time.
    pub times_adjusted: u64,
    /// Gap records in the stream.
    pub gaps: u64,
    /// Captured frames that are marked as copies of earlier frames.
    pub duplicates_marked: u64,
    /// The longest time in nanoseconds between two looks of the poll thread for frames. Frames that
    /// arrived in that time had to wait in the NIC.
    pub longest_pause_ns: u64,
}

/// Why a queue publishes nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueEnd {
    /// A finite source came to its end.
    Ended,
    /// The source or the producer failed.
    Failed,
    /// The producer was stopped before the source came to its end.
    Stopped,
}

impl QueueEnd {
    pub(super) fn from_abi(state: u32) -> Option<Self> {
        match state {
            abi::HPCAP_QUEUE_ENDED => Some(Self::Ended),
            abi::HPCAP_QUEUE_FAILED => Some(Self::Failed),
            abi::HPCAP_QUEUE_STOPPED => Some(Self::Stopped),
            _ => None,
        }
    }

    /// The value of `enum hpcap_queue_state`.
    #[must_use]
    pub fn to_abi(self) -> u32 {
        match self {
            Self::Ended => abi::HPCAP_QUEUE_ENDED,
            Self::Failed => abi::HPCAP_QUEUE_FAILED,
            Self::Stopped => abi::HPCAP_QUEUE_STOPPED,
        }
    }
}
