//! Stores the stream record by record, as filters, limits by frames, shorter frames, pcapng, pcap
//! and pipes need it.

pub mod capture_output;
pub mod capture_writer;
pub mod duplicate_mark;
pub mod file_log;
pub mod merge;
pub mod pipe_output;
pub mod raw_output;

use std::time::Instant;

use hpcap::filter::Filter;
use hpcap::listener::{Listener, Moment, Start, TOLD_LOSSES};
use hpcap::raw::{Altered, Gap, Item, Record};
use hpcap::{Count, Kind, Ledger, Reason, Result, Timestamp};

use crate::report::event::{EndedBy, Notice};
use crate::sink::record::duplicate_mark::DuplicateMark;
use crate::sink::{Ending, FLUSH_AFTER, Sink, Step, Tally};
use crate::storage::error::StorageError;

/// Records taken in one step, before the session looks at signals and the clock again.
const BATCH: usize = 4096;

/// A failure of an output.
#[derive(Debug)]
pub enum OutputFailure {
    /// Storing failed. With [`StorageError::File`], `lost` frames that had been taken are not
    /// stored.
    Storage {
        /// The failure.
        error: StorageError,
        /// Frames that were taken and cannot be stored any more.
        lost: Count,
    },
    /// The reader of the pipe has closed it.
    ReaderGone,
    /// The reader of the pipe reads nothing at the moment.
    ReaderSlow,
}

/// The output of a frame-by-frame recording.
pub trait RecordOutput {
    /// Ends the file under way if that is due. `ledger` returns the current ledger; the output
    /// calls it only if needed. The call can be repeated after a failure.
    ///
    /// # Errors
    /// [`OutputFailure`].
    fn turn(&mut self, _ledger: &dyn Fn() -> Moment) -> std::result::Result<(), OutputFailure> {
        Ok(())
    }

    /// Makes room for another record of any size. The call can be repeated after a failure.
    ///
    /// # Errors
    /// [`OutputFailure`].
    fn ready(&mut self, ledger: &dyn Fn() -> Moment) -> std::result::Result<(), OutputFailure>;

    /// Sets the source, counted from 0, of the frames and gaps that follow.
    fn source(&mut self, _number: usize) {}

    /// Takes a frame, and marks it as a duplicate if `duplicate` is true. [`RecordOutput::ready`]
    /// must have made room for both.
    fn frame(&mut self, record: &Record<'_>, duplicate: bool);

    /// Sets the original length and time of the next frame, which its record cannot hold.
    fn altered(&mut self, _had: Altered) {}

    /// Takes a gap. The output writes it at once, or keeps it until it can be written.
    fn gap(&mut self, gap: &Gap);

    /// Writes everything that was taken to the file or pipe.
    ///
    /// # Errors
    /// [`OutputFailure`]; the call can be repeated.
    fn flush(&mut self) -> std::result::Result<(), OutputFailure>;

    /// Checks that the open file still exists under its name.
    ///
    /// # Errors
    /// [`OutputFailure::Storage`] if it does not.
    fn look(&mut self) -> std::result::Result<(), OutputFailure> {
        Ok(())
    }

    /// Requests a new file before the next record.
    fn rotate(&mut self) {}

    /// Ends the output. `end` has the ledger at the end of the recording. `complete` is false if
    /// nothing more can be written.
    fn finish(&mut self, end: &Moment, complete: bool) -> std::result::Result<(), OutputFailure>;

    /// The amount that the output wrote so far.
    fn written(&self) -> Written;

    /// Takes the notices for the session since the last call.
    fn take_notices(&mut self) -> Vec<Notice> {
        Vec::new()
    }
}

/// The amount that an output wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Bytes written, those of the open file included.
    pub bytes: u64,
    /// Number of files that were ended.
    pub files: u64,
}

