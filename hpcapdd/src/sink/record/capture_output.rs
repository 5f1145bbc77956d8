//! Writes pcapng and pcap files frame by frame, and rotates them.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hpcap::abi::HPCAP_CAPLEN_MAX;
use hpcap::compress::FileFormat;
use hpcap::listener::Moment;
use hpcap::pcapfile::{self, Statistics};
use hpcap::queue::{Queue, QueueInfo};
use hpcap::raw::{Altered, FileHeader, Gap, Identity, Record, RecordingId};
use hpcap::{Count, Ledger, Reason, Timestamp};

use crate::report::event::Notice;
use crate::sink::file_header::{Place, header_of};
use crate::sink::record::capture_writer::{CaptureWriter, closing, statistics_between};
use crate::sink::record::file_log::{FileLog, last_flush};
use crate::sink::record::{OutputFailure, RecordOutput, Written};
use crate::storage::error::StorageError;
use crate::storage::file::{CaptureFile, gone};
use crate::storage::folder::OutputFolder;
use crate::storage::sealed::Sealed;
use crate::storage::tail::{ROOM_BYTES, Tail, Unwritten};

/// Bytes that the output collects before it writes them. The writer's own buffer is larger, so a
/// frame never waits for the disk once it is taken.
const FLUSH_BYTES: u64 = 512 << 10;

/// Bytes of the longest frame in a file, with its block header, its comments and its padding.
const FRAME_BYTES_MAX: u64 = HPCAP_CAPLEN_MAX as u64 + 4096;

/// Time between two checks that the open file still exists.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reasons that the stream itself tells where they happened, by its records and its gaps.
const TOLD: [Reason; 4] = [
    Reason::Captured,
    Reason::RingFull,
    Reason::NicMissed,
    Reason::NicError,
];

/// A queue whose frames are written, and its counts for the file under way.
#[derive(Debug)]
struct SourceState {
    info: QueueInfo,
    /// The queue itself; `None` for the first source, whose ledger the session provides.
    queue: Option<Arc<Queue>>,
    filter: String,
    caplen: u32,
    /// Losses since the last frame of this source. The next frame tells them, even if it is in
    /// another file.
    lost: Option<Ledger>,
    /// Ledger of this source at the start of the file under way, which is the end of the file
    /// before.
    before: Ledger,
    /// Counts that the records and gaps since the start of the file tell.
    told: Ledger,
    /// Frames that this recorder itself lost since the start of the file.
    own: Ledger,
    /// Frames taken for the file under way.
    taken: Count,
    /// Frames of the file under way that were flushed to it.
    flushed: Count,
}

/// Writes pcapng or pcap files.
#[derive(Debug)]
pub struct CaptureOutput {
    folder: OutputFolder,
    sources: Vec<SourceState>,
    current: usize,
    format: FileFormat,
    rotate_bytes: Option<u64>,
    recording: RecordingId,
    file_number: u64,
    open: Option<Open>,
    /// Blocks of frames that the last file did not take.
    carried: Vec<u8>,
    rotate: bool,
    /// Original length and time of the next frame, if its record cannot hold them.
    altered: Option<Altered>,
    frames_seen: u64,
    looked: Instant,
    log: FileLog,
}

#[derive(Debug)]
struct Open {
    file: CaptureFile,
    writer: CaptureWriter<Unwritten>,
    tail: Tail,
    /// Bytes in the file that `writer` did not make.
    carried: u64,
    headers: Vec<FileHeader>,
    start: Timestamp,
}

impl Open {
    /// Bytes of the file so far, those that are not written yet included.
    fn bytes(&self) -> u64 {
        self.writer.bytes() + self.carried
    }

    /// Takes the blocks that are not in the file.
    fn take_unwritten(&mut self) -> Vec<u8> {
        // This does not fail: the bytes go into memory.
        let _ = self.writer.flush();
        self.tail.take()
    }
}

