//! Tags: the data that hpcap writes into padding bodies, which every reader of the format skips.
//!
//! A tag begins with a magic number and its type. Its fields are those of `kmod/include/uapi/hpcap.h`; times are
//! nanoseconds since 1970, lengths are bytes. A reader ignores a tag that it does not know.
//!
//! ```
//! use hpcap_raw::tag::{Gap, Tag};
//! use hpcap_base::{Count, Reason, Timestamp};
//!
//! let mut gap = Gap { until: Timestamp::new(1_700_000_001, 0), ..Gap::default() };
//! gap.lost[Reason::RingFull] = Count::new(3, 180);
//!
//! let body = Tag::Gap(Box::new(gap)).to_body();
//! assert_eq!(Tag::parse(&body), Some(Tag::Gap(Box::new(gap))));
//! assert_eq!(Tag::parse(&[0; 200]), None, "plain padding");
//! ```

use std::mem::size_of;

use crate::identity::RecordingId;
use crate::writer::storable_time;
use hpcap_base::ledger::Ledger;
use hpcap_base::name::QueueName;
use hpcap_base::time::Timestamp;
use hpcap_sys::abi;

/// The header of a file (`struct hpcap_file_header`): where, how and by which program it was
/// captured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileHeader {
    /// Offset of this record in the stream of its queue.
    pub stream_off: u64,
    /// Wall-clock time at which the file was started.
    pub start: Timestamp,
    /// LINKTYPE_ value; 1 = Ethernet.
    pub link_type: u32,
    /// Bytes captured of each frame at most; 0 = whole frames.
    pub caplen: u32,
    /// The queue; `None` when the file was not written from a queue.
    pub queue: Option<QueueName>,
    /// Process id of the producer.
    pub producer_pid: u32,
    /// Whether the source knows which frames this machine sent: a frame without the mark was received.
    pub knows_directions: bool,
    /// Largest size of a file of this queue, in bytes.
    pub file_bytes_max: u64,
    /// The queue's block size in bytes.
    pub block_bytes: u64,
    /// The ledger of the queue at the start of this file.
    pub ledger: Ledger,
    /// The network interface or the file that the frames came from.
    pub interface: String,
    /// Name of the machine.
    pub host: String,
    /// The clock that stamped the frames: `kernel`, `engine`, `file`, `nic`.
    pub clock_source: String,
    /// Name and version of the producer.
    pub software: String,
    /// The filter that was set; empty = none.
    pub filter: String,
    /// The recording that the file belongs to; `None` in files that have no identity.
    pub recording: Option<RecordingId>,
    /// Number of the file in its recording, from 0.
    pub file_number: u64,
}

/// Frames are missing between the record before and the one after (`struct hpcap_gap`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gap {
    /// Time of the last record before the gap; `None` when there was no record.
    pub from: Option<Timestamp>,
    /// Time of the first record after the gap.
    pub until: Timestamp,
    /// No record followed the gap yet; `until` is the time at which the gap was written.
    pub open: bool,
    /// The losses, by reason.
    pub lost: Ledger,
}

/// The queue's ledger at the end of a file (`struct hpcap_ledger_tag`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LedgerTag {
    /// Time at which the file was ended.
    pub end: Timestamp,
    /// The ledger of the queue since the queue started.
    pub ledger: Ledger,
    /// Frames longer than 65,535 bytes, whose stored data is cut.
    pub frames_cut: u64,
    /// Frames stored with an adjusted time, because a record cannot hold the original one.
    pub times_adjusted: u64,
}

/// The original time and length of the next frame, which its record cannot hold
/// (`struct hpcap_altered`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Altered {
    /// Seconds since 1970.
    pub sec: u64,
    /// Nanoseconds past the second.
    pub nsec: u32,
    /// Length of the frame on the wire in bytes, without FCS.
    pub len: u32,
}

impl Altered {
    /// Whether the frame was too long for a record, whose length is then 65,535.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.len as usize > abi::HPCAP_CAPLEN_MAX
    }

    /// Whether a record cannot hold the frame's time and has an adjusted one.
    #[must_use]
    pub fn time_is_adjusted(&self) -> bool {
        storable_time(self.sec, self.nsec).1
    }
}

/// A tag of any type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tag {
    /// The header of a file.
    FileHeader(Box<FileHeader>),
    /// Frames are missing.
    Gap(Box<Gap>),
    /// The ledger at the end of a file.
    Ledger(Box<LedgerTag>),
    /// The next record is a copy of an earlier frame.
    Duplicate,
    /// The next frame is not stored as it was received.
    Altered(Altered),
    /// The machine that captured the next frame sent it.
    Sent,
}

