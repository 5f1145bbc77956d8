//! Writes files one after the other, frame by frame: when a file begins and ends, and what becomes
//! of records that a file does not take. A [`RecordFormat`] says what is in the files.

use hpcap::listener::Moment;
use hpcap::raw::{Gap, RecordingId};
use hpcap::{Count, Timestamp};

use crate::report::event::Notice;
use crate::sink::file_header::Place;
use crate::sink::record::file_log::FileLog;
use crate::sink::record::open_file::OpenFile;
use crate::sink::record::record_format::{FileEnd, FrameCounts, RecordFormat};
use crate::sink::record::{OutputFailure, OutputFrame, RecordOutput, Written};
use crate::storage::closing::Closing;
use crate::storage::error::StorageError;
use crate::storage::file::gone;
use crate::storage::folder::OutputFolder;
use crate::storage::sealed::Sealed;
use crate::storage::tail::Tail;

/// Bytes that the output collects before it writes them. The writers' own buffers are larger, so a
/// frame never waits for the disk once it is taken.
const FLUSH_BYTES: u64 = 512 << 10;

/// Writes files of one format.
#[derive(Debug)]
pub struct FileOutput<F: RecordFormat> {
    folder: OutputFolder,
    format: F,
    /// Place of the next file. The files form a stream of their own, because they need not hold all
    /// records of the queue's stream and hold them at other offsets.
    next: Place,
    open: Option<OpenFile<F::Writer>>,
    /// When the file under way began.
    start: Timestamp,
    /// Records that the last file did not take.
    carried: Vec<u8>,
    frames: FrameCounts,
    rotate: bool,
    log: FileLog,
}

impl<F: RecordFormat> FileOutput<F> {
    /// Writes the new recording `recording` into files of `format` in `folder`.
    #[must_use]
    pub fn new(folder: OutputFolder, format: F, recording: RecordingId) -> Self {
        Self {
            folder,
            frames: FrameCounts::new(format.sources()),
            format,
            next: Place {
                recording: Some(recording),
                stream_off: 0,
                file_number: 0,
            },
            open: None,
            start: Timestamp::default(),
            carried: Vec::new(),
            rotate: false,
            log: FileLog::default(),
        }
    }

    /// Whether the next file has to begin.
    fn is_due(&self, open: &OpenFile<F::Writer>) -> bool {
        let is_empty = self.frames.taken.iter().all(|n| n.frames == 0);
        let rotate = self.rotate && (F::ROTATES_EMPTY_FILES || !is_empty);
        open.renamed || rotate || self.format.is_full(open, is_empty)
    }

    fn begin(&mut self, now: &Moment) -> Result<OpenFile<F::Writer>, StorageError> {
        let mut file = self.folder.create()?;
        file.make_buffered()?;
        let tail = Tail::default();
        let carried = self.carried.len() as u64;
        let max = self.folder.file_bytes_max();
        let begun = self
            .format
            .begin(self.next, tail.writer(), carried, max, now);
        let writer = match begun {
            Ok(writer) => writer,
            Err(e) => {
                let error = StorageError::of_write(file.path(), e);
                file.discard();
                return Err(error);
            }
        };
        let mut open = OpenFile::new(file, writer, tail);
        let records = std::mem::take(&mut self.carried);
        self.format.note_carried(open.bytes(), &records);
        open.append(&records);
        self.frames.begin_file();
        self.start = Timestamp::now();
        Ok(open)
    }

    /// Ends the file under way behind its last record that is in the file.
    fn seal(&mut self, end: FileEnd<'_>) {
        let Some(mut open) = self.open.take() else {
            return;
        };
        let records_end = open.stored();
        if records_end == 0 {
            // Even the head of the file was not written.
            open.file.discard();
            return;
        }
        let closing = self.format.closing(&open, self.start, &self.frames, end);
        let mut len = records_end;
        if let Err(error) = write_closing(&mut open, &closing, &mut len) {
            self.log.warn(format!(
                "{error}\n  the file ends without {}; it is whole otherwise",
                F::END
            ));
        }
        self.next.stream_off += len;
        self.next.file_number += 1;
        let index = self.format.take_index(records_end, &closing, len);
        let sealed = Sealed::new(open.file, len, sum(&self.frames.stored), index);
        self.log.add(sealed, F::output_bytes(records_end, len));
    }

    /// Writes everything that was taken, into another file if the one under way does not take it.
    fn flush_rest(&mut self, end: &Moment) -> Result<(), OutputFailure> {
        let flushed = self.flush();
        if self.carried.is_empty() && !self.format.keeps_gaps() {
            return flushed;
        }
        self.ready(&|| *end)?;
        self.flush()
    }
}

