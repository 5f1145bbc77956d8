//! The stream as it is, in whole blocks.

mod mend;

use std::time::Instant;

use hpcap::listener::Listener;
use hpcap::queue::QueueInfo;
use hpcap::raw::{Gap, LedgerTag, tag::Tag};
use hpcap::{Count, Kind, Ledger, Reason, Result, Timestamp};

use mend::Broken;

use crate::block_writer::{BlockWriter, Geometry, Salvage};
use crate::capture_file::OutputFolder;
use crate::file_header::{Place, header_of};
use crate::piece::Piece;
use crate::sink::{Ending, FLUSH_AFTER, Note, Sink, Step, Tally};
use crate::trouble::Trouble;
use crate::walk::walk_while;

/// Where a block recorder stops by itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct BlockLimits {
    /// After so many files.
    pub files: Option<u64>,
    /// Before the files together hold more bytes than this.
    pub bytes: Option<u64>,
    /// A new file before one holds more bytes than this.
    pub rotate_bytes: Option<u64>,
}

/// Writes whole blocks into files.
#[derive(Debug)]
pub struct BlockSink {
    writer: BlockWriter,
    limits: BlockLimits,
    info: QueueInfo,
    tally: Tally,
    notes: Vec<Note>,
    flushed: Instant,
    /// Stream offset up to which everything is stored, or given up.
    done: u64,
    /// Frames captured before the file under way, or before the next where there is none.
    reached: Count,
    /// The file that a new one was asked for, because it is long enough.
    rotated: Option<u64>,
    /// Number of the producer's file under way, as of the last look.
    file_number: u64,
    broken: Option<Broken>,
}

impl BlockSink {
    /// Records `listener`, which starts at a file, into `folder`.
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
            notes: Vec::new(),
            flushed: Instant::now(),
            done: listener.position(),
            reached: captured_before(listener),
            rotated: None,
            file_number: listener.page().file_number(),
            broken: None,
        }
    }

    /// Ends the file under way where the producer ended it, once everything of it is stored.
    fn complete_file(&mut self, listener: &Listener) {
        let at = listener.position();
        let Some(start) = self.writer.file_start() else {
            return;
        };
        if start == at || self.writer.stored() != Some(at) {
            return;
        }
        let next = listener.block_entry(at / self.info.block_bytes);
        let ended = at - start == self.info.file_bytes_max
            || listener.page().file_off() == at
            || next.is_some_and(|e| e.file_off == at);
        if !ended {
            return;
        }
        let captured = match next {
            Some(entry) => Count::new(entry.frames, entry.bytes),
            // Nothing was captured behind the file yet.
            None => self
                .writer
                .salvage(None)
                .map_or(Count::default(), |s| s.captured),
        };
        self.reached = captured;
        if let Some(sealed) = self.writer.complete(at, captured) {
            self.note_sealed(sealed);
        }
    }

    fn note_sealed(&mut self, sealed: crate::capture_file::Sealed) {
        self.tally.files += 1;
        self.tally.stored += sealed.frames;
        self.notes.push(Note::Sealed(Box::new(sealed)));
    }

    /// Asks for a new file when the producer's is long enough, or will be in a block.
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

    /// What `--bytes` leaves of a piece: the stream offset behind the last record that fits,
    /// or `None` when all of it does.
    fn byte_limit(&self, piece: &Piece<'_>) -> Option<u64> {
        let stored = self.writer.stored().unwrap_or(piece.off).max(piece.off);
        let room = self.limits.bytes?.checked_sub(self.tally.stored_bytes)?;
        if piece.end() - stored <= room {
            return None;
        }
        let until = stored + room;
        let skip = usize::try_from(piece.entry.first_off - piece.off).ok()?;
        let start = piece.entry.first_off;
        let records = walk_while(piece.bytes.get(skip..)?, |before, _, size| {
            start + before.bytes + size <= until
        });
        // Less than the record that reaches into the block cannot be kept.
        Some(start + records.bytes)
    }

    /// A stored block must still be whole in the ring.
    fn confirm(
        &mut self,
        listener: &mut Listener,
        piece: (u64, u64, Count, u64),
        len: u64,
    ) -> Result<Step> {
        let (off, first_off, captured, first_ns) = piece;
        listener.advance(len);
        match listener.ack() {
            Ok(()) => {
                self.writer.trust(off, first_off, captured, first_ns);
                self.done = listener.position();
                Ok(Step::Done)
            }
            Err(e) if e.kind() == Kind::Overrun => {
                self.break_off(Reason::Overrun, None);
                Ok(Step::Done)
            }
            Err(e) => Err(e),
        }
    }

    /// Ends the file under way at `at`, with a gap where there is one, and the ledger.
    fn seal(&mut self, at: &Salvage, ledger: &Ledger, gap: Option<(Reason, Count)>) {
        let now = Timestamp::now();
        let mut tags = Vec::new();
        if !self.info.plain {
            let of_ledger = Tag::Ledger(Box::new(LedgerTag {
                end: now,
                ledger: *ledger,
            }));
            tags.push(of_ledger.to_body());
            if let Some((reason, count)) = gap {
                let mut lost = Ledger::default();
                lost[reason] = count;
                let gap = Tag::Gap(Box::new(Gap {
                    from: at.last,
                    until: now,
                    lost,
                }));
                tags.insert(0, gap.to_body());
            }
            if self.writer.file_start() == Some(at.end) {
                // Not even the stream's own header is in it.
                let place = Place {
                    recording: self.info.recording,
                    stream_off: at.end,
                    file_number: self.file_number,
                };
                let header = header_of(&self.info, place, 0, "", ledger);
                tags.insert(0, Tag::FileHeader(Box::new(header)).to_body());
            }
        }
        if let Some((sealed, trouble)) = self.writer.seal(at.end, at.captured, &tags) {
            if let Some(trouble) = trouble {
                self.notes.push(Note::Warning(format!(
                    "{}\n  the file ends without padding; it is whole otherwise",
                    trouble.error()
                )));
            }
            self.note_sealed(sealed);
        }
    }
}

