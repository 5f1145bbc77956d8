//! The identity of a file: the recording it belongs to, and its place in that recording.
//!
//! File names are for people, process ids are reused, and clocks are set. Code that must know
//! whether two files belong together, which of them is older, or whether retention may delete one
//! of them therefore compares the identities in the files' headers.
//!
//! ```
//! use hpcap_raw::{FileHeader, Identity, RecordingId};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let recording = Some(RecordingId::random()?);
//! let header = |file_number| FileHeader { recording, file_number, ..FileHeader::default() };
//! let (first, second) = (Identity::of(&header(0)), Identity::of(&header(1)));
//! assert!(first.is_of_the_recording_of(&second));
//! assert!(first.order_in_recording(&second).is_lt());
//!
//! let other = FileHeader { recording: Some(RecordingId::random()?), ..header(1) };
//! assert!(!first.is_of_the_recording_of(&Identity::of(&other)));
//! # Ok(())
//! # }
//! ```

use std::cmp::Ordering;
use std::fmt;
use std::io::Read;
use std::str::FromStr;

use crate::{Event, FileHeader, Reader};
use hpcap_base::error::{Error, Result};
use hpcap_base::name::QueueName;
use hpcap_base::time::Timestamp;
use hpcap_sys::abi::HPCAP_RECORDING_ID_BYTES;

/// The random name of a recording: 128 bits that no other recording has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordingId([u8; HPCAP_RECORDING_ID_BYTES]);

impl RecordingId {
    /// Draws a new random id.
    ///
    /// # Errors
    /// Fails when the operating system has no random numbers.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; HPCAP_RECORDING_ID_BYTES];
        getrandom::fill(&mut bytes)
            .map_err(|e| Error::io("draw a random identity for the recording", e.into()))?;
        // An id of zero bytes means "no recording", so a drawn zero becomes 1.
        bytes[0] |= u8::from(bytes == [0; HPCAP_RECORDING_ID_BYTES]);
        Ok(Self(bytes))
    }

    /// The id in a header's field; `None` when the field is zero.
    #[must_use]
    pub fn from_bytes(bytes: [u8; HPCAP_RECORDING_ID_BYTES]) -> Option<Self> {
        (bytes != [0; HPCAP_RECORDING_ID_BYTES]).then_some(Self(bytes))
    }

    /// The bytes of the id, as a header stores them.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; HPCAP_RECORDING_ID_BYTES] {
        &self.0
    }
}

impl fmt::Display for RecordingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RecordingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordingId({self})")
    }
}

impl FromStr for RecordingId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let mut bytes = [0; HPCAP_RECORDING_ID_BYTES];
            if text.len() != 2 * bytes.len() || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
                return None;
            }
            for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
                *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
            }
            Self::from_bytes(bytes)
        };
        parse().ok_or_else(|| {
            Error::usage(
                format!("recording id {text:?}"),
                "expected 32 hexadecimal digits that are not all zero",
            )
        })
    }
}

/// The source of recorded frames. Retention for one origin never deletes the files of another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Origin {
    /// Name of the machine.
    pub host: String,
    /// The network interface, or the file, that the frames came from.
    pub interface: String,
    /// The queue; `None` when the file was not written from a queue.
    pub queue: Option<QueueName>,
}

/// The recording a file belongs to, and the file's place in that recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The recorded host, interface and queue.
    pub origin: Origin,
    /// The recording; `None` in files written before recordings had an id.
    pub recording: Option<RecordingId>,
    /// Number of the file in its recording, from 0; 0 when `recording` is `None`.
    pub file_number: u64,
    /// Offset of the file in the stream of its recording, in bytes.
    pub stream_off: u64,
    /// Wall-clock time at which the file was started.
    pub start: Timestamp,
    /// Process id of the producer; it replaces the id in files without one.
    producer_pid: u32,
    /// Size of the queue's blocks in bytes; 0 = unknown.
    block_bytes: u64,
}

impl Identity {
    /// The identity in a RAW file's header.
    #[must_use]
    pub fn of(header: &FileHeader) -> Self {
        Self {
            origin: Origin {
                host: header.host.clone(),
                interface: header.interface.clone(),
                queue: header.queue,
            },
            recording: header.recording,
            file_number: header.file_number,
            stream_off: header.stream_off,
            start: header.start,
            producer_pid: header.producer_pid,
            block_bytes: header.block_bytes,
        }
    }

    /// Whether both files belong to one recording. Files without ids count as one recording when
    /// one process recorded them from one origin; that is wrong when a process id was reused.
    #[must_use]
    pub fn is_of_the_recording_of(&self, other: &Self) -> bool {
        match (self.recording, other.recording) {
            (Some(a), Some(b)) => a == b,
            (None, None) => self.producer_pid == other.producer_pid && self.origin == other.origin,
            _ => false,
        }
    }