fn sum(counts: &[Count]) -> Count {
    counts.iter().fold(Count::default(), |sum, n| sum + *n)
}

/// Writes the end of a file, and sets `len` to the length that the file has so far.
fn write_closing<W>(
    open: &mut OpenFile<W>,
    closing: &Closing,
    len: &mut u64,
) -> Result<(), StorageError> {
    let (tags, padding) = closing.writes.split_at(closing.tags);
    // The tags use the reserved room, which a cut would free before they are written.
    for (off, bytes) in tags {
        open.file.write(bytes, *off, &mut 0)?;
        *len = off + bytes.len() as u64;
    }
    if !padding.is_empty() {
        // Only the headers of the padding are written, so old bytes behind the end would show
        // between them.
        open.file.cut(*len)?;
    }
    for (off, bytes) in padding {
        open.file.write(bytes, *off, &mut 0)?;
    }
    *len = closing.len;
    Ok(())
}

impl<F: RecordFormat> RecordOutput for FileOutput<F> {
    #[inline]
    fn turn(&mut self, ledger: &dyn Fn() -> Moment) -> Result<(), OutputFailure> {
        if self.open.as_ref().is_some_and(|open| self.is_due(open)) {
            self.flush()?;
            self.seal(FileEnd::Rotation(&ledger()));
        }
        self.rotate = false;
        Ok(())
    }

    #[inline]
    fn ready(&mut self, ledger: &dyn Fn() -> Moment) -> Result<(), OutputFailure> {
        if self.open.is_none() {
            self.open = Some(self.begin(&ledger())?);
        }
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let len = self.format.bytes_with_next(open);
        open.file.claim(len)?;
        // The head is written at once, so that a file is valid from its first moment.
        let stored = open.stored();
        let full = stored == 0 || open.bytes() - stored >= FLUSH_BYTES;
        if full { self.flush() } else { Ok(()) }
    }

    #[inline]
    fn frame(&mut self, frame: &OutputFrame<'_>) {
        let Some(open) = &mut self.open else { return };
        if self.format.frame(open, frame)
            && let Some(taken) = self.frames.taken.get_mut(frame.source)
        {
            *taken += frame.count();
        }
    }

    fn gap(&mut self, source: usize, gap: &Gap) {
        self.format.gap(self.open.as_mut(), source, gap);
    }

    fn flush(&mut self) -> Result<(), OutputFailure> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let Err(error) = open.write() else {
            self.frames.stored.clone_from(&self.frames.taken);
            return Ok(());
        };
        if matches!(error, StorageError::File(_)) {
            // The next file takes what this one does not. The ledger of this moment is not known
            // here.
            self.carried = open.take_unwritten();
            self.seal(FileEnd::Interruption);
        }
        Err(error.into())
    }

    fn look(&mut self) -> Result<(), OutputFailure> {
        let Some(open) = self.open.as_mut() else {
            return Ok(());
        };
        if open.renamed || !open.file.is_gone() {
            return Ok(());
        }
        let error = gone(open.file.path());
        if !open.file.is_removed() {
            // The renamed file still gets its remaining frames and its end.
            open.renamed = true;
            let error = error.advise("going on with a new file");
            self.log.warn(error.to_string());
            return Ok(());
        }
        // The frames in the file are lost. The rest goes into the next file.
        self.carried = open.take_unwritten();
        self.open = None;
        let error =
            error.advise("going on with a new file; the frames in it are counted as storage");
        Err(OutputFailure::Storage {
            error: StorageError::File(error),
            lost: self.frames.stored.clone(),
        })
    }

    fn rotate(&mut self) {
        self.rotate = true;
    }

    fn finish(&mut self, end: &Moment) -> Result<(), OutputFailure> {
        let flushed = self.flush_rest(end);
        let mut unstored = Vec::new();
        if flushed.is_err() {
            // The write is not repeated. The room that is kept for the end of the file takes a record of what is
            // missing.
            unstored = match &mut self.open {
                Some(open) => open.take_unwritten(),
                None => std::mem::take(&mut self.carried),
            };
        }
        let lost = self.frames.unstored();
        self.seal(FileEnd::Recording {
            at: end,
            unstored: &unstored,
        });
        match flushed {
            Err(OutputFailure::Storage { error, .. }) => {
                Err(OutputFailure::Storage { error, lost })
            }
            other => other,
        }
    }

    fn written(&self) -> Written {
        let under_way = self.open.as_ref().map_or(0, OpenFile::bytes);
        self.log.written(under_way)
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        self.log.take_notices()
    }
}
