//! Which recording a file belongs to, and its place in it.
//!
//! Names are for people, process ids come again, and clocks are set. Whether two files belong
//! together, which of them is older, and whether one may make room for the other is asked of the
//! identity in the file's header.

use std::cmp::Ordering;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use crate::abi::HPCAP_RECORDING_ID_BYTES;
use crate::compress::FileFormat;
use crate::error::{Context, Error, Result};
use crate::name::QueueName;
use crate::raw::{Event, FileHeader, Reader};
use crate::time::Timestamp;

/// The random name of a recording: 128 bits that no other recording has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordingId([u8; HPCAP_RECORDING_ID_BYTES]);

impl RecordingId {
    /// A new one.
    ///
    /// # Errors
    /// When the operating system has no random numbers.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; HPCAP_RECORDING_ID_BYTES];
        getrandom::fill(&mut bytes)
            .map_err(|e| Error::io("draw a random identity for the recording", e.into()))?;
        // All zero means "none".
        bytes[0] |= u8::from(bytes == [0; HPCAP_RECORDING_ID_BYTES]);
        Ok(Self(bytes))
    }

    /// The id in a header's field; `None` where the field is zero.
    #[must_use]
    pub fn from_bytes(bytes: [u8; HPCAP_RECORDING_ID_BYTES]) -> Option<Self> {
        (bytes != [0; HPCAP_RECORDING_ID_BYTES]).then_some(Self(bytes))
    }

    /// The field of a header.
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

/// What was recorded: retention of one origin never touches the files of another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Origin {
    /// Name of the machine.
    pub host: String,
    /// The network interface, or the file, that the frames came from.
    pub interface: String,
    /// The queue; `None` where the file was not written from one.
    pub queue: Option<QueueName>,
}

/// Which recording a file belongs to, and its place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// What was recorded.
    pub origin: Origin,
    /// The recording; `None` in files that were written before recordings had an id.
    pub recording: Option<RecordingId>,
    /// Number of the file in its recording, from 0; 0 where `recording` is `None`.
    pub file_number: u64,
    /// Offset of the file in the stream of its recording, in bytes.
    pub stream_off: u64,
    /// Wall clock when the file was started.
    pub start: Timestamp,
    /// Process id of the producer: stands in for an id where there is none.
    producer_pid: u32,
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
        }
    }

    /// Whether both files are parts of one recording. Without ids this holds only for what one
    /// process recorded of one origin; that can still be wrong where a process id came again.
    #[must_use]
    pub fn is_of_the_recording_of(&self, other: &Self) -> bool {
        match (self.recording, other.recording) {
            (Some(a), Some(b)) => a == b,
            (None, None) => self.producer_pid == other.producer_pid && self.origin == other.origin,
            _ => false,
        }
    }

    /// Whether a file of `bytes` with this identity has a stretch of the stream that `other`, of
    /// `other_bytes`, has, too: two recorders wrote the same frames.
    #[must_use]
    pub fn overlaps(&self, bytes: u64, other: &Self, other_bytes: u64) -> bool {
        if !self.is_of_the_recording_of(other)
            || self.stream_off >= other.stream_off.saturating_add(other_bytes)
            || other.stream_off >= self.stream_off.saturating_add(bytes)
        {
            return false;
        }
        // Without an id, files of different runs can have the same process id and offset. Of one
        // stream, the same place was reached at the same time, and a later one not before.
        self.recording.is_some()
            || self.stream_off.cmp(&other.stream_off) == self.start.cmp(&other.start)
    }

    /// The order of two files of one recording. No clock has a part in it.
    #[must_use]
    pub fn order_in_recording(&self, other: &Self) -> Ordering {
        (self.stream_off, self.file_number).cmp(&(other.stream_off, other.file_number))
    }
}

/// Bytes of a RAW file that hold its header.
const HEAD_BYTES: u64 = 4096;

/// The identity of a file in `format`, compressed or not, that is read from its start; `None` where
/// it has none, as files of other programs and classic pcap.
///
/// # Errors
/// Those of reading.
pub fn read(file: &File, path: &Path, format: FileFormat) -> Result<Option<Identity>> {
    let tried = || format!("read {}", path.display());
    match format {
        FileFormat::Raw => {
            let head = file.take(HEAD_BYTES);
            let mut reader = Reader::new(head).named(path.display().to_string());
            Ok(match reader.next()?.map(|found| found.event) {
                Some(Event::FileHeader(header)) => Some(Identity::of(&header)),
                _ => None,
            })
        }
        FileFormat::Pcapng => crate::pcapfile::identity::read(file).context(tried),
        FileFormat::Pcap => Ok(None),
    }
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