/// Selects frames, and the bytes that are kept of each.
#[derive(Debug, Default)]
pub struct Selector {
    /// Keeps only the frames that match; `None` keeps all frames.
    pub filter: Option<Filter>,
    /// Bytes kept of each frame; `None` keeps whole frames.
    pub caplen: Option<usize>,
}

impl Selector {
    fn keeps(&self, record: &Record<'_>) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| filter.matches(record.data, u32::from(record.len)))
    }
}

/// Limits at which a frame-by-frame recording ends.
#[derive(Debug, Clone, Copy, Default)]
pub struct RecordLimits {
    /// The recording ends after this many frames.
    pub frames: Option<u64>,
    /// The recording ends when the output holds at least this many bytes.
    pub bytes: Option<u64>,
    /// The recording ends after this many files.
    pub files: Option<u64>,
}

impl RecordLimits {
    /// Returns the limit that `stored` frames or the `written` output has reached, if any.
    #[must_use]
    pub fn reached(&self, stored: Count, written: Written) -> Option<EndedBy> {
        let over = |limit: Option<u64>, n: u64| limit.is_some_and(|limit| n >= limit);
        if over(self.frames, stored.frames) {
            Some(EndedBy::Frames)
        } else if over(self.files, written.files) {
            Some(EndedBy::Files)
        } else if over(self.bytes, written.bytes) {
            Some(EndedBy::Bytes)
        } else {
            None
        }
    }
}

/// Prepares `output` for the next record: ends the file under way if that is due, and makes room.
/// `others` counts what other sinks of the recording have done, and `stored` the frames of this one.
/// Returns the step with which the sink must end instead, if a limit is reached or if the output has
/// ended a file since it had `files_before`.
///
/// # Errors
/// [`OutputFailure`]; the call can be repeated.
fn prepare(
    output: &mut impl RecordOutput,
    limits: &RecordLimits,
    others: &Tally,
    stored: Count,
    files_before: u64,
    ledger: &dyn Fn() -> Moment,
) -> std::result::Result<Option<Step>, OutputFailure> {
    output.turn(ledger)?;
    let written = output.written();
    let all = Written {
        bytes: written.bytes + others.stored_bytes,
        files: written.files + others.files,
    };
    if let Some(limit) = limits.reached(stored + others.stored, all) {
        return Ok(Some(Step::Limit(limit)));
    }
    if written.files > files_before {
        // The session must hand the file to the finisher, and pauses if too many files wait.
        return Ok(Some(Step::Done));
    }
    output.ready(ledger)?;
    Ok(None)
}

/// Passes records one by one to an output.
#[derive(Debug)]
pub struct RecordSink<O> {
    output: O,
    selector: Selector,
    limits: RecordLimits,
    tally: Tally,
    /// What other sinks of the same recording have done.
    others: Tally,
    flushed: Instant,
    /// Whether records were taken since the last flush.
    pending: bool,
    last: Option<Timestamp>,
    mark: DuplicateMark,
    altered: Option<Altered>,
    told: Ledger,
    overtaken: bool,
    ring_bytes: u64,
    acked: u64,
    notices: Vec<Notice>,
}

impl<O: RecordOutput> RecordSink<O> {
    /// A sink that passes the records of `listener` that `selector` keeps to `output`.
    #[must_use]
    pub fn new(listener: &Listener, output: O, selector: Selector, limits: RecordLimits) -> Self {
        Self {
            output,
            selector,
            limits,
            tally: Tally::default(),
            others: Tally::default(),
            flushed: Instant::now(),
            pending: false,
            last: None,
            mark: DuplicateMark::default(),
            altered: None,
            told: Ledger::default(),
            overtaken: false,
            ring_bytes: listener.info().ring_bytes,
            acked: listener.position(),
            notices: Vec::new(),
        }
    }