impl CaptureOutput {
    /// Writes the new recording `recording` of `queues` into files in `folder`. Each queue comes
    /// with its ledger before the recording. When a file has reached `rotate_bytes` bytes, the next
    /// one begins. `kept` is the recorder's own filter and capture length; an empty filter keeps
    /// all frames, and a length of 0 keeps whole frames.
    #[must_use]
    pub fn new(
        folder: OutputFolder,
        queues: Vec<(QueueInfo, Ledger)>,
        kept: (&str, u32),
        rotate_bytes: Option<u64>,
        recording: RecordingId,
    ) -> Self {
        let source = |(info, before)| SourceState {
            info,
            queue: None,
            filter: kept.0.to_owned(),
            caplen: kept.1,
            lost: None,
            before,
            told: Ledger::default(),
            own: Ledger::default(),
            taken: Count::default(),
            flushed: Count::default(),
        };
        Self {
            format: folder.format(),
            folder,
            sources: queues.into_iter().map(source).collect(),
            current: 0,
            rotate_bytes,
            recording,
            file_number: 0,
            open: None,
            carried: Vec::new(),
            rotate: false,
            altered: None,
            frames_seen: 0,
            looked: Instant::now(),
            log: FileLog::default(),
        }
    }

    /// Adds the frames of further queues, which began with the recording.
    #[must_use]
    pub fn with_further(mut self, queues: Vec<Arc<Queue>>) -> Self {
        for queue in queues {
            let Some(first) = self.sources.first() else {
                break;
            };
            self.sources.push(SourceState {
                info: queue.info().clone(),
                queue: Some(queue),
                filter: first.filter.clone(),
                caplen: first.caplen,
                lost: None,
                before: Ledger::default(),
                told: Ledger::default(),
                own: Ledger::default(),
                taken: Count::default(),
                flushed: Count::default(),
            });
        }
        self
    }

    fn taken(&self) -> Count {
        self.sources
            .iter()
            .fold(Count::default(), |sum, source| sum + source.taken)
    }

    fn flushed(&self) -> Count {
        self.sources
            .iter()
            .fold(Count::default(), |sum, source| sum + source.flushed)
    }

    fn is_due(&self, open: &Open) -> bool {
        let bytes = open.bytes();
        self.rotate && !self.folder.is_one_file()
            || self.taken().frames > 0
                && (self.rotate_bytes.is_some_and(|limit| bytes >= limit)
                    // The limit of this process for the length of files (ulimit -f).
                    || bytes + HPCAP_CAPLEN_MAX as u64 + ROOM_BYTES > self.folder.file_bytes_max())
    }

    fn begin(&mut self, ledger: &Ledger) -> Result<Open, StorageError> {
        let mut file = self.folder.create()?;
        file.make_buffered()?;
        let place = Place {
            recording: Some(self.recording),
            stream_off: self.log.bytes(),
            file_number: self.file_number,
        };
        let mut headers = Vec::new();
        for source in &mut self.sources {
            // What the last file did not take is in this one.
            source.taken = source.taken - source.flushed;
            source.flushed = Count::default();
            let (caplen, filter) = (source.caplen, source.filter.as_str());
            headers.push(header_of(&source.info, place, caplen, filter, ledger));
        }
        let comment = pcapfile::identity::comment(&identity_of(&headers));
        let tail = Tail::default();
        let mut writer = match CaptureWriter::new(tail.writer(), self.format, &headers, &comment) {
            Ok(writer) => writer,
            Err(e) => {
                let error = StorageError::of_write(file.path(), e);
                file.discard();
                return Err(error);
            }
        };
        // Neither call fails: the bytes go into memory.
        let _ = writer.flush();
        let _ = io::Write::write_all(&mut tail.writer(), &self.carried);
        let carried = std::mem::take(&mut self.carried).len() as u64;
        Ok(Open {
            file,
            writer,
            tail,
            carried,
            headers,
            start: Timestamp::now(),
        })
    }

