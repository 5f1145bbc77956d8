//! What a check found.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::ledger::{Count, Ledger};
use crate::raw::tag::{FileHeader, Gap};
use crate::time::Timestamp;
use crate::units::Bytes;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Allowed by the format, but worth knowing.
    Warning,
    /// The file is not as the format says.
    Defect,
}

/// What can be wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Problem {
    /// Bytes that are no records.
    Unreadable,
    /// Zero bytes where records should be.
    Unwritten,
    /// The file ends within a record's header.
    CutHeader,
    /// The file ends within a record's body.
    CutRecord {
        /// Bytes of the body that are promised.
        caplen: u16,
        /// Bytes of the body that are there.
        there: u64,
    },
    /// The file ends within padding.
    CutPadding,
    /// Padding that claims some bytes too many.
    PaddingTooLong {
        /// How many.
        by: u8,
    },
    /// Padding whose two lengths differ.
    PaddingLengths {
        /// The first, which counts.
        caplen: u16,
        /// The second.
        len: u16,
    },
    /// A time with 10⁹ nanoseconds or more.
    Nanoseconds {
        /// What stands there.
        nsec: u32,
    },
    /// More bytes captured of a frame than it has.
    CaplenBeyondLen {
        /// Captured.
        caplen: u16,
        /// On the wire.
        len: u16,
    },
    /// The last record is not padding: the file was not closed.
    NotClosed,
    /// A frame longer than 1518 bytes.
    LongFrame {
        /// Bytes captured of it.
        caplen: u16,
    },
    /// A frame shorter than 60 bytes.
    ShortFrame {
        /// Bytes captured of it.
        caplen: u16,
    },
    /// A frame from before the second in the file's name.
    BeforeName {
        /// Seconds since 1970 in the name.
        start_sec: u64,
    },
    /// Frames after padding: readers that stop there miss them.
    AfterPadding,
    /// A frame with an earlier time than the one before.
    TimeBackwards {
        /// By how much, nanoseconds.
        by_ns: u64,
    },
}

impl Problem {
    /// How bad it is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::LongFrame { .. }
            | Self::ShortFrame { .. }
            | Self::BeforeName { .. }
            | Self::AfterPadding
            | Self::TimeBackwards { .. } => Severity::Warning,
            _ => Severity::Defect,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => write!(f, "no records, skipped"),
            Self::Unwritten => write!(f, "never written, only zeros"),
            Self::CutHeader => write!(f, "the file ends within a record's header"),
            Self::CutRecord { caplen, there } => {
                write!(
                    f,
                    "the file ends within a record, after {there} of its {caplen} bytes"
                )
            }
            Self::CutPadding => write!(f, "the file ends within padding"),
            Self::PaddingTooLong { by } => write!(f, "the padding claims {by} bytes too many"),
            Self::PaddingLengths { caplen, len } => {
                write!(f, "the padding has two lengths, {caplen} and {len}")
            }
            Self::Nanoseconds { nsec } => write!(f, "a time with {nsec} nanoseconds"),
            Self::CaplenBeyondLen { caplen, len } => {
                write!(f, "{caplen} bytes captured of a frame of {len}")
            }
            Self::NotClosed => write!(f, "the file has no closing padding"),
            Self::LongFrame { caplen } => write!(f, "a long frame: {caplen} bytes"),
            Self::ShortFrame { caplen } => write!(f, "a short frame: {caplen} bytes"),
            Self::BeforeName { start_sec } => {
                write!(f, "a frame from before the file's name, {start_sec}")
            }
            Self::AfterPadding => write!(f, "frames after padding"),
            Self::TimeBackwards { by_ns } => write!(f, "time goes back by {by_ns} ns"),
        }
    }
}

/// A problem and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Bytes from the start of the file.
    pub offset: u64,
    /// Bytes that a reader skips because of it; 0 = none.
    pub skipped: u64,
    /// What it is.
    #[serde(flatten)]
    pub problem: Problem,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.offset, self.problem)?;
        if self.skipped > 0 {
            write!(f, " ({})", Bytes(self.skipped))?;
        }
        Ok(())
    }
}

/// The problems of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Kinds {
    /// The first of them.
    #[serde(flatten)]
    pub first: Finding,
    /// How many.
    pub count: u64,
}

/// Frames that are missing, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Bytes from the start of the file to the gap record.
    pub offset: u64,
    /// Time of the last frame before.
    #[serde(serialize_with = "optional_time")]
    pub from: Option<Timestamp>,
    /// When the gap was written.
    #[serde(serialize_with = "time")]
    pub until: Timestamp,
    /// How many, and why.
    pub lost: Ledger,
}