    fn failed(&mut self, failure: OutputFailure) -> Step {
        match failure {
            OutputFailure::ReaderGone => Step::ReaderGone,
            OutputFailure::ReaderSlow => Step::Pause,
            OutputFailure::Storage { error, lost } => {
                if !lost.is_zero() {
                    self.tally.stored = self.tally.stored - lost;
                    self.own_gap(Reason::Storage, lost);
                }
                Step::after(error)
            }
        }
    }

    /// Writes a gap for frames that this recorder lost itself.
    fn own_gap(&mut self, reason: Reason, count: Count) {
        let mut lost = Ledger::default();
        lost[reason] = count;
        self.missing(lost);
    }

    /// Counts `lost`, which this recorder did not receive or store, and writes a gap for it.
    fn missing(&mut self, lost: Ledger) {
        for own in [Reason::Overrun, Reason::Storage] {
            self.tally.lost[own] += lost[own];
        }
        if lost == Ledger::default() {
            return;
        }
        self.output.gap(&Gap {
            from: self.last,
            until: Timestamp::now(),
            open: true,
            lost,
        });
        self.pending = true;
    }

    /// Takes one record. Returns a step if there is no record to take.
    fn take(&mut self, listener: &mut Listener) -> Result<Option<Step>> {
        let item = match listener.next_record() {
            Ok(Some(item)) => item,
            Ok(None) => return Ok(Some(Step::Idle { bytes: 1 })),
            Err(e) if e.kind() == Kind::Overrun => {
                self.overtaken = true;
                self.mark.void();
                self.altered = None;
                return Ok(Some(Step::Done));
            }
            Err(e) => return Err(e),
        };
        let duplicate = self.mark.of(&item);
        match item {
            Item::Frame(mut record) => {
                let altered = self.altered.take();
                let len = Count::new(1, u64::from(record.len));
                if !self.selector.keeps(&record) {
                    self.tally.filtered += len;
                    return Ok(None);
                }
                if let Some(caplen) = self.selector.caplen {
                    record.data = &record.data[..record.data.len().min(caplen)];
                }
                if let Some(had) = altered {
                    self.output.altered(had);
                }
                self.output.frame(&record, duplicate);
                self.last = Some(record.time);
                self.tally.stored += len;
                self.pending = true;
            }
            Item::Gap(gap) => {
                self.output.gap(&gap);
                self.pending = true;
            }
            Item::Altered(had) => self.altered = Some(had),
            Item::FileHeader(_) | Item::Ledger(_) | Item::Padding(_) | Item::Duplicate => {}
        }
        Ok(None)
    }

    /// Flushes the output, and gives the stored records back to the ring.
    fn flush(&mut self, listener: &mut Listener) -> Result<Option<Step>> {
        if let Err(failure) = self.output.flush() {
            return Ok(Some(self.failed(failure)));
        }
        self.pending = false;
        self.flushed = Instant::now();
        self.ack(listener)
    }

    fn ack(&mut self, listener: &mut Listener) -> Result<Option<Step>> {
        self.acked = listener.position();
        match listener.ack() {
            // An overrun does no harm here, because each record was checked when it was taken.
            Err(e) if e.kind() == Kind::Overrun => Ok(None),
            other => other.map(|()| None),
        }
    }

    /// Counts the selected frames before stream offset `until` that cannot be stored.
    fn count_rest(&self, listener: &mut Listener, until: u64) -> Count {
        let mut rest = Count::default();
        while listener.position() < until
            && let Ok(Some(item)) = listener.next_record()
        {
            if let Item::Frame(record) = item
                && self.selector.keeps(&record)
            {
                rest += Count::new(1, u64::from(record.len));
            }
        }
        rest
    }

    fn resync(&mut self, listener: &mut Listener) -> Result<Step> {
        match listener.resync(Start::Oldest) {
            Ok(missed) => {
                self.overtaken = false;
                self.acked = listener.position();
                self.missing(missed);
                Ok(Step::Done)
            }
            Err(e) if e.kind() == Kind::NotFound => Ok(Step::Pause),
            Err(e) => Err(e),
        }
    }
}