    /// Whether this file, of `bytes` bytes, and the file `other`, of `other_bytes` bytes, hold a
    /// common range of the stream of one recording. Then two recorders wrote the same frames.
    ///
    /// Less than two blocks at the edge of two files are not a common range: a recorder that ends a
    /// file in the middle of the producer's file fills the rest of its last block, and most of the
    /// first block of the next file, with padding.
    #[must_use]
    pub fn overlaps(&self, bytes: u64, other: &Self, other_bytes: u64) -> bool {
        if !self.is_of_the_recording_of(other) {
            return false;
        }
        let (from, to) = (self.stream_off, self.stream_off.saturating_add(bytes));
        let (other_from, other_to) = (
            other.stream_off,
            other.stream_off.saturating_add(other_bytes),
        );
        let common = to.min(other_to).saturating_sub(from.max(other_from));
        if common == 0 || (from != other_from && common / 2 < self.block_bytes) {
            return false;
        }
        // Without an id, files of different runs can have the same process id and offset. Within
        // one stream the start times grow with the offsets, so files whose times and offsets are
        // ordered differently come from different runs.
        self.recording.is_some()
            || self.stream_off.cmp(&other.stream_off) == self.start.cmp(&other.start)
    }

    /// Orders two files of one recording by their position in its stream, independent of any clock.
    #[must_use]
    pub fn order_in_recording(&self, other: &Self) -> Ordering {
        (self.stream_off, self.file_number).cmp(&(other.stream_off, other.file_number))
    }
}

/// Bytes read from the start of a RAW file; the file header lies within them.
const HEAD_BYTES: u64 = 4096;

/// Reads the identity of a RAW file from `source`, which starts at the first byte of the file;
/// error messages call it `name`. Returns `None` for a file without a header of hpcap.
///
/// # Errors
/// Returns errors of reading `source`.
pub fn read(source: impl Read, name: impl Into<String>) -> Result<Option<Identity>> {
    let mut reader = Reader::new(source.take(HEAD_BYTES)).named(name);
    Ok(match reader.next()? {
        Some(Event::FileStart(header)) => Some(Identity::of(&header)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(recording: u8, stream_off: u64, start_sec: u32) -> Identity {
        Identity::of(&FileHeader {
            host: "here".into(),
            interface: "eth0".into(),
            producer_pid: 1,
            recording: RecordingId::from_bytes([recording; 16]),
            stream_off,
            start: Timestamp::new(start_sec, 0),
            ..FileHeader::default()
        })
    }

    #[test]
    fn random_ids_differ() {
        assert_ne!(
            RecordingId::random().unwrap(),
            RecordingId::random().unwrap()
        );
    }

    #[test]
    fn id_reads_back_as_it_prints() {
        let id = RecordingId::random().unwrap();
        assert_eq!(id.to_string().parse::<RecordingId>().unwrap(), id);
        for text in ["", "0", &"0".repeat(32), &"g".repeat(32), &"é".repeat(16)] {
            assert!(text.parse::<RecordingId>().is_err(), "{text}");
        }
    }

    #[test]
    fn recordings_with_one_pid_do_not_overlap() {
        let (a, b) = (identity(1, 0, 100), identity(2, 0, 100));
        assert!(!a.overlaps(1000, &b, 1000));
        assert!(a.overlaps(1000, &a, 1000));
    }

    #[test]
    fn padded_blocks_at_an_edge_do_not_overlap() {
        let [mut first, mut second] = [identity(1, 0, 100), identity(1, 9_500, 100)];
        (first.block_bytes, second.block_bytes) = (1000, 1000);
        // The first file ends at the edge of a block, with 500 bytes of padding.
        assert!(!first.overlaps(10_000, &second, 5000));
        assert!(!second.overlaps(5000, &first, 10_000));
        second.stream_off = 8000;
        assert!(first.overlaps(10_000, &second, 5000));
        // Two recorders wrote the same block.
        let block = identity(1, 8000, 100);
        assert!(second.overlaps(1000, &block, 1000));
    }

    #[test]
    fn files_without_id_overlap_at_one_place_and_time() {
        let first = identity(0, 0, 100);
        assert!(first.overlaps(1000, &first, 500));
        let restarted = identity(0, 0, 200);
        assert!(!first.overlaps(1000, &restarted, 1000));
        let later = identity(0, 500, 150);
        assert!(first.overlaps(1000, &later, 1000));
        let earlier = identity(0, 500, 50);
        assert!(!first.overlaps(1000, &earlier, 1000));
        assert!(!first.overlaps(500, &later, 1000));
    }
}
