//! Stores the stream in whole blocks, without looking at records.

pub mod block_view;
pub mod open_file;
mod resume;
mod seal;
mod split;
pub mod tail_buffer;
pub mod valid_end;
pub mod walk;
pub mod writer;

use std::time::Instant;

use hpcap::listener::{Listener, Moment, TOLD_LOSSES};
use hpcap::queue::QueueInfo;
use hpcap::{Count, Kind, Ledger, Reason, Result};

use resume::Interruption;
use split::END_BYTES;

use crate::report::event::{EndedBy, Notice};
use crate::sink::block::block_view::{BlockView, StoredBlock};
use crate::sink::block::walk::walk_while;
use crate::sink::block::writer::{BlockWriter, Geometry};
use crate::sink::{Ending, FLUSH_AFTER, Sink, Step, Tally};
use crate::storage::error::StorageError;
use crate::storage::folder::OutputFolder;

/// Limits at which a recording of blocks ends, or begins a new file.
#[derive(Debug, Clone, Copy, Default)]
pub struct BlockLimits {
    /// The recording ends after this many files.
    pub files: Option<u64>,
    /// The recording ends before the files together hold more than this many bytes.
    pub bytes: Option<u64>,
    /// A new file begins before the current one holds more than this many bytes.
    pub rotate_bytes: Option<u64>,
}

/// Writes whole blocks into files.
#[derive(Debug)]
pub struct BlockSink {
    writer: BlockWriter,
    limits: BlockLimits,
    info: QueueInfo,
    tally: Tally,
    /// What other sinks of the same recording have done.
    others: Tally,
    notices: Vec<Notice>,
    flushed: Instant,
    /// Stream offset up to which everything is stored or was given up.
    done: u64,
    /// The ledger as the stream tells it before the file under way or, if there is none, before the
    /// next file.
    reached: Ledger,
    /// Start of the file for which rotation was already requested.
    rotated: Option<u64>,
    /// Number of the producer's current file, as of the last step.
    file_number: u64,
    interruption: Option<Interruption>,
    /// Start of the file that is known to have another name by now.
    renamed: Option<u64>,
    /// The ledger as the finished files tell it.
    told: Ledger,
    /// Whether the recording has ended. A file that is still open then does not count.
    finished: bool,
}

impl BlockSink {
    /// A sink that records `listener`, which starts at the start of a file, into `folder`.
    #[must_use]
    pub fn new(listener: &Listener, folder: OutputFolder, limits: BlockLimits) -> Self {
        let info = listener.info().clone();
        let file_bytes = limits.rotate_bytes.map_or(info.file_bytes_max, |n| {
            n.next_multiple_of(info.block_bytes)
        });
        let reserve = [Some(info.file_bytes_max), Some(file_bytes), limits.bytes];
        let folder = folder.reserving(reserve.into_iter().flatten().min().unwrap_or(0));
        let geometry = Geometry {
            block_bytes: info.block_bytes,
            file_bytes_max: info.file_bytes_max,
        };
        Self {
            writer: BlockWriter::new(folder, geometry),
            limits,
            info,
            tally: Tally::default(),
            others: Tally::default(),
            notices: Vec::new(),
            flushed: Instant::now(),
            done: listener.position(),
            reached: told_before(listener),
            rotated: None,
            file_number: listener.page().file_number(),
            interruption: None,
            renamed: None,
            told: Ledger::default(),
            finished: false,
        }
    }

    /// Requests a new file when the producer's file exceeds the limit with its next block.
    fn watch_length(&mut self, listener: &mut Listener) {
        let Some(limit) = self.limits.rotate_bytes else {
            return;
        };
        let file = listener.page().file_off();
        let length = listener.published().saturating_sub(file);
        if self.rotated != Some(file) && length + self.info.block_bytes > limit {
            self.rotated = Some(file);
            listener.request_file();
        }
    }

    /// Whether this sink with its `files` finished files has reached the limit of `--files`.
    fn has_files(&self, files: u64) -> bool {
        let all = files + self.others.files;
        self.limits.files.is_some_and(|limit| all >= limit)
    }

    /// Applies `--bytes` to a view. Returns the stream offset behind the last record that fits, or
    /// `None` if the whole view fits.
    fn byte_limit(&self, view: &BlockView<'_>) -> Option<u64> {
        let stored = self.writer.stored().unwrap_or(view.off).max(view.off);
        let used = self.tally.stored_bytes + self.others.stored_bytes;
        let room = self.limits.bytes?.saturating_sub(used);
        if view.end() - stored <= room {
            return None;
        }
        let until = stored + room;
        let skip = usize::try_from(view.entry.first_off - view.off).ok()?;
        let start = view.entry.first_off;
        let records = walk_while(view.bytes.get(skip..)?, |before, _, size| {
            start + before.bytes + size <= until
        });
        // The record that reaches into this block from the previous block is always kept whole.
        Some(start + records.bytes)
    }

    /// Gives `block` back to the ring. Trusts what was written of it only if the ring still held
    /// the whole block until now.
    fn confirm(&mut self, listener: &mut Listener, block: &StoredBlock, len: u64) -> Result<Step> {
        listener.advance(len);
        match listener.ack() {
            Ok(()) => {
                self.writer.trust(block);
                self.done = listener.position();
                Ok(Step::Done)
            }
            Err(e) if e.kind() == Kind::Overrun => {
                self.interrupt(Reason::Overrun, None);
                Ok(Step::Done)
            }
            Err(e) => Err(e),
        }
    }
}

