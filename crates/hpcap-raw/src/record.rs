//! One record: a frame, or padding with or without a tag.

use crate::tag::{Altered, FileHeader, Gap, LedgerTag, Tag};
use hpcap_base::time::Timestamp;
use hpcap_sys::abi::{HPCAP_RECORD_BYTES, hpcap_record};

/// A frame with its RAW header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Time at which the frame was captured.
    pub time: Timestamp,
    /// Length of the frame on the wire in bytes, without FCS (65,535 when longer).
    pub len: u16,
    /// The captured bytes of the frame; their number is `caplen`.
    pub data: &'a [u8],
}

/// The content of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item<'a> {
    /// A frame.
    Frame(Record<'a>),
    /// Padding without a tag, and its body, whose bytes have no meaning.
    Padding(&'a [u8]),
    /// The header of a file.
    FileHeader(Box<FileHeader>),
    /// Frames are missing here.
    Gap(Box<Gap>),
    /// The ledger at the end of a file.
    Ledger(Box<LedgerTag>),
    /// The next record is a frame that is a copy of an earlier one.
    Duplicate,
    /// The next frame is not stored as it was received; this is what was changed.
    Altered(Altered),
}

/// Result of parsing the first record of a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// The slice holds the whole record.
    Whole {
        /// The content of the record.
        item: Item<'a>,
        /// Length of header and body in bytes.
        bytes: usize,
    },
    /// The slice is shorter than a header, or than the length in the header.
    Short {
        /// Bytes that the slice needs at least: those of a header, or those of header and body.
        needed: usize,
    },
}

/// Decodes the header at the start of `bytes`; `None` when there are fewer than 12 bytes.
#[must_use]
pub fn header(bytes: &[u8]) -> Option<hpcap_record> {
    hpcap_record::from_bytes(bytes)
}

/// Whether a header belongs to padding: its time is zero.
#[must_use]
pub fn is_padding(header: &hpcap_record) -> bool {
    header.sec == 0 && header.nsec == 0
}

/// Parses the first record of `bytes` without judging it: a time with more than 10⁹ nanoseconds, or
/// a `caplen` larger than `len`, is reported by the checker.
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed<'_> {
    let Some(header) = header(bytes) else {
        return Parsed::Short {
            needed: HPCAP_RECORD_BYTES,
        };
    };
    let end = HPCAP_RECORD_BYTES + usize::from(header.caplen);
    let Some(body) = bytes.get(HPCAP_RECORD_BYTES..end) else {
        return Parsed::Short { needed: end };
    };
    let item = if is_padding(&header) {
        match Tag::parse(body) {
            Some(Tag::FileHeader(tag)) => Item::FileHeader(tag),
            Some(Tag::Gap(tag)) => Item::Gap(tag),
            Some(Tag::Ledger(tag)) => Item::Ledger(tag),
            Some(Tag::Duplicate) => Item::Duplicate,
            Some(Tag::Altered(altered)) => Item::Altered(altered),
            None => Item::Padding(body),
        }
    } else {
        Item::Frame(Record {
            time: Timestamp::new(header.sec, header.nsec),
            len: header.len,
            data: body,
        })
    };
    Parsed::Whole { item, bytes: end }
}
