//! One record: a frame, or padding with or without a tag in it.

use crate::abi::{HPCAP_RECORD_BYTES, hpcap_record};
use crate::raw::tag::{Altered, FileHeader, Gap, LedgerTag, Tag};
use crate::time::Timestamp;

/// A frame with its RAW header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// When it was captured.
    pub time: Timestamp,
    /// Length of the frame on the wire in bytes, without FCS (65,535 when longer).
    pub len: u16,
    /// What was kept of it: `caplen` bytes.
    pub data: &'a [u8],
}

/// What a record turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item<'a> {
    /// A frame.
    Frame(Record<'a>),
    /// Padding without meaning; its body, which nobody should read.
    Padding(&'a [u8]),
    /// The head of a file.
    FileHeader(Box<FileHeader>),
    /// Frames are missing here.
    Gap(Box<Gap>),
    /// The ledger at the end of a file.
    Ledger(Box<LedgerTag>),
    /// The next record is a frame that is a copy of an earlier one.
    Duplicate,
    /// The next frame is not stored as it was received: this is what it had.
    Altered(Altered),
}

/// The first record of some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// It is whole, and takes `bytes` bytes, header included.
    Whole {
        /// What it is.
        item: Item<'a>,
        /// Header and body.
        bytes: usize,
    },
    /// There are fewer bytes than a header, or than the header says: `needed` in all.
    Short {
        /// Bytes from the start of the record to its end, as far as is known.
        needed: usize,
    },
}

/// Reads the header at the start of `bytes`; `None` where there are fewer than 12.
#[must_use]
pub fn header(bytes: &[u8]) -> Option<hpcap_record> {
    hpcap_record::from_bytes(bytes)
}

/// Whether a header is padding: its time is zero.
#[must_use]
pub fn is_padding(header: &hpcap_record) -> bool {
    header.sec == 0 && header.nsec == 0
}

/// Takes the first record of `bytes` apart. Judges nothing: a time with more than 10⁹
/// nanoseconds, or a `caplen` larger than `len`, is for the checker to say.
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
