//! The events of a RAW stream: frames, padding with and without a tag, and damage.

use crate::scan::Damage;
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

/// The content of a RAW stream at one position. [`Reader`](crate::Reader) returns events of a file, and a listener of
/// `hpcap` those of a ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// A frame.
    Frame(Record<'a>),
    /// Padding without a tag, and its body, whose bytes have no meaning. A reader of a file returns
    /// consecutive padding records of zeros as one, without a body.
    Padding(&'a [u8]),
    /// A file starts here.
    FileStart(Box<FileHeader>),
    /// Frames are missing here.
    Missed(Box<Gap>),
    /// A file ends here, with this ledger. Only padding follows in the file.
    FileEnd(Box<LedgerTag>),
    /// The next record is a frame that is a copy of an earlier one.
    Duplicate,
    /// The next frame is not stored as it was received; this is what was changed.
    Altered(Altered),
    /// The machine that captured the next frame sent it. An [`Event::Altered`] and an [`Event::Duplicate`] may come
    /// between this event and the frame.
    Sent,
    /// A range of a file that holds no records. Reading continues after it.
    Damaged(Damage),
}

/// Decodes the header at the start of `bytes`; `None` when there are fewer than 12 bytes.
#[inline]
pub(crate) fn header(bytes: &[u8]) -> Option<hpcap_record> {
    hpcap_record::from_bytes(bytes)
}

/// Returns the first record of `bytes`, and the bytes after it; `None` when `bytes` does not hold a
/// whole record.
///
/// The record is not judged: a time with more than 10⁹ nanoseconds, or a `caplen` larger than `len`,
/// is reported by the checker.
#[must_use]
pub fn split_record(bytes: &[u8]) -> Option<(Event<'_>, &[u8])> {
    let header = header(bytes)?;
    let end = HPCAP_RECORD_BYTES + usize::from(header.caplen);
    let body = bytes.get(HPCAP_RECORD_BYTES..end)?;
    let event = if header.is_padding() {
        match Tag::parse(body) {
            Some(Tag::FileHeader(tag)) => Event::FileStart(tag),
            Some(Tag::Gap(tag)) => Event::Missed(tag),
            Some(Tag::Ledger(tag)) => Event::FileEnd(tag),
            Some(Tag::Duplicate) => Event::Duplicate,
            Some(Tag::Altered(altered)) => Event::Altered(altered),
            Some(Tag::Sent) => Event::Sent,
            None => Event::Padding(body),
        }
    } else {
        Event::Frame(Record {
            time: Timestamp::new(header.sec, header.nsec),
            len: header.len,
            data: body,
        })
    };
    Some((event, &bytes[end..]))
}