fn tag(kind: u16, bytes: usize) -> abi::hpcap_tag {
    abi::hpcap_tag {
        magic: abi::HPCAP_TAG_MAGIC,
        r#type: kind,
        version: abi::HPCAP_TAG_VERSION,
        bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
    }
}

/// Extends `body` with zeros to `N` bytes; `None` when it has fewer than `least`. Tags have grown
/// over time, and in older files the newer fields are missing.
fn padded<const N: usize>(body: &[u8], least: usize) -> Option<[u8; N]> {
    let body = &body[..body.len().min(N)];
    let mut whole = [0; N];
    whole[..body.len()].copy_from_slice(body);
    (body.len() >= least).then_some(whole)
}

/// Bytes of a gap before the field `flags` was added.
const GAP_BYTES_LEAST: usize = std::mem::offset_of!(abi::hpcap_gap, flags);
/// Bytes of a ledger before the field `frames_cut` was added.
const LEDGER_BYTES_LEAST: usize = std::mem::offset_of!(abi::hpcap_ledger_tag, frames_cut);

fn ledger_counts(ledger: &Ledger) -> [abi::hpcap_count; abi::HPCAP_LEDGER_REASONS] {
    std::array::from_fn(|i| ledger.counts()[i])
}

/// Decodes the file header in `body`. Fields that files of ABI version 1 do not have are zero.
fn file_header(body: &[u8]) -> Option<abi::hpcap_file_header> {
    if body.len() < abi::HPCAP_FILE_HEADER_BYTES_MIN {
        return None;
    }
    let mut bytes = [0; size_of::<abi::hpcap_file_header>()];
    let there = body.len().min(bytes.len());
    bytes[..there].copy_from_slice(&body[..there]);
    abi::hpcap_file_header::from_bytes(&bytes)
}

