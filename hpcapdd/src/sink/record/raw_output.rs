//! Writes RAW files record by record.

use hpcap::abi::{HPCAP_CAPLEN_MAX, HPCAP_RECORD_BYTES};
use hpcap::listener::Moment;
use hpcap::queue::QueueInfo;
use hpcap::raw::index::Index;
use hpcap::raw::record::is_padding;
use hpcap::raw::writer::{Placed, Writer};
use hpcap::raw::{Altered, Gap, Record, RecordingId, tag::Tag};
use hpcap::{Count, Ledger, Reason, Timestamp};

use crate::report::event::Notice;
use crate::sink::block::walk::walk_while;
use crate::sink::file_header::{Place, header_of, ledger_tag};
use crate::sink::record::file_log::{FileLog, last_flush};
use crate::sink::record::{OutputFailure, RecordOutput, Written};
use crate::storage::closing::closing;
use crate::storage::error::StorageError;
use crate::storage::file::{CaptureFile, gone};
use crate::storage::folder::OutputFolder;
use crate::storage::sealed::Sealed;
use crate::storage::tail::{Tail, Unwritten};

/// Bytes that the output collects before it writes them. The writer's own buffer is larger, so a
/// record never waits for the disk once it is taken.
const FLUSH_BYTES: u64 = 512 << 10;

/// Bytes that a file keeps free for the largest record with its mark, and for gaps, the ledger and
/// the closing padding.
const RESERVE: usize = HPCAP_CAPLEN_MAX + 4096;

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

/// Writes RAW files.
#[derive(Debug)]
pub struct RawOutput {
    folder: OutputFolder,
    info: QueueInfo,
    kept: Kept,
    rotate_bytes: Option<u64>,
    /// Place of the next file. The files form a stream of their own, because they need not hold all
    /// records of the queue's stream and hold them at other offsets.
    next: Place,
    open: Option<Open>,
    /// Gaps that are written into the next file.
    gaps: Vec<Gap>,
    /// Records that the last file did not take. They follow the gaps.
    carried: Vec<u8>,
    rotate: bool,
    /// Original length and time of the next frame, if its record cannot hold them.
    altered: Option<Altered>,
    log: FileLog,
}

#[derive(Debug)]
struct Open {
    file: CaptureFile,
    writer: Writer<Unwritten>,
    tail: Tail,
    /// Bytes in the file that `writer` did not make.
    carried: u64,
    index: Index,
    frames: Count,
    frames_flushed: Count,
}

impl RawOutput {
    /// Writes the new recording `recording` of `info`'s queue into files in `folder`, each of at
    /// most `rotate_bytes` bytes.
    #[must_use]
    pub fn new(
        folder: OutputFolder,
        info: QueueInfo,
        kept: Kept,
        rotate_bytes: Option<u64>,
        recording: RecordingId,
    ) -> Self {
        Self {
            folder,
            info,
            kept,
            rotate_bytes,
            next: Place {
                recording: Some(recording),
                stream_off: 0,
                file_number: 0,
            },
            open: None,
            gaps: Vec::new(),
            carried: Vec::new(),
            rotate: false,
            altered: None,
            log: FileLog::default(),
        }
    }

    fn file_bytes_max(&self) -> u64 {
        // A file has room for at least two large records, even if `--rotate-size` is smaller.
        let least = 4 * RESERVE as u64;
        let most = self.most_bytes();
        match self.rotate_bytes {
            Some(wanted) => wanted
                .max(least)
                .next_multiple_of(self.info.block_bytes)
                .min(most),
            None => most,
        }
    }

    /// Largest file in bytes that the queue and this process (`ulimit -f`) allow: whole blocks, if
    /// there is room for one.
    fn most_bytes(&self) -> u64 {
        let block = self.info.block_bytes;
        match self.folder.file_bytes_max() {
            most if most >= self.info.file_bytes_max => self.info.file_bytes_max,
            most if most >= block => most / block * block,
            most => most,
        }
    }

    fn is_due(&self, open: &Open) -> bool {
        // A request for a new file does not rotate an empty one.
        (self.rotate && open.frames.frames > 0) || !open.writer.fits(RESERVE)
    }