/// The queue's ledger as this recording sees it: frames that the recorder's own filter refused are
/// counted as filtered instead of captured.
#[must_use]
pub fn own_ledger(mut ledger: Ledger, filtered: Count) -> Ledger {
    let captured = ledger[Reason::Captured];
    ledger[Reason::Captured] = captured - filtered;
    ledger[Reason::Filtered] += filtered;
    ledger
}

fn own_moment(mut now: Moment, filtered: Count) -> Moment {
    now.ledger = own_ledger(now.ledger, filtered);
    now
}

impl<O: RecordOutput> Sink for RecordSink<O> {
    fn step(&mut self, listener: &mut Listener, until: u64) -> Result<Step> {
        let mut after = Step::Done;
        let files_before = self.output.written().files;
        for _ in 0..BATCH {
            let (stored, filtered) = (self.tally.stored, self.tally.filtered);
            let ledger = || own_moment(Moment::from(&listener.ledger()), filtered);
            match prepare(
                &mut self.output,
                &self.limits,
                &self.others,
                stored,
                files_before,
                &ledger,
            ) {
                Ok(None) => {}
                Ok(Some(step)) => return Ok(step),
                Err(failure) => return Ok(self.failed(failure)),
            }
            if self.overtaken {
                after = self.resync(listener)?;
            } else if listener.position() >= until {
                after = Step::Idle { bytes: 1 };
            } else if let Some(step) = self.take(listener)? {
                after = step;
            } else {
                continue;
            }
            break;
        }
        // Unflushed frames hold back at most an eighth of the ring, and for a bounded time.
        let much = listener.position() - self.acked >= self.ring_bytes / 8;
        if self.pending && (much || self.flushed.elapsed() >= FLUSH_AFTER) {
            if let Some(step) = self.flush(listener)? {
                return Ok(step);
            }
        } else if !self.pending && self.acked != listener.position() {
            // The filter refused every frame since the last acknowledgement.
            self.ack(listener)?;
        }
        Ok(after)
    }

    fn set_others(&mut self, others: &Tally) {
        self.others = *others;
    }

    fn done_to(&self, listener: &Listener) -> u64 {
        if self.overtaken {
            listener.published()
        } else {
            listener.position()
        }
    }

    fn look(&mut self, _listener: &mut Listener) {
        if let Err(failure) = self.output.look()
            && let Step::Hold(error) = self.failed(failure)
        {
            self.notices.push(Notice::warning(error.to_string()));
        }
    }

    fn rotate(&mut self, _listener: &mut Listener) {
        self.output.rotate();
    }

    fn finish(&mut self, listener: &mut Listener, ending: &Ending) {
        let end = ending.target;
        let told = *listener.told();
        if !ending.limited {
            let mut lost = Ledger::default();
            for reason in TOLD_LOSSES {
                lost[reason] = end.ledger[reason] - told[reason];
            }
            if self.overtaken {
                lost[Reason::Overrun] = end.ledger[Reason::Captured] - told[Reason::Captured];
            } else if !ending.complete {
                lost[Reason::Storage] = self.count_rest(listener, end.off);
            }
            self.missing(lost);
        }
        self.told = told;
        let end = own_moment(end, self.tally.filtered);
        if let Err(OutputFailure::Storage { error, lost }) =
            self.output.finish(&end, ending.complete)
        {
            self.tally.lose_stored(lost);
            self.notices.push(Notice::warning(error.to_string()));
        }
    }

    fn told(&self, _listener: &Listener) -> Ledger {
        self.told
    }

    fn tally(&self) -> Tally {
        let written = self.output.written();
        Tally {
            stored_bytes: written.bytes,
            files: written.files,
            ..self.tally
        }
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        self.notices.extend(self.output.take_notices());
        std::mem::take(&mut self.notices)
    }
}