impl Sink for BlockSink {
    fn step(&mut self, listener: &mut Listener, until: u64) -> Result<Step> {
        if self.interruption.is_some() {
            return self.resume(listener, until);
        }
        if !tail_is_whole(listener) {
            self.interrupt(Reason::Overrun, None);
            return Ok(Step::Done);
        }
        self.file_number = listener.page().file_number();
        self.complete_file(listener);
        self.watch_length(listener);
        if self.has_files(self.tally.files) {
            return Ok(Step::Limit(EndedBy::Files));
        }
        let idle = Step::Idle {
            bytes: self.info.block_bytes,
        };
        let Some(mut view) = BlockView::of(listener, until) else {
            return Ok(idle);
        };
        let limit = self.byte_limit(&view);
        if let Some(end) = limit {
            let keep = usize::try_from(end.saturating_sub(view.off)).unwrap_or(0);
            view.bytes = &view.bytes[..keep.min(view.bytes.len())];
            view.complete = false;
        }
        let due = until != u64::MAX || limit.is_some() || self.flushed.elapsed() >= FLUSH_AFTER;
        let new = view.end() > self.writer.stored().unwrap_or(0).max(view.off);
        if !(view.complete || due && new) {
            return Ok(if limit.is_some() {
                Step::Limit(EndedBy::Bytes)
            } else {
                idle
            });
        }
        if self.writer.is_at(self.file_bytes_max()) {
            // A split makes two files of one.
            if self.has_files(self.tally.files + 1) {
                return Ok(Step::Limit(EndedBy::Files));
            }
            match self.split(&view, listener.page().caplen()) {
                Ok(true) => return Ok(Step::Done),
                Ok(false) => {}
                Err(error) => return Ok(Step::after(error)),
            }
        }
        let before = self.writer.stored().unwrap_or(view.off);
        let result = self.writer.store(&view);
        // A write that fails may have stored a part of the block.
        let stored = self.writer.stored().unwrap_or(before);
        self.tally.stored_bytes += stored.saturating_sub(before);
        match result {
            Ok(()) => {}
            Err(StorageError::File(e)) => {
                return Ok(self.file_failed(listener, until, StorageError::File(e)));
            }
            Err(error) => return Ok(Step::after(error)),
        }
        self.flushed = Instant::now();
        let (complete, len) = (view.complete, view.bytes.len() as u64);
        let block = view.stored_block();
        if complete {
            return self.confirm(listener, &block, len);
        }
        self.done = block.off + len;
        if limit.is_some() {
            return Ok(Step::Limit(EndedBy::Bytes));
        }
        self.writer.sync();
        Ok(Step::Done)
    }

    fn set_others(&mut self, others: &Tally) {
        self.others = *others;
    }

    fn done_to(&self, _listener: &Listener) -> u64 {
        self.done
    }

    fn look(&mut self, listener: &mut Listener) {
        self.look_for_file(listener);
    }

    fn rotate(&mut self, listener: &mut Listener) {
        listener.request_file();
    }

    fn finish(&mut self, listener: &mut Listener, ending: &Ending) {
        let end = ending.target;
        self.finished = true;
        if self.interruption.is_some() {
            self.end_interruption(&end.ledger, &end, None);
            return;
        }
        self.complete_file(listener);
        let Some(stored) = self.writer.stored() else {
            if !ending.complete {
                let lost = missing(&end.ledger, &self.reached, Reason::Storage);
                self.tally.lost[Reason::Storage] += lost[Reason::Storage];
            }
            self.told = self.reached;
            return;
        };
        let view = BlockView::of(listener, stored);
        let partial = view.filter(|_| tail_is_whole(listener));
        // A file that a limit ends needs no more room than it has.
        let full = ending.limited && self.writer.is_at(self.file_bytes_max());
        let end_in_file = full.then(|| self.writer.end_with_room(END_BYTES)).flatten();
        let salvage = end_in_file.or_else(|| self.writer.salvage(partial.as_ref()));
        let Some(salvage) = salvage else {
            return;
        };
        let lost = if ending.limited {
            Ledger::default()
        } else if ending.complete {
            missing(&end.ledger, &salvage.told, Reason::Overrun)
        } else {
            missing(&end.ledger, &salvage.told, Reason::Storage)
        };
        for own in [Reason::Overrun, Reason::Storage] {
            self.tally.lost[own] += lost[own];
        }
        self.seal(&salvage, &end, &lost, None);
    }

    fn told(&self, _listener: &Listener) -> Ledger {
        self.told
    }

    fn tally(&self) -> Tally {
        let under_way = match self.finished {
            true => Count::default(),
            false => self.writer.frames(),
        };
        Tally {
            stored: self.tally.stored + under_way,
            ..self.tally
        }
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }
}

/// The ledger as the stream tells it before the position of `listener`.
fn told_before(listener: &Listener) -> Ledger {
    let block = listener.position() / listener.info().block_bytes;
    match listener.block_entry(block) {
        Some(entry) => Moment::from(&entry).ledger,
        // Nothing was captured behind that position yet.
        None => *listener.told(),
    }
}

/// Returns the counts that are missing from the stream between the ledgers `from` and `to`: the
/// captured frames, counted as `own`, and the losses whose gaps are missing with the frames.
fn missing(to: &Ledger, from: &Ledger, own: Reason) -> Ledger {
    let mut missing = Ledger::default();
    missing[own] = to[Reason::Captured] - from[Reason::Captured];
    for reason in TOLD_LOSSES {
        missing[reason] = to[reason] - from[reason];
    }
    missing
}

/// Whether the ring still holds the whole block at the position of `listener`, which may be stored
/// in part. For a lossless listener it does, unless the listener was killed.
fn tail_is_whole(listener: &Listener) -> bool {
    listener.page().oldest() <= listener.position()
}
