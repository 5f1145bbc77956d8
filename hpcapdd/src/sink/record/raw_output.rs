//! Writes RAW files record by record.

use std::fs::File;

use hpcap::abi::{HPCAP_CAPLEN_MAX, HPCAP_RECORD_BYTES};
use hpcap::listener::Moment;
use hpcap::queue::QueueInfo;
use hpcap::raw::index::Index;
use hpcap::raw::writer::{Placed, Writer};
use hpcap::raw::{Altered, Gap, Record, RecordingId, tag::Tag};
use hpcap::{Count, Timestamp};

use crate::report::event::Notice;
use crate::sink::file_header::{Place, header_of, ledger_tag};
use crate::sink::record::file_log::{FileLog, last_flush};
use crate::sink::record::{OutputFailure, RecordOutput, Written};
use crate::storage::closing::closing;
use crate::storage::error::StorageError;
use crate::storage::file::{CaptureFile, gone};
use crate::storage::folder::OutputFolder;
use crate::storage::sealed::Sealed;

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
    rotate: bool,
    /// Original length and time of the next frame, if its record cannot hold them.
    altered: Option<Altered>,
    log: FileLog,
}

#[derive(Debug)]
struct Open {
    file: CaptureFile,
    writer: Writer<File>,
    index: Index,
    /// Offset in bytes up to which the file is written, which is the end of a record.
    flushed: u64,
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
            rotate: false,
            altered: None,
            log: FileLog::default(),
        }
    }

    fn file_bytes_max(&self) -> u64 {
        // A file has room for at least two large records, even if `--rotate-size` is smaller.
        let least = 4 * RESERVE as u64;
        match self.rotate_bytes {
            Some(wanted) => wanted
                .max(least)
                .next_multiple_of(self.info.block_bytes)
                .min(self.info.file_bytes_max),
            None => self.info.file_bytes_max,
        }
    }

    fn is_due(&self, open: &Open) -> bool {
        // A request for a new file does not rotate an empty one.
        (self.rotate && open.frames.frames > 0) || !open.writer.fits(RESERVE)
    }

    fn begin(&self, now: &Moment) -> Result<Open, StorageError> {
        let mut file = self.folder.create()?;
        let appender = file.appender()?;
        let mut writer = Writer::with_max(appender, self.file_bytes_max());
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
            index,
            flushed: 0,
            frames: Count::default(),
            frames_flushed: Count::default(),
        })
    }

    /// Ends the file under way behind its last record that was flushed.
    fn seal(&mut self, now: Option<&Moment>) {
        let Some(mut open) = self.open.take() else {
            return;
        };
        let mut tags = Vec::new();
        if let Some(now) = now.filter(|_| !self.kept.plain) {
            let tag = ledger_tag(Timestamp::now(), now);
            tags.push(Tag::Ledger(Box::new(tag)).to_body());
        }
        let QueueInfo {
            block_bytes,
            file_bytes_max,
            ..
        } = self.info;
        let closing = closing(open.flushed, block_bytes, file_bytes_max, &tags);
        let mut write = || -> Result<u64, StorageError> {
            open.file.cut(open.flushed)?;
            for (off, bytes) in &closing.writes {
                open.file.write(bytes, *off, &mut 0)?;
            }
            Ok(closing.len)
        };
        let len = match write() {
            Ok(len) => len,
            Err(error) => {
                self.log.warn(format!(
                    "{}\n  the file ends without padding; it is whole otherwise",
                    error
                ));
                open.flushed
            }
        };
        open.index.entries.retain(|e| e.offset < open.flushed);
        for (off, _) in closing.writes.iter().filter(|(off, _)| *off < len) {
            open.index.note(*off, None);
        }
        self.next.stream_off += len;
        self.next.file_number += 1;
        let sealed = Sealed::new(open.file, len, open.frames_flushed, Some(open.index));
        self.log.add(sealed, open.flushed);
    }
}

impl RecordOutput for RawOutput {
    fn turn(&mut self, ledger: &dyn Fn() -> Moment) -> Result<(), OutputFailure> {
        if self.open.as_ref().is_some_and(|open| self.is_due(open)) {
            self.flush()?;
            self.seal(Some(&ledger()));
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
        }
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        // The file ends with padding up to the end of a block.
        let len = (open.writer.offset() + RESERVE as u64).next_multiple_of(self.info.block_bytes);
        if let Err(error) = open.file.claim(len) {
            return Err(failure(error, Count::default()));
        }
        let full = open.writer.offset() - open.flushed >= FLUSH_BYTES;
        if full { self.flush() } else { Ok(()) }
    }

    fn frame(&mut self, record: &Record<'_>, duplicate: bool) {
        let altered = self.altered.take();
        let Some(open) = &mut self.open else { return };
        let at = open.writer.offset();
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
            let at = open.writer.offset() - bytes as u64;
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
                let at = open.writer.offset();
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
        match open.writer.flush() {
            Ok(()) => {
                open.flushed = open.writer.offset();
                open.frames_flushed = open.frames;
                Ok(())
            }
            Err(e) => {
                let error = StorageError::of_write(open.file.path(), e);
                let mut lost = Count::default();
                if matches!(error, StorageError::File(_)) {
                    lost = open.frames - open.frames_flushed;
                    // The ledger of this moment is not known here.
                    self.seal(None);
                }
                Err(failure(error, lost))
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
        let lost = open.frames;
        self.open = None;
        let error =
            error.advise("going on with a new file; the frames in it are counted as storage");
        Err(failure(StorageError::File(error), lost))
    }

    fn rotate(&mut self) {
        self.rotate = true;
    }

    fn finish(&mut self, end: &Moment, _complete: bool) -> Result<(), OutputFailure> {
        let flushed = self.flush();
        let unflushed = self
            .open
            .as_ref()
            .map(|open| open.frames - open.frames_flushed);
        let result = last_flush(flushed, unflushed.unwrap_or_default());
        self.seal(Some(end));
        result
    }

    fn written(&self) -> Written {
        let under_way = self.open.as_ref().map_or(0, |open| open.writer.offset());
        self.log.written(under_way)
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        self.log.take_notices()
    }
}

fn failure(error: StorageError, lost: Count) -> OutputFailure {
    OutputFailure::Storage { error, lost }
}