    /// Ends the file under way behind its last frame that was flushed.
    fn seal(&mut self, end: End<'_>) {
        let Some(mut open) = self.open.take() else {
            return;
        };
        let end_of_frames = open.tail.written();
        if end_of_frames == 0 {
            // Not even the file's header was written.
            open.file.discard();
            return;
        }
        let now = Timestamp::now();
        let statistics: Vec<_> = self
            .sources
            .iter_mut()
            .map(|source| source.statistics((open.start, now), end))
            .collect();
        let closing = closing(self.format, &open.headers, &statistics);
        // The statistics use the reserved room. The file is cut behind them when it is finished.
        let mut write = || -> Result<u64, StorageError> {
            open.file.write(&closing, end_of_frames, &mut 0)?;
            Ok(end_of_frames + closing.len() as u64)
        };
        let len = match write() {
            Ok(len) => len,
            Err(error) => {
                self.log.warn(format!(
                    "{}\n  the file ends without its statistics; it is whole otherwise",
                    error
                ));
                end_of_frames
            }
        };
        self.file_number += 1;
        let frames = self.flushed();
        let sealed = Sealed::new(open.file, len, frames, None);
        self.log.add(sealed, len);
    }

    /// Writes everything that was taken, into another file if the one under way does not take it.
    fn flush_rest(&mut self, end: &Moment) -> Result<(), OutputFailure> {
        let flushed = self.flush();
        if self.carried.is_empty() {
            return flushed;
        }
        self.ready(&|| *end)?;
        self.flush()
    }

    /// Gives up the open file, with the frames in it, if it is not at its path any more.
    fn look_for_file(&mut self) -> Result<(), OutputFailure> {
        self.looked = Instant::now();
        let Some(open) = self.open.as_ref().filter(|open| open.file.is_gone()) else {
            return Ok(());
        };
        let error = gone(open.file.path());
        if !open.file.is_removed() {
            // The renamed file still gets its remaining frames and its end.
            self.rotate = true;
            let error = error.advise("going on with a new file");
            self.log.warn(error.to_string());
            return Ok(());
        }
        // What is in the file is lost. The rest goes into the next file.
        let lost = self.flushed();
        if let Some(mut open) = self.open.take() {
            self.carried = open.take_unwritten();
        }
        let error =
            error.advise("going on with a new file; the frames in it are counted as storage");
        Err(failure(StorageError::File(error), lost))
    }
}