    fn begin(&self, now: &Moment) -> Result<Open, StorageError> {
        let mut file = self.folder.create()?;
        file.make_buffered()?;
        let tail = Tail::default();
        let carried = self.carried.len() as u64;
        let max = self.file_bytes_max().saturating_sub(carried);
        let mut writer = Writer::with_max(tail.writer(), max);
        let mut index = Index::new(self.info.block_bytes);
        if !self.kept.plain {
            let Kept { filter, caplen, .. } = &self.kept;
            // This cannot fail: the header goes into an empty buffer.
            let _ = writer.header(&header_of(
                &self.info,
                self.next,
                *caplen,
                filter,
                &now.ledger,
            ));
            index.note(0, None);
        }
        Ok(Open {
            file,
            writer,
            tail,
            carried: 0,
            index,
            frames: Count::default(),
            frames_flushed: Count::default(),
        })
    }

    /// Puts the records that the last file did not take into the file under way.
    fn append_carried(&mut self) {
        let Some(open) = &mut self.open else { return };
        let carried = std::mem::take(&mut self.carried);
        let start = open.offset();
        // Neither call fails: the bytes go into memory.
        let _ = open.writer.flush();
        let _ = std::io::Write::write_all(&mut open.tail.writer(), &carried);
        open.carried = carried.len() as u64;
        let index = &mut open.index;
        let records = walk_while(&carried, |before, head, _| {
            let time = (!is_padding(head)).then(|| Timestamp::new(head.sec, head.nsec));
            index.note(start + before.bytes, time);
            true
        });
        open.frames += records.frames;
    }

    /// Writes everything that was taken, into another file if the one under way does not take it.
    fn flush_rest(&mut self, end: &Moment) -> Result<(), OutputFailure> {
        let flushed = self.flush();
        if self.carried.is_empty() && self.gaps.is_empty() {
            return flushed;
        }
        self.ready(&|| *end)?;
        self.flush()
    }

    /// Ends the file under way behind its last record that is in the file. `tags` come behind this
    /// record, the least important first.
    fn seal(&mut self, tags: &[Tag]) {
        let Some(mut open) = self.open.take() else {
            return;
        };
        let end = open.tail.written();
        if end == 0 {
            // Not even the header was written.
            open.file.discard();
            return;
        }
        let tags: Vec<Vec<u8>> = match self.kept.plain {
            true => Vec::new(),
            false => tags.iter().map(Tag::to_body).collect(),
        };
        let closing = closing(end, self.info.block_bytes, self.most_bytes(), &tags);
        let mut len = end;
        let mut write = || -> Result<(), StorageError> {
            let (tags, padding) = closing.writes.split_at(closing.tags);
            // The tags use the reserved room, which a cut would free before they are written.
            for (off, bytes) in tags {
                open.file.write(bytes, *off, &mut 0)?;
                len = off + bytes.len() as u64;
            }
            // Only the headers of the padding are written, so old bytes behind the end would show
            // between them.
            open.file.cut(len)?;
            for (off, bytes) in padding {
                open.file.write(bytes, *off, &mut 0)?;
            }
            len = closing.len;
            Ok(())
        };
        if let Err(error) = write() {
            self.log.warn(format!(
                "{error}\n  the file ends without padding; it is whole otherwise"
            ));
        }
        open.index.entries.retain(|e| e.offset < end);
        for (off, _) in closing.writes.iter().filter(|(off, _)| *off < len) {
            open.index.note(*off, None);
        }
        self.next.stream_off += len;
        self.next.file_number += 1;
        let sealed = Sealed::new(open.file, len, open.frames_flushed, Some(open.index));
        self.log.add(sealed, end);
    }
}

impl Open {
    /// Offset of the next record in bytes.
    fn offset(&self) -> u64 {
        self.writer.offset() + self.carried
    }

    /// Takes the records that are not in the file.
    fn take_unwritten(&mut self) -> Vec<u8> {
        // This does not fail: the bytes go into memory.
        let _ = self.writer.flush();
        self.tail.take()
    }
}

/// The tag with the ledger at the end of a file.
fn ledger_at(now: &Moment) -> Tag {
    Tag::Ledger(Box::new(ledger_tag(Timestamp::now(), now)))
}

impl RecordOutput for RawOutput {
    fn turn(&mut self, ledger: &dyn Fn() -> Moment) -> Result<(), OutputFailure> {
        if self.open.as_ref().is_some_and(|open| self.is_due(open)) {
            self.flush()?;
            self.seal(&[ledger_at(&ledger())]);
        }
        self.rotate = false;
        Ok(())
    }

    fn ready(&mut self, ledger: &dyn Fn() -> Moment) -> Result<(), OutputFailure> {
        if self.open.is_none() {
            let open = self.begin(&ledger());
            self.open = Some(open.map_err(|error| failure(error, Count::default()))?);
            for gap in std::mem::take(&mut self.gaps) {
                self.gap(&gap);
            }
            self.append_carried();
        }
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        // The file ends with padding up to the end of a block.
        let len = (open.offset() + RESERVE as u64).next_multiple_of(self.info.block_bytes);
        if let Err(error) = open.file.claim(len) {
            return Err(failure(error, Count::default()));
        }
        let full = open.offset() - open.tail.written() >= FLUSH_BYTES;
        if full { self.flush() } else { Ok(()) }
    }

