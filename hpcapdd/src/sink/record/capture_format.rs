//! pcapng and pcap files.

use std::io;
use std::sync::Arc;

use hpcap::abi::HPCAP_CAPLEN_MAX;
use hpcap::compress::FileFormat;
use hpcap::listener::Moment;
use hpcap::pcapfile::{self, CaptureWriter, Section, closing};
use hpcap::queue::{Queue, QueueInfo};
use hpcap::raw::{FileHeader, Gap, Identity};
use hpcap::{Ledger, Timestamp};

use crate::sink::file_header::{Place, header_of};
use crate::sink::record::OutputFrame;
use crate::sink::record::file_output::FileOutput;
use crate::sink::record::open_file::OpenFile;
use crate::sink::record::record_format::{FileEnd, FrameCounts, RecordFormat};
use crate::sink::record::source_counts::SourceCounts;
use crate::storage::closing::Closing;
use crate::storage::tail::{ROOM_BYTES, Unwritten};

/// Name and version of this program, for the section header of a pcapng file.
const APPLICATION: &str = concat!("hpcapdd ", env!("CARGO_PKG_VERSION"));

/// Bytes of the longest frame in a file, with its block header, its comments and its padding.
const FRAME_BYTES_MAX: u64 = HPCAP_CAPLEN_MAX as u64 + 4096;

/// Writes pcapng or pcap files.
pub type CaptureOutput = FileOutput<CaptureFormat>;

/// A source of frames, as the files describe it.
#[derive(Debug)]
struct Source {
    info: QueueInfo,
    counts: SourceCounts,
}

/// The contents of pcapng or pcap files.
#[derive(Debug)]
pub struct CaptureFormat {
    format: FileFormat,
    sources: Vec<Source>,
    /// The recorder's own filter; empty = none.
    filter: String,
    /// The recorder's own capture length; 0 = whole frames.
    caplen: u32,
    /// Length in bytes at which the next file begins.
    rotate_bytes: u64,
    /// Largest file in bytes that this process may write (`ulimit -f`).
    file_bytes_max: u64,
    /// The headers of the file under way, one for each source.
    headers: Vec<FileHeader>,
}

impl CaptureFormat {
    /// Files of `queue`, whose ledger was `before` when the recording began. When a file has reached
    /// `rotate_bytes` bytes, the next one begins. `filter` and `caplen` are the recorder's own; an
    /// empty filter keeps all frames, and a length of 0 keeps whole frames.
    #[must_use]
    pub fn new(
        format: FileFormat,
        queue: QueueInfo,
        before: Ledger,
        filter: &str,
        caplen: u32,
        rotate_bytes: Option<u64>,
    ) -> Self {
        Self {
            format,
            sources: vec![Source {
                info: queue,
                counts: SourceCounts::new(None, before),
            }],
            filter: filter.to_owned(),
            caplen,
            rotate_bytes: rotate_bytes.unwrap_or(u64::MAX),
            file_bytes_max: u64::MAX,
            headers: Vec::new(),
        }
    }

    /// Adds the frames of further queues, which began with the recording.
    #[must_use]
    pub fn with_further(mut self, queues: Vec<Arc<Queue>>) -> Self {
        self.sources.extend(queues.into_iter().map(|queue| Source {
            info: queue.info().clone(),
            counts: SourceCounts::new(Some(queue), Ledger::default()),
        }));
        self
    }
}

impl RecordFormat for CaptureFormat {
    type Writer = CaptureWriter<Unwritten>;

    const END: &'static str = "its statistics";

    const ROTATES_EMPTY_FILES: bool = true;

    fn sources(&self) -> usize {
        self.sources.len()
    }

    fn begin(
        &mut self,
        place: Place,
        tail: Unwritten,
        _carried: u64,
        file_bytes_max: u64,
        now: &Moment,
    ) -> io::Result<Self::Writer> {
        self.file_bytes_max = file_bytes_max;
        let header = |source: &Source| {
            header_of(&source.info, place, self.caplen, &self.filter, &now.ledger)
        };
        self.headers = self.sources.iter().map(header).collect();
        let section = Section {
            comment: pcapfile::identity::comment(&identity_of(&self.headers)),
            ..Section::here(APPLICATION)
        };
        CaptureWriter::new(tail, self.format, &section, &self.headers)
    }

    fn is_full(&self, open: &OpenFile<Self::Writer>, is_empty: bool) -> bool {
        let bytes = open.bytes();
        !is_empty
            && (bytes >= self.rotate_bytes
                || bytes + HPCAP_CAPLEN_MAX as u64 + ROOM_BYTES > self.file_bytes_max)
    }

    fn bytes_with_next(&self, open: &OpenFile<Self::Writer>) -> u64 {
        open.bytes() + FRAME_BYTES_MAX + ROOM_BYTES
    }

    fn frame(&mut self, open: &mut OpenFile<Self::Writer>, frame: &OutputFrame<'_>) -> bool {
        let number = frame.source;
        let Some(source) = self.sources.get_mut(number) else {
            return false;
        };
        // Both calls fail only for a source of another file.
        if let Some(lost) = source.counts.take_lost() {
            let _ = open.writer.gap(number, &lost);
        }
        let (record, len) = (&frame.record, frame.wire_len());
        let taken = open.writer.frame(number, record, len, &frame.marks);
        if taken.is_err() {
            return false;
        }
        source.counts.note_frame(frame.count());
        true
    }

    fn gap(&mut self, _open: Option<&mut OpenFile<Self::Writer>>, source: usize, gap: &Gap) {
        if let Some(source) = self.sources.get_mut(source) {
            source.counts.note_gap(gap);
        }
    }

    fn closing(
        &mut self,
        open: &OpenFile<Self::Writer>,
        start: Timestamp,
        frames: &FrameCounts,
        end: FileEnd<'_>,
    ) -> Closing {
        let span = (start, Timestamp::now());
        let unstored = frames.unstored();
        let statistics: Vec<_> = self
            .sources
            .iter_mut()
            .zip(frames.stored.iter().zip(&unstored))
            .map(|(source, (stored, unstored))| {
                source.counts.end_file(span, end, *stored, *unstored)
            })
            .collect();
        let bytes = closing(self.format, &self.headers, &statistics);
        let at = open.stored();
        Closing {
            len: at + bytes.len() as u64,
            writes: vec![(at, bytes)],
            tags: 1,
        }
    }

    fn output_bytes(_records_end: u64, len: u64) -> u64 {
        len
    }
}

/// The identity of a file of one source, or of several together.
fn identity_of(headers: &[FileHeader]) -> Identity {
    let interfaces: Vec<&str> = headers.iter().map(|h| h.interface.as_str()).collect();
    let first = headers.first().cloned().unwrap_or_default();
    Identity::of(&FileHeader {
        interface: interfaces.join("+"),
        queue: first.queue.filter(|_| headers.len() == 1),
        ..first
    })
}