impl Sink for BlockSink {
    fn step(&mut self, listener: &mut Listener, until: u64) -> Result<Step> {
        if self.broken.is_some() {
            return self.mend(listener, until);
        }
        if !tail_is_whole(listener) {
            self.break_off(Reason::Overrun, None);
            return Ok(Step::Done);
        }
        self.file_number = listener.page().file_number();
        self.complete_file(listener);
        self.watch_length(listener);
        if self.limits.files.is_some_and(|n| self.tally.files >= n) {
            return Ok(Step::Limit("files"));
        }
        let idle = Step::Idle {
            bytes: self.info.block_bytes,
        };
        let Some(mut piece) = Piece::of(listener, until) else {
            return Ok(idle);
        };
        let limit = self.byte_limit(&piece);
        if let Some(end) = limit {
            let keep = usize::try_from(end.saturating_sub(piece.off)).unwrap_or(0);
            piece.bytes = &piece.bytes[..keep.min(piece.bytes.len())];
            piece.complete = false;
        }
        let due = until != u64::MAX || limit.is_some() || self.flushed.elapsed() >= FLUSH_AFTER;
        let new = piece.end() > self.writer.stored().unwrap_or(0).max(piece.off);
        if !(piece.complete || due && new) {
            return Ok(if limit.is_some() {
                Step::Limit("bytes")
            } else {
                idle
            });
        }
        match self.writer.store(&piece) {
            Ok(bytes) => self.tally.stored_bytes += bytes,
            Err(Trouble::File(e)) => {
                return Ok(self.file_failed(listener, until, Trouble::File(e)));
            }
            Err(passing) => return Ok(Step::Hold(passing)),
        }
        self.flushed = Instant::now();
        let (complete, len) = (piece.complete, piece.bytes.len() as u64);
        let of_piece = (
            piece.off,
            piece.entry.first_off,
            piece.captured_before(),
            piece.entry.first_ns,
        );
        if complete {
            return self.confirm(listener, of_piece, len);
        }
        self.done = of_piece.0 + len;
        if limit.is_some() {
            return Ok(Step::Limit("bytes"));
        }
        self.writer.sync();
        Ok(Step::Done)
    }

    fn done_to(&self, _listener: &Listener) -> u64 {
        self.done
    }

    fn rotate(&mut self, listener: &mut Listener) {
        listener.request_file();
    }

    fn finish(&mut self, listener: &mut Listener, ending: &Ending) {
        let captured = ending.target.ledger[Reason::Captured];
        let ledger = ending.target.ledger;
        if self.broken.is_some() {
            self.end_broken(captured, &ledger);
            return;
        }
        self.complete_file(listener);
        let Some(stored) = self.writer.stored() else {
            if !ending.complete {
                self.tally.lost[Reason::Storage] += captured - self.reached;
            }
            return;
        };
        let piece = Piece::of(listener, stored);
        let partial = piece.filter(|_| tail_is_whole(listener));
        if let Some(piece) = &partial
            && piece.entry.first_off < stored
        {
            self.writer.note_partial(piece);
        }
        let Some(salvage) = self.writer.salvage(partial.as_ref()) else {
            return;
        };
        let wanted = ending.target.published;
        if ending.complete && salvage.end >= wanted.min(stored) {
            self.seal(&salvage, &ledger, None);
            return;
        }
        let reason = if ending.complete {
            Reason::Overrun
        } else {
            Reason::Storage
        };
        let lost = captured - salvage.captured;
        self.tally.lost[reason] += lost;
        self.seal(&salvage, &ledger, Some((reason, lost)));
    }

    fn tally(&self) -> Tally {
        self.tally
    }

    fn notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }
}

/// Frames captured before the place where `listener` stands.
fn captured_before(listener: &Listener) -> Count {
    let block = listener.position() / listener.info().block_bytes;
    match listener.block_entry(block) {
        Some(entry) => Count::new(entry.frames, entry.bytes),
        // Nothing was captured behind it yet.
        None => listener.ledger().ledger[Reason::Captured],
    }
}

/// Whether the block that `listener` stands at, which was stored in part, is still whole in
/// the ring: that of a lossless listener is, unless it was killed.
fn tail_is_whole(listener: &Listener) -> bool {
    listener.page().oldest() <= listener.position()
}
