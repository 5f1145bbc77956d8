//! Passes frames and gaps to an output, and counts what became of them.

use std::time::Instant;

use hpcap::listener::Moment;
use hpcap::raw::Gap;
use hpcap::{Count, Ledger, Reason, Timestamp};

use crate::report::event::Notice;
use crate::sink::record::selection::RecordLimits;
use crate::sink::record::{OutputFailure, OutputFrame, RecordOutput, Written};
use crate::sink::{FLUSH_AFTER, Step, Tally};
use crate::storage::error::StorageError;

/// An output, with the limits of the recording and the counts of what went into the output.
#[derive(Debug)]
pub struct Delivery<O> {
    output: O,
    limits: RecordLimits,
    tally: Tally,
    /// What other sinks of the same recording have done.
    others: Tally,
    /// Time of the last frame of each source.
    last: Vec<Option<Timestamp>>,
    flushed: Instant,
    /// Whether frames or gaps were taken since the last flush.
    pending: bool,
    notices: Vec<Notice>,
    /// Whether a failure of the output ends the recording, which reports the failure.
    is_broken: bool,
}

impl<O: RecordOutput> Delivery<O> {
    /// Passes the frames of `sources` sources to `output`.
    #[must_use]
    pub fn new(output: O, limits: RecordLimits, sources: usize) -> Self {
        Self {
            output,
            limits,
            tally: Tally::default(),
            others: Tally::default(),
            last: vec![None; sources],
            flushed: Instant::now(),
            pending: false,
            notices: Vec::new(),
            is_broken: false,
        }
    }

    /// Number of files that the output has ended.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.output.written().files
    }

    /// Frames that the recorder's own filter refused.
    #[must_use]
    pub fn filtered(&self) -> Count {
        self.tally.filtered
    }

    /// Prepares the output for the next record: ends the file under way if that is due, and makes
    /// room. Returns the step with which the sink must end instead after a failure, if a limit is
    /// reached, or if the output has ended a file since it had `files_before`.
    #[inline(always)]
    pub fn prepare(&mut self, files_before: u64, ledger: &dyn Fn() -> Moment) -> Option<Step> {
        if let Err(failure) = self.output.turn(ledger) {
            return Some(self.handle_failure(failure));
        }
        let written = self.output.written();
        let all = Written {
            bytes: written.bytes + self.others.stored_bytes,
            files: written.files + self.others.files,
        };
        let stored = self.tally.stored + self.others.stored;
        if let Some(limit) = self.limits.reached(stored, all) {
            return Some(Step::Limit(limit));
        }
        if written.files > files_before {
            // The session must hand the file to the finisher, and pauses if too many files wait.
            return Some(Step::Done);
        }
        let failure = self.output.ready(ledger).err()?;
        Some(self.handle_failure(failure))
    }

    /// Stores a frame.
    #[inline(always)]
    pub fn frame(&mut self, frame: &OutputFrame<'_>) {
        self.output.frame(frame);
        if let Some(last) = self.last.get_mut(frame.source) {
            *last = Some(frame.record.time);
        }
        self.tally.stored += frame.count();
        self.pending = true;
    }

    /// Counts a frame that the recorder's own filter refused.
    pub fn refuse(&mut self, frame: Count) {
        self.tally.filtered += frame;
    }

    /// Stores a gap of the stream.
    pub fn gap(&mut self, source: usize, gap: &Gap) {
        self.output.gap(source, gap);
        self.pending = true;
    }

    /// Counts `lost`, which this recorder did not receive or store of `source`, and stores a gap for
    /// it.
    pub fn missing(&mut self, source: usize, lost: &Ledger) {
        for own in [Reason::Overrun, Reason::Storage] {
            self.tally.lost[own] += lost[own];
        }
        if *lost == Ledger::default() {
            return;
        }
        let gap = Gap {
            from: self.last.get(source).copied().flatten(),
            until: Timestamp::now(),
            open: true,
            lost: *lost,
        };
        self.gap(source, &gap);
    }

    /// Whether frames or gaps were taken since the last flush.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.pending
    }

    /// Whether what was taken must be flushed: after some time, or if it holds `much` of the ring.
    #[must_use]
    pub fn is_flush_due(&self, much: bool) -> bool {
        self.pending && (much || self.flushed.elapsed() >= FLUSH_AFTER)
    }

    /// Flushes the output. Returns the step with which the sink must end after a failure.
    pub fn flush(&mut self) -> Option<Step> {
        if let Err(failure) = self.output.flush() {
            return Some(self.handle_failure(failure));
        }
        self.pending = false;
        self.flushed = Instant::now();
        None
    }

    /// Sets what other sinks of the recording have done, because the limits are for all together.
    pub fn set_others(&mut self, others: &Tally) {
        self.others = *others;
    }

    /// Checks that the open file still exists.
    pub fn look(&mut self) {
        if let Err(failure) = self.output.look()
            && let Step::Hold(error) = self.handle_failure(failure)
        {
            self.notices.push(Notice::warning(error.to_string()));
        }
    }

    /// Requests a new file before the next record.
    pub fn rotate(&mut self) {
        self.output.rotate();
    }

    /// Ends the output; `end` has the ledger at the end of the recording. Frames that are not stored
    /// by then count as lost. The output itself notes them in its files.
    pub fn finish(&mut self, end: &Moment) {
        if let Err(OutputFailure::Storage { error, lost }) = self.output.finish(end) {
            for lost in lost {
                self.tally.lose_stored(lost);
            }
            let is_known = self.is_broken && matches!(error, StorageError::Final(_));
            if !is_known {
                self.notices.push(Notice::warning(error.to_string()));
            }
        }
    }

    /// The counts so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let written = self.output.written();
        Tally {
            stored_bytes: written.bytes,
            files: written.files,
            ..self.tally
        }
    }

    /// Takes the notices for the session since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        self.notices.extend(self.output.take_notices());
        std::mem::take(&mut self.notices)
    }

    /// Counts the frames that a failure has lost, with a gap for each source. Returns the step with
    /// which the sink must end.
    #[cold]
    fn handle_failure(&mut self, failure: OutputFailure) -> Step {
        match failure {
            OutputFailure::ReaderGone => Step::ReaderGone,
            OutputFailure::ReaderSlow => Step::Pause,
            OutputFailure::Storage { error, lost } => {
                self.is_broken |= matches!(error, StorageError::Final(_));
                for (source, frames) in lost.into_iter().enumerate() {
                    self.tally.stored = self.tally.stored - frames;
                    let mut lost = Ledger::default();
                    lost[Reason::Storage] = frames;
                    self.missing(source, &lost);
                }
                Step::after(error)
            }
        }
    }
}
