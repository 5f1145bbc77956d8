//! RAW files that are written frame by frame.

use std::io;

use hpcap::abi::{HPCAP_CAPLEN_MAX, HPCAP_RECORD_BYTES};
use hpcap::listener::Moment;
use hpcap::queue::QueueInfo;
use hpcap::raw::index::Index;
use hpcap::raw::writer::{FrameMarks, Placed, Writer};
use hpcap::raw::{Gap, tag::Tag};
use hpcap::{Ledger, Reason, Timestamp};

use crate::sink::block::walk::walk_while;
use crate::sink::file_header::{Place, header_of, ledger_tag};
use crate::sink::record::OutputFrame;
use crate::sink::record::file_output::FileOutput;
use crate::sink::record::open_file::OpenFile;
use crate::sink::record::record_format::{FileEnd, FrameCounts, RecordFormat};
use crate::storage::closing::{Closing, closing};
use crate::storage::tail::Unwritten;

/// Bytes that a file keeps free for the largest record with its mark, and for gaps, the ledger and
/// the closing padding.
const RESERVE: usize = HPCAP_CAPLEN_MAX + 4096;

/// Writes RAW files.
pub type RawOutput = FileOutput<RawFormat>;

/// The part of the stream that the recorder keeps, as the headers of the files say it.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// The recorder's own filter; empty = none.
    pub filter: String,
    /// The recorder's own capture length; 0 = whole frames.
    pub caplen: u32,
    /// Whether the files have no tags.
    pub plain: bool,
}

/// The contents of RAW files, with the index of the file under way.
#[derive(Debug)]
pub struct RawFormat {
    info: QueueInfo,
    kept: Kept,
    rotate_bytes: Option<u64>,
    /// Largest file in bytes that the queue and this process allow.
    file_bytes_max: u64,
    index: Index,
    /// Gaps that are written into the next file.
    gaps: Vec<Gap>,
}

impl RawFormat {
    /// Files of `info`'s queue, each of at most `rotate_bytes` bytes.
    #[must_use]
    pub fn new(info: QueueInfo, kept: Kept, rotate_bytes: Option<u64>) -> Self {
        Self {
            index: Index::new(info.block_bytes),
            file_bytes_max: info.file_bytes_max,
            info,
            kept,
            rotate_bytes,
            gaps: Vec::new(),
        }
    }

    /// Length in bytes at which a file ends.
    fn file_bytes(&self) -> u64 {
        // A file has room for at least two large records, even if `--rotate-size` is smaller.
        let least = 4 * RESERVE as u64;
        self.rotate_bytes.map_or(self.file_bytes_max, |wanted| {
            wanted
                .max(least)
                .next_multiple_of(self.info.block_bytes)
                .min(self.file_bytes_max)
        })
    }

    /// Largest file in bytes that the queue and the `limit` of this process (`ulimit -f`) allow:
    /// whole blocks, if there is room for one.
    fn most_bytes(&self, limit: u64) -> u64 {
        let block = self.info.block_bytes;
        match limit {
            most if most >= self.info.file_bytes_max => self.info.file_bytes_max,
            most if most >= block => most / block * block,
            most => most,
        }
    }

    fn write_gap(&mut self, writer: &mut Writer<Unwritten>, at: u64, gap: &Gap) {
        if !writer.fits(RESERVE / 2) {
            self.gaps.push(*gap);
        } else if matches!(writer.gap(gap), Ok(Placed::Stored)) {
            self.index.note(at, None);
        }
    }
}

impl RecordFormat for RawFormat {
    type Writer = Writer<Unwritten>;

    const END: &'static str = "padding";

    const ROTATES_EMPTY_FILES: bool = false;

    fn sources(&self) -> usize {
        1
    }

    fn begin(
        &mut self,
        place: Place,
        tail: Unwritten,
        carried: u64,
        file_bytes_max: u64,
        now: &Moment,
    ) -> io::Result<Self::Writer> {
        self.file_bytes_max = self.most_bytes(file_bytes_max);
        let max = self.file_bytes().saturating_sub(carried);
        let mut writer = Writer::with_max(tail, max);
        self.index = Index::new(self.info.block_bytes);
        if !self.kept.plain {
            let Kept { filter, caplen, .. } = &self.kept;
            let header = header_of(&self.info, place, *caplen, filter, &now.ledger);
            // A file without room for its header is ended at once.
            let _ = writer.header(&header)?;
            self.index.note(0, None);
        }
        for gap in std::mem::take(&mut self.gaps) {
            let at = writer.offset();
            self.write_gap(&mut writer, at, &gap);
        }
        Ok(writer)
    }