impl Tag {
    /// Parses the tag in a padding body; `None` when the body has no tag, or one of another
    /// version.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        let head = abi::hpcap_tag::from_bytes(body)?;
        if head.magic != abi::HPCAP_TAG_MAGIC || head.version != abi::HPCAP_TAG_VERSION {
            return None;
        }
        let body = body.get(..usize::try_from(head.bytes).ok()?)?;
        match head.r#type {
            abi::HPCAP_TAG_FILE_HEADER => {
                let t = file_header(body)?;
                Some(Self::FileHeader(Box::new(FileHeader {
                    stream_off: t.stream_off,
                    start: Timestamp::from_ns(t.start_ns),
                    link_type: t.link_type,
                    caplen: t.caplen,
                    queue: (t.adapter != u32::MAX).then(|| QueueName::new(t.adapter, t.queue)),
                    producer_pid: t.producer_pid,
                    knows_directions: t.flags & abi::HPCAP_FILE_DIRECTIONS != 0,
                    file_bytes_max: t.file_bytes_max,
                    block_bytes: t.block_bytes,
                    ledger: Ledger::from_counts(&t.ledger),
                    interface: abi::text(&t.interface),
                    host: abi::text(&t.host),
                    clock_source: abi::text(&t.clock_source),
                    software: abi::text(&t.software),
                    filter: abi::text(&t.filter),
                    recording: RecordingId::from_bytes(t.recording_id),
                    file_number: t.file_number,
                })))
            }
            abi::HPCAP_TAG_GAP => {
                let body: [u8; size_of::<abi::hpcap_gap>()] = padded(body, GAP_BYTES_LEAST)?;
                let t = abi::hpcap_gap::from_bytes(&body)?;
                Some(Self::Gap(Box::new(Gap {
                    from: (t.from_ns != 0).then_some(Timestamp::from_ns(t.from_ns)),
                    until: Timestamp::from_ns(t.until_ns),
                    open: t.flags & abi::HPCAP_GAP_OPEN != 0,
                    lost: Ledger::from_counts(&t.lost),
                })))
            }
            abi::HPCAP_TAG_LEDGER => {
                let body: [u8; size_of::<abi::hpcap_ledger_tag>()] =
                    padded(body, LEDGER_BYTES_LEAST)?;
                let t = abi::hpcap_ledger_tag::from_bytes(&body)?;
                Some(Self::Ledger(Box::new(LedgerTag {
                    end: Timestamp::from_ns(t.end_ns),
                    ledger: Ledger::from_counts(&t.ledger),
                    frames_cut: t.frames_cut,
                    times_adjusted: t.times_adjusted,
                })))
            }
            abi::HPCAP_TAG_DUPLICATE => Some(Self::Duplicate),
            abi::HPCAP_TAG_SENT => Some(Self::Sent),
            abi::HPCAP_TAG_ALTERED => {
                let t = abi::hpcap_altered::from_bytes(body)?;
                Some(Self::Altered(Altered {
                    sec: t.sec,
                    nsec: t.nsec,
                    len: t.len,
                }))
            }
            _ => None,
        }
    }

    /// Encodes the tag as a padding body.
    #[must_use]
    pub fn to_body(&self) -> Vec<u8> {
        match self {
            Self::FileHeader(h) => {
                let queue = h.queue.unwrap_or(QueueName::new(u32::MAX, u32::MAX));
                abi::hpcap_file_header {
                    tag: tag(
                        abi::HPCAP_TAG_FILE_HEADER,
                        size_of::<abi::hpcap_file_header>(),
                    ),
                    stream_off: h.stream_off,
                    start_ns: h.start.as_ns(),
                    link_type: h.link_type,
                    caplen: h.caplen,
                    adapter: queue.adapter,
                    queue: queue.queue,
                    producer_pid: h.producer_pid,
                    flags: if h.knows_directions {
                        abi::HPCAP_FILE_DIRECTIONS
                    } else {
                        0
                    },
                    file_bytes_max: h.file_bytes_max,
                    block_bytes: h.block_bytes,
                    ledger: ledger_counts(&h.ledger),
                    interface: abi::field(&h.interface),
                    host: abi::field(&h.host),
                    clock_source: abi::field(&h.clock_source),
                    software: abi::field(&h.software),
                    filter: abi::marked_field(&h.filter),
                    recording_id: h.recording.map_or([0; _], |id| *id.as_bytes()),
                    file_number: h.file_number,
                }
                .as_bytes()
                .to_vec()
            }
            Self::Gap(g) => abi::hpcap_gap {
                tag: tag(abi::HPCAP_TAG_GAP, size_of::<abi::hpcap_gap>()),
                from_ns: g.from.map_or(0, Timestamp::as_ns),
                until_ns: g.until.as_ns(),
                lost: *g.lost.counts(),
                flags: if g.open { abi::HPCAP_GAP_OPEN } else { 0 },
            }
            .as_bytes()
            .to_vec(),
            Self::Duplicate => tag(abi::HPCAP_TAG_DUPLICATE, size_of::<abi::hpcap_tag>())
                .as_bytes()
                .to_vec(),
            Self::Sent => tag(abi::HPCAP_TAG_SENT, size_of::<abi::hpcap_tag>())
                .as_bytes()
                .to_vec(),
            Self::Ledger(l) => abi::hpcap_ledger_tag {
                tag: tag(abi::HPCAP_TAG_LEDGER, size_of::<abi::hpcap_ledger_tag>()),
                end_ns: l.end.as_ns(),
                ledger: ledger_counts(&l.ledger),
                frames_cut: l.frames_cut,
                times_adjusted: l.times_adjusted,
            }
            .as_bytes()
            .to_vec(),
            Self::Altered(a) => abi::hpcap_altered {
                tag: tag(abi::HPCAP_TAG_ALTERED, size_of::<abi::hpcap_altered>()),
                sec: a.sec,
                nsec: a.nsec,
                len: a.len,
            }
            .as_bytes()
            .to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> FileHeader {
        FileHeader {
            stream_off: 1 << 40,
            interface: "eth0".into(),
            filter: "port 53".into(),
            knows_directions: true,
            recording: RecordingId::from_bytes([7; 16]),
            file_number: 3,
            ..FileHeader::default()
        }
    }

    #[test]
    fn header_reads_back_as_it_was_written() {
        let tag = Tag::FileHeader(Box::new(header()));
        assert_eq!(Tag::parse(&tag.to_body()), Some(tag));
    }

    #[test]
    fn header_of_version_1_is_read() {
        let mut body = Tag::FileHeader(Box::new(header())).to_body();
        let bytes = abi::HPCAP_FILE_HEADER_BYTES_MIN;
        body[12..16].copy_from_slice(&u32::try_from(bytes).unwrap().to_le_bytes());
        let expected = FileHeader {
            recording: None,
            file_number: 0,
            ..header()
        };
        let expected = Some(Tag::FileHeader(Box::new(expected)));
        // Zeros or any other bytes may follow the header in the body.
        assert_eq!(Tag::parse(&body), expected);
        assert_eq!(Tag::parse(&body[..bytes]), expected);
        assert_eq!(Tag::parse(&body[..bytes - 1]), None);
    }
}
