//! The events that a stream returns: frames, and reports of missing frames.

use crate::ledger::{Count, Ledger, Reason};
use crate::raw::{Damage, FileHeader, LedgerTag, Record};
use crate::time::Timestamp;

/// An event in a stream. Each source has the same events, as far as it knows about them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A frame.
    Frame(Frame<'a>),
    /// Frames are missing between the last frame and the next one.
    Missed(Missed),
    /// A file of the RAW stream starts here.
    FileStart(Box<FileHeader>),
    /// A file of the RAW stream ends here, with this ledger.
    FileEnd(Box<LedgerTag>),
    /// A part of a RAW file holds no records. Reading continues after it.
    Damaged(Box<Damage>),
    /// No event came for the time set with [`Builder::report_idle`](super::Builder::report_idle).
    Idle,
}

/// A frame of a queue, a recording or a capture file. Its bytes are where the source has them: in the
/// ring or in the buffer of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame<'a> {
    /// Time at which the frame was captured; 1970-01-01 if a capture file has no time for it.
    pub time: Timestamp,
    /// Length of the frame on the wire in bytes, without FCS.
    pub len: u32,
    /// The captured bytes of the frame; at most `len` of them.
    pub data: &'a [u8],
    /// LINKTYPE_ value of the frame; 1 = Ethernet.
    pub link_type: u32,
    /// Whether the frame is marked as a copy of an earlier one.
    pub is_duplicate: bool,
    /// Whether the machine that captured the frame sent it. `false` if it received the frame, and if the source does
    /// not know.
    pub is_sent: bool,
}

impl<'a> Frame<'a> {
    /// Returns the frame of `record`, without the marks of the records before it.
    #[inline]
    pub(super) fn of(record: &Record<'a>, link_type: u32) -> Self {
        Self {
            time: record.time,
            len: record.len.into(),
            data: record.data,
            link_type,
            is_duplicate: false,
            is_sent: false,
        }
    }

    /// Returns this frame with `data` as its captured bytes: a program keeps `frame.with_data(&[])` and a copy of the
    /// bytes, and has the same frame again later.
    #[inline]
    #[must_use]
    pub const fn with_data<'b>(&self, data: &'b [u8]) -> Frame<'b> {
        Frame {
            time: self.time,
            len: self.len,
            data,
            link_type: self.link_type,
            is_duplicate: self.is_duplicate,
            is_sent: self.is_sent,
        }
    }
}

// A larger event would be copied for every frame.
const _: () = assert!(size_of::<Event<'_>>() <= 48);

/// Missing frames at one position of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// Boxed, so that an event is small: every frame is returned as one.
    lost: Box<Ledger>,
}

impl Missed {
    pub(super) fn new(lost: Ledger) -> Self {
        Self {
            lost: Box::new(lost),
        }
    }

    /// Number of missing frames, for all reasons.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.total().frames
    }

    /// Bytes of the missing frames on the wire; frames of unknown length count as 0.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.total().bytes
    }

    /// The reason for which most of the frames are missing. [`Reason::Overrun`] means that this
    /// stream was too slow; every other reason holds for all listeners of the queue.
    #[must_use]
    pub fn reason(&self) -> Reason {
        Reason::ALL
            .into_iter()
            .filter(|reason| reason.is_loss())
            .max_by_key(|reason| self.lost[*reason].frames)
            .unwrap_or(Reason::Overrun)
    }

    /// Frames and bytes missing, for each reason.
    #[must_use]
    pub fn by_reason(&self) -> &Ledger {
        &self.lost
    }

    fn total(&self) -> Count {
        self.lost.lost()
    }
}