impl Missing {
    pub(super) fn new(offset: u64, gap: &Gap) -> Self {
        Self {
            offset,
            from: gap.from,
            until: gap.until,
            lost: gap.lost,
        }
    }
}

/// Counts by reason, those that are not zero: `10 ring_full, 2 nic_missed`.
#[derive(Debug, Clone, Copy)]
pub struct Reasons<'a>(pub &'a Ledger);

impl fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (reason, count) in self.0.iter().filter(|(_, count)| count.frames != 0) {
            write!(f, "{separator}{} {reason}", count.frames)?;
            separator = ", ";
        }
        if separator.is_empty() {
            f.write_str("how many is not known")?;
        }
        Ok(())
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: ", self.offset)?;
        match self.from {
            Some(from) => write!(f, "{} to {}: ", from.local(), self.until.local())?,
            None => write!(f, "before {}: ", self.until.local())?,
        }
        Reasons(&self.lost).fmt(f)
    }
}

/// What a file's header says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeaderFacts {
    /// The network interface or the file that the frames came from.
    pub interface: String,
    /// The queue: `hpcap0:1`.
    pub queue: Option<String>,
    /// Name of the machine.
    pub host: String,
    /// When the file was started.
    #[serde(serialize_with = "time")]
    pub start: Timestamp,
    /// Who stamped the frames.
    pub clock_source: String,
    /// Name and version of the producer.
    pub software: String,
    /// The filter in force.
    pub filter: String,
    /// LINKTYPE_ value.
    pub link_type: u32,
    /// Capture length; 0 = whole frames.
    pub caplen: u32,
    /// Offset of the file in its queue's stream.
    pub stream_off: u64,
}

impl From<&FileHeader> for HeaderFacts {
    fn from(h: &FileHeader) -> Self {
        Self {
            interface: h.interface.clone(),
            queue: h.queue.map(|q| q.to_string()),
            host: h.host.clone(),
            start: h.start,
            clock_source: h.clock_source.clone(),
            software: h.software.clone(),
            filter: h.filter.clone(),
            link_type: h.link_type,
            caplen: h.caplen,
            stream_off: h.stream_off,
        }
    }
}

fn time<S: Serializer>(time: &Timestamp, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(time)
}

#[allow(clippy::ref_option, reason = "what serde calls it with")]
fn optional_time<S: Serializer>(time: &Option<Timestamp>, s: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => s.collect_str(time),
        None => s.serialize_none(),
    }
}

/// The report on one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Report {
    /// Size of the file.
    pub file_bytes: u64,
    /// Frames, and their bytes on the wire.
    pub frames: Count,
    /// Bytes of frames that were captured.
    pub captured_bytes: u64,
    /// Time of the earliest frame.
    #[serde(serialize_with = "optional_time")]
    pub first: Option<Timestamp>,
    /// Time of the latest frame.
    #[serde(serialize_with = "optional_time")]
    pub last: Option<Timestamp>,
    /// What the file's header says; `None` in files of the original.
    pub header: Option<HeaderFacts>,
    /// Whether it has the older variant of records, with one length.
    pub old_variant: bool,
    /// Whether a recorder is writing it.
    pub under_way: bool,
    /// Bytes of padding, headers included.
    pub padding_bytes: u64,
    /// Frames that are marked as copies of earlier ones.
    pub duplicates: u64,
    /// Frames longer than 65,535 bytes, stored cut.
    pub frames_cut: u64,
    /// Frames stored with another time than theirs.
    pub times_adjusted: u64,
    /// Number of defects.
    pub defects: u64,
    /// Number of warnings.
    pub warnings: u64,
    /// Bytes that a reader skips because of defects.
    pub skipped_bytes: u64,
    /// Frames with an earlier time than the one before.
    pub times_backwards: u64,
    /// The worst of them, nanoseconds.
    pub worst_backwards_ns: u64,
    /// The first defects and the first warnings, as many of each as were asked for, in the
    /// file's order.
    pub findings: Vec<Finding>,
    /// The first problem of each kind, and how many there are, in the file's order.
    pub kinds: Vec<Kinds>,
    /// Number of gap records.
    pub gaps: u64,
    /// The first of them, as many as were asked for.
    pub missing: Vec<Missing>,
    /// What is missing in all of them.
    pub lost: Ledger,
    /// What the queue counted during the file, where it has a header and an end.
    pub ledger: Option<Ledger>,
}

impl Report {
    /// Whether there is no defect. Missing frames are none: the file says where they are.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.defects == 0
    }
}