    fn note_carried(&mut self, at: u64, records: &[u8]) {
        let index = &mut self.index;
        let _ = walk_while(records, |before, head, _| {
            let time = (!head.is_padding()).then(|| Timestamp::new(head.sec, head.nsec));
            index.note(at + before.bytes, time);
            true
        });
    }

    fn is_full(&self, open: &OpenFile<Self::Writer>, _is_empty: bool) -> bool {
        !open.writer.fits(RESERVE)
    }

    fn bytes_with_next(&self, open: &OpenFile<Self::Writer>) -> u64 {
        // The file ends with padding up to the end of a block.
        (open.bytes() + RESERVE as u64).next_multiple_of(self.info.block_bytes)
    }

    fn frame(&mut self, open: &mut OpenFile<Self::Writer>, frame: &OutputFrame<'_>) -> bool {
        let at = open.bytes();
        let record = &frame.record;
        let time = record.time;
        // The writer stores what a record cannot hold in a tag of its own.
        let (sec, nsec, len) = frame
            .marks
            .altered
            .map_or((time.sec(), time.nsec(), u32::from(record.len)), |had| {
                (had.sec, had.nsec, had.len)
            });
        let marks = if self.kept.plain {
            FrameMarks::default()
        } else {
            FrameMarks {
                duplicate: frame.marks.duplicate,
                sent: frame.marks.sent,
            }
        };
        let placed = open.writer.marked_frame(marks, sec, nsec, len, record.data);
        if !matches!(placed, Ok(Placed::Stored)) {
            return false;
        }
        if marks != FrameMarks::default() || frame.marks.altered.is_some() {
            self.index.note(at, None);
        }
        let bytes = HPCAP_RECORD_BYTES + record.data.len();
        self.index.note(open.bytes() - bytes as u64, Some(time));
        true
    }

    fn gap(&mut self, open: Option<&mut OpenFile<Self::Writer>>, _source: usize, gap: &Gap) {
        if self.kept.plain {
            return;
        }
        match open {
            Some(open) => {
                let at = open.bytes();
                self.write_gap(&mut open.writer, at, gap);
            }
            None => self.gaps.push(*gap),
        }
    }

    fn keeps_gaps(&self) -> bool {
        !self.gaps.is_empty()
    }

    fn closing(
        &mut self,
        open: &OpenFile<Self::Writer>,
        _start: Timestamp,
        _frames: &FrameCounts,
        end: FileEnd<'_>,
    ) -> Closing {
        let ledger_at = |at| Tag::Ledger(Box::new(ledger_tag(Timestamp::now(), at)));
        // The least important tag is the first.
        let tags = match end {
            FileEnd::Rotation(at) => vec![ledger_at(at)],
            FileEnd::Interruption => Vec::new(),
            FileEnd::Recording { at, unstored } => {
                let mut tags = Vec::new();
                let lost = self.take_lost(unstored);
                if lost != Ledger::default() {
                    tags.push(Tag::Gap(Box::new(Gap {
                        until: Timestamp::now(),
                        open: true,
                        lost,
                        ..Gap::default()
                    })));
                }
                tags.push(ledger_at(at));
                tags
            }
        };
        let tags: Vec<Vec<u8>> = match self.kept.plain {
            true => Vec::new(),
            false => tags.iter().map(Tag::to_body).collect(),
        };
        closing(
            open.stored(),
            self.info.block_bytes,
            self.file_bytes_max,
            &tags,
        )
    }

    fn output_bytes(records_end: u64, _len: u64) -> u64 {
        records_end
    }

    fn take_index(&mut self, records_end: u64, closing: &Closing, len: u64) -> Option<Index> {
        let mut index = std::mem::replace(&mut self.index, Index::new(self.info.block_bytes));
        index.entries.retain(|e| e.offset < records_end);
        for (off, _) in closing.writes.iter().filter(|(off, _)| *off < len) {
            index.note(*off, None);
        }
        Some(index)
    }
}

impl RawFormat {
    /// Takes what a recording that ends has lost without a gap in its files: the frames and gaps
    /// among `unstored` records, and the gaps that no file took.
    fn take_lost(&mut self, unstored: &[u8]) -> Ledger {
        let rest = walk_while(unstored, |_, _, _| true);
        let mut lost = rest.lost;
        lost[Reason::Storage] += rest.frames;
        for gap in self.gaps.drain(..) {
            lost += &gap.lost;
        }
        lost
    }
}
