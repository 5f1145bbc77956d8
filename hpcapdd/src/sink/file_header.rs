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
    let filter = match (info.filter.as_str(), filter) {
        (queue, "") => queue.to_owned(),
        ("", own) => own.to_owned(),
        (queue, own) => format!("({queue}) and ({own})"),
    };
    FileHeader {
        stream_off: place.stream_off,
        start: Timestamp::now(),
        link_type: info.link_type,
        caplen,
        queue: Some(info.name),
        producer_pid: info.producer_pid,
        file_bytes_max: info.file_bytes_max,
        block_bytes: info.block_bytes,
        ledger: *ledger,
        interface: info.interface.clone(),
        host: info.host.clone(),
        clock_source: info.clock_source.clone(),
        software: info.software.clone(),
        filter,
        recording: place.recording,
        file_number: place.file_number,
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