    fn frame(&mut self, record: &Record<'_>, duplicate: bool) {
        let altered = self.altered.take();
        let Some(open) = &mut self.open else { return };
        let at = open.offset();
        let time = record.time;
        // The writer stores what a record cannot hold in a tag of its own.
        let (sec, nsec, len) = altered
            .map_or((time.sec(), time.nsec(), u32::from(record.len)), |had| {
                (had.sec, had.nsec, had.len)
            });
        let marked = duplicate && !self.kept.plain;
        let placed = if marked {
            open.writer.duplicate(sec, nsec, len, record.data)
        } else {
            open.writer.frame(sec, nsec, len, record.data)
        };
        if matches!(placed, Ok(Placed::Stored)) {
            if marked || altered.is_some() {
                open.index.note(at, None);
            }
            let bytes = HPCAP_RECORD_BYTES + record.data.len();
            let at = open.offset() - bytes as u64;
            open.index.note(at, Some(time));
            open.frames += Count::new(1, u64::from(record.len));
        }
    }

    fn altered(&mut self, had: Altered) {
        self.altered = Some(had);
    }

    fn gap(&mut self, gap: &Gap) {
        if self.kept.plain {
            return;
        }
        match &mut self.open {
            Some(open) if open.writer.fits(RESERVE / 2) => {
                let at = open.offset();
                if matches!(open.writer.gap(gap), Ok(Placed::Stored)) {
                    open.index.note(at, None);
                }
            }
            _ => self.gaps.push(*gap),
        }
    }

    fn flush(&mut self) -> Result<(), OutputFailure> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        // This does not fail: the bytes go into memory.
        let _ = open.writer.flush();
        match open.tail.write_to(&mut open.file) {
            Ok(()) => {
                open.frames_flushed = open.frames;
                Ok(())
            }
            Err(error) => {
                if matches!(error, StorageError::File(_)) {
                    // The next file takes what this one does not.
                    self.carried = open.take_unwritten();
                    // The ledger of this moment is not known here.
                    self.seal(&[]);
                }
                Err(failure(error, Count::default()))
            }
        }
    }

    fn look(&mut self) -> Result<(), OutputFailure> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        if !open.file.is_gone() {
            return Ok(());
        }
        let error = gone(open.file.path());
        if !open.file.is_removed() {
            // The renamed file still gets its remaining frames and its end.
            self.rotate = true;
            let error = error.advise("going on with a new file");
            self.log.warn(error.to_string());
            return Ok(());
        }
        // What is in the file is lost. The rest goes into the next file.
        let lost = open.frames_flushed;
        if let Some(mut open) = self.open.take() {
            self.carried = open.take_unwritten();
        }
        let error =
            error.advise("going on with a new file; the frames in it are counted as storage");
        Err(failure(StorageError::File(error), lost))
    }

    fn rotate(&mut self) {
        self.rotate = true;
    }

    fn finish(&mut self, end: &Moment, _complete: bool) -> Result<(), OutputFailure> {
        let Err(failed) = self.flush_rest(end) else {
            self.seal(&[ledger_at(end)]);
            return Ok(());
        };
        // Nobody will try again. The room that is kept for the end of the file takes what is
        // missing instead of the frames.
        let mut carried = std::mem::take(&mut self.carried);
        if let Some(open) = &mut self.open {
            carried = open.take_unwritten();
        }
        let rest = walk_while(&carried, |_, _, _| true);
        let mut lost = rest.lost;
        lost[Reason::Storage] += rest.frames;
        for gap in self.gaps.drain(..) {
            lost += &gap.lost;
        }
        let mut tags = Vec::new();
        if lost != Ledger::default() {
            tags.push(Tag::Gap(Box::new(Gap {
                until: Timestamp::now(),
                open: true,
                lost,
                ..Gap::default()
            })));
        }
        tags.push(ledger_at(end));
        self.seal(&tags);
        last_flush(Err(failed), rest.frames)
    }

    fn written(&self) -> Written {
        let under_way = self.open.as_ref().map_or(0, Open::offset);
        self.log.written(under_way)
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        self.log.take_notices()
    }
}

fn failure(error: StorageError, lost: Count) -> OutputFailure {
    OutputFailure::Storage { error, lost }
}
