//! The header of a file that the recorder starts itself.

use hpcap::Ledger;
use hpcap::Timestamp;
use hpcap::listener::Moment;
use hpcap::queue::QueueInfo;
use hpcap::raw::{FileHeader, LedgerTag, RecordingId};

/// The place of a file in its recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Id of the recording.
    pub recording: Option<RecordingId>,
    /// Offset of the file's first byte in the stream of the recording.
    pub stream_off: u64,
    /// Number of the file in the recording, from 0.
    pub file_number: u64,
}

/// Makes the header of a file of `info`'s queue at `place` in its recording. `caplen` is the
/// recorder's own capture length in bytes (0 = whole frames). `filter` is the recorder's own
/// filter, which the header combines with the queue's filter.
#[must_use]
pub fn header_of(
    info: &QueueInfo,
    place: Place,
    caplen: u32,
    filter: &str,
    ledger: &Ledger,
) -> FileHeader {
    FileHeader {
        stream_off: place.stream_off,
        ledger: *ledger,
        recording: place.recording,
        file_number: place.file_number,
        ..info.file_header(caplen, filter)
    }
}

/// Makes the ledger tag at the end of a file that the recorder ends itself.
#[must_use]
pub fn ledger_tag(end: Timestamp, now: &Moment) -> LedgerTag {
    LedgerTag {
        end,
        ledger: now.ledger,
        frames_cut: now.frames_cut,
        times_adjusted: now.times_adjusted,
    }
}