/// The point up to which the statistics of a file count.
#[derive(Debug, Clone, Copy)]
enum End<'a> {
    /// The last frame of the file; another file follows. Counts without a place in the stream, such
    /// as filtered frames, are included up to now.
    Frame(&'a Ledger),
    /// The last frame of the file, after a failure. Nothing is known beyond what the stream tells.
    Interruption,
    /// The end of the recording.
    Recording(&'a Ledger),
}

impl SourceState {
    /// Makes the statistics of the file that ends, from its start to its end. Later counts belong
    /// to the next file.
    fn statistics(&mut self, (start, now): (Timestamp, Timestamp), end: End<'_>) -> Statistics {
        let mut ledger = match (end, &self.queue) {
            (End::Frame(_) | End::Recording(_), Some(queue)) => queue.ledger().ledger,
            (End::Frame(ledger) | End::Recording(ledger), None) => *ledger,
            (End::Interruption, _) => self.before,
        };
        let mut carried = Count::default();
        if let End::Interruption = end {
            // The next file says that these frames are missing.
            carried = self.taken - self.flushed;
            self.told[Reason::Captured] = self.told[Reason::Captured] - carried;
        }
        if !matches!(end, End::Recording(_)) {
            for reason in TOLD {
                ledger[reason] = self.before[reason];
                ledger[reason] += self.told[reason];
            }
        }
        let statistics = statistics_between(
            (start, &self.before),
            (now, &ledger),
            &self.own,
            self.flushed.frames,
        );
        self.before = ledger;
        self.told = Ledger::default();
        self.told[Reason::Captured] = carried;
        self.own = Ledger::default();
        statistics
    }
}

impl RecordOutput for CaptureOutput {
    fn turn(&mut self, ledger: &dyn Fn() -> Moment) -> Result<(), OutputFailure> {
        if self.open.as_ref().is_some_and(|open| self.is_due(open)) {
            self.flush()?;
            self.seal(End::Frame(&ledger().ledger));
        }
        self.rotate = false;
        // Reading the clock for every frame would cost as much as storing it.
        let taken = self.taken().frames;
        let idle = taken == self.frames_seen;
        self.frames_seen = taken;
        if (idle || taken.is_multiple_of(1024)) && self.looked.elapsed() >= LOOK_EVERY {
            self.look_for_file()?;
        }
        Ok(())
    }

    fn ready(&mut self, ledger: &dyn Fn() -> Moment) -> Result<(), OutputFailure> {
        if self.open.is_none() {
            let open = self.begin(&ledger().ledger);
            self.open = Some(open.map_err(|error| failure(error, Count::default()))?);
        }
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let len = open.bytes() + FRAME_BYTES_MAX + ROOM_BYTES;
        if let Err(error) = open.file.claim(len) {
            return Err(failure(error, Count::default()));
        }
        // The head is written at once, so that a file is valid from its first moment.
        let flushed = open.tail.written();
        let full = flushed == 0 || open.bytes() - flushed >= FLUSH_BYTES;
        if full { self.flush() } else { Ok(()) }
    }

    fn altered(&mut self, had: Altered) {
        self.altered = Some(had);
    }

    fn source(&mut self, number: usize) {
        self.current = number;
    }

    fn frame(&mut self, record: &Record<'_>, duplicate: bool) {
        let Some(source) = self.sources.get_mut(self.current) else {
            return;
        };
        let Some(open) = &mut self.open else { return };
        // Both calls fail only if `ready` was not called before.
        if let Some(lost) = source.lost.take() {
            let _ = open.writer.gap(self.current, &lost);
        }
        let had = self.altered.take().map_or(0, |had| had.len);
        let len = u32::from(record.len).max(had);
        if open
            .writer
            .frame(self.current, record, len, duplicate)
            .is_ok()
        {
            let count = Count::new(1, u64::from(record.len));
            source.taken += count;
            source.told[Reason::Captured] += count;
        }
    }

    fn gap(&mut self, gap: &Gap) {
        if let Some(source) = self.sources.get_mut(self.current) {
            *source.lost.get_or_insert_default() += &gap.lost;
            for own in [Reason::Overrun, Reason::Storage] {
                source.own[own] += gap.lost[own];
            }
            for reason in TOLD {
                source.told[reason] += gap.lost[reason];
            }
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
                for source in &mut self.sources {
                    source.flushed = source.taken;
                }
                Ok(())
            }
            Err(error) => {
                if matches!(error, StorageError::File(_)) {
                    // The next file takes what this one does not.
                    self.carried = open.take_unwritten();
                    self.seal(End::Interruption);
                }
                Err(failure(error, Count::default()))
            }
        }
    }

    fn rotate(&mut self) {
        self.rotate = true;
    }

    fn finish(&mut self, end: &Moment, _complete: bool) -> Result<(), OutputFailure> {
        let flushed = self.flush_rest(end);
        let unflushed = self.taken() - self.flushed();
        if flushed.is_err() {
            self.count_unstored();
        }
        let result = last_flush(flushed, unflushed);
        self.seal(End::Recording(&end.ledger));
        result
    }

    fn written(&self) -> Written {
        let under_way = self.open.as_ref().map_or(0, Open::bytes);
        self.log.written(under_way)
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        self.log.take_notices()
    }
}

impl CaptureOutput {
    /// Counts the frames that were taken for the file under way, but are not in it, as lost to
    /// storage.
    fn count_unstored(&mut self) {
        for source in &mut self.sources {
            source.own[Reason::Storage] += source.taken - source.flushed;
        }
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

fn failure(error: StorageError, lost: Count) -> OutputFailure {
    OutputFailure::Storage { error, lost }
}
