//! The findings of a check.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::tag::{FileHeader, Gap};
use hpcap_base::ledger::{Count, Ledger};
use hpcap_base::time::Timestamp;
use hpcap_base::units::Bytes;

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Allowed by the format, but worth knowing.
    Warning,
    /// The file violates the format.
    Defect,
}

/// A deviation from the format, or something unusual, in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Problem {
    /// Bytes that are not records.
    Unreadable,
    /// Zero bytes where records should be.
    Unwritten,
    /// The file ends within a record's header.
    CutHeader,
    /// The file ends within a record's body.
    CutRecord {
        /// Bytes of the body according to the header.
        caplen: u16,
        /// Bytes of the body in the file.
        there: u64,
    },
    /// The file ends within padding.
    CutPadding,
    /// Padding that claims more bytes than it has.
    PaddingTooLong {
        /// Number of excess bytes.
        by: u8,
    },
    /// Padding whose two lengths differ.
    PaddingLengths {
        /// The captured length, which readers use.
        caplen: u16,
        /// The length on the wire.
        len: u16,
    },
    /// A time with 10⁹ nanoseconds or more.
    Nanoseconds {
        /// The stored number of nanoseconds.
        nsec: u32,
    },
    /// A frame with more captured bytes than its length on the wire.
    CaplenBeyondLen {
        /// Captured bytes.
        caplen: u16,
        /// Bytes on the wire.
        len: u16,
    },
    /// The last record is not padding: the file was not closed.
    NotClosed,
    /// The index beside the file hides frames of a block from readers that search for a time.
    WrongIndex,
    /// A frame longer than 1518 bytes.
    LongFrame {
        /// Captured bytes of the frame.
        caplen: u16,
    },
    /// A frame shorter than 60 bytes.
    ShortFrame {
        /// Captured bytes of the frame.
        caplen: u16,
    },
    /// A frame with a time before the start second in the file's name.
    BeforeName {
        /// The start second in the name, in seconds since 1970.
        start_sec: u64,
    },
    /// Frames after padding. Readers that stop at padding miss these frames.
    AfterPadding,
    /// A frame with an earlier time than the frame before it.
    TimeBackwards {
        /// The difference in nanoseconds.
        by_ns: u64,
    },
}

impl Problem {
    /// The severity of this kind of problem.
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
            Self::WrongIndex => write!(
                f,
                "the index (.idx) hides frames of this block from raw2pcap --from and --to; delete it"
            ),
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

/// A problem and its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Offset of the problem from the start of the file, in bytes.
    pub offset: u64,
    /// Bytes that readers skip because of the problem; 0 = none.
    pub skipped: u64,
    /// The problem.
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

/// The number of problems of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Kinds {
    /// The first problem of this kind.
    #[serde(flatten)]
    pub first: Finding,
    /// How many problems of this kind the file has.
    pub count: u64,
}

/// A gap: missing frames and their position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Offset of the gap record from the start of the file, in bytes.
    pub offset: u64,
    /// Time of the last record before the gap; `None` when there was no record.
    #[serde(serialize_with = "optional_time")]
    pub from: Option<Timestamp>,
    /// Time of the first record after the gap; for an open gap, the time at which it was written.
    #[serde(serialize_with = "time")]
    pub until: Timestamp,
    /// The missing frames by reason.
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

/// Displays the counts that are not zero: `10 ring_full, 2 nic_missed`.
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

/// The content of a file's header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeaderFacts {
    /// The network interface or the file that the frames came from.
    pub interface: String,
    /// The queue, such as `hpcap0:1`; `None` when the file was not written from a queue.
    pub queue: Option<String>,
    /// Name of the machine.
    pub host: String,
    /// Wall-clock time at which the file was started.
    #[serde(serialize_with = "time")]
    pub start: Timestamp,
    /// The clock that stamped the frames.
    pub clock_source: String,
    /// Name and version of the producer.
    pub software: String,
    /// The filter that was set; empty = none.
    pub filter: String,
    /// LINKTYPE_ value.
    pub link_type: u32,
    /// Bytes captured of each frame at most; 0 = whole frames.
    pub caplen: u32,
    /// Offset of the file in the stream, in bytes.
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

fn optional_time<S: Serializer>(time: &Option<Timestamp>, s: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => s.collect_str(time),
        None => s.serialize_none(),
    }
}

/// The report on one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Report {
    /// Size of the file in bytes.
    pub file_bytes: u64,
    /// Number of frames, and their bytes on the wire.
    pub frames: Count,
    /// Captured bytes of the frames.
    pub captured_bytes: u64,
    /// Time of the earliest frame.
    #[serde(serialize_with = "optional_time")]
    pub first: Option<Timestamp>,
    /// Time of the latest frame.
    #[serde(serialize_with = "optional_time")]
    pub last: Option<Timestamp>,
    /// The file header; `None` in files of the original.
    pub header: Option<HeaderFacts>,
    /// Whether the file has the older variant of records, with one length.
    pub old_variant: bool,
    /// Whether a recorder is writing the file.
    pub under_way: bool,
    /// Bytes of padding, record headers included.
    pub padding_bytes: u64,
    /// Frames that are marked as copies of earlier frames.
    pub duplicates: u64,
    /// Frames that the machine that captured them sent itself, as far as the source told it.
    pub frames_sent: u64,
    /// Frames longer than 65,535 bytes, whose stored data is cut.
    pub frames_cut: u64,
    /// Frames stored with an adjusted time, because a record cannot hold the original one.
    pub times_adjusted: u64,
    /// Number of defects.
    pub defects: u64,
    /// Number of warnings.
    pub warnings: u64,
    /// Bytes that readers skip because of defects.
    pub skipped_bytes: u64,
    /// Frames with an earlier time than the frame before them.
    pub times_backwards: u64,
    /// The largest step back of the time, in nanoseconds.
    pub worst_backwards_ns: u64,
    /// The first defects and the first warnings, in the order of the file; `Checker::findings_max`
    /// limits the number of each.
    pub findings: Vec<Finding>,
    /// The kinds of problems in the order of their first appearance, and how often each appears.
    pub kinds: Vec<Kinds>,
    /// Number of gap records.
    pub gaps: u64,
    /// The first gaps, as many as `Checker::findings_max` allows.
    pub missing: Vec<Missing>,
    /// The missing frames of all gaps by reason.
    pub lost: Ledger,
    /// What the queue counted during the file; `None` when the file has no header or no ledger at
    /// its end.
    pub ledger: Option<Ledger>,
}

impl Report {
    /// Whether the file has no defect. Gaps are no defects: the file states where frames are
    /// missing.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.defects == 0
    }
}
