//! The header of a file that the recorder starts itself.

use hpcap::Ledger;
use hpcap::Timestamp;
use hpcap::queue::QueueInfo;
use hpcap::raw::FileHeader;

/// The header of a file of `info`'s queue whose first record came from stream offset
/// `stream_off`. `caplen` (0 = whole frames) and `filter` are the recorder's own, where it
/// has any; otherwise the queue's filter counts.
#[must_use]
pub fn header_of(
    info: &QueueInfo,
    stream_off: u64,
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
        stream_off,
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
    }
}
