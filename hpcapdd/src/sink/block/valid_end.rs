//! Where a file can end early: the places behind its whole records.

use hpcap::{Ledger, Timestamp};

use crate::sink::block::block_view::BlockView;
use crate::sink::block::open_file::tag_record;
use crate::sink::block::walk::{walk, walk_to_end_of_file, walk_while};
use crate::sink::block::writer::BlockWriter;
use crate::storage::error::StorageError;

/// The end of a file that was cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidEnd {
    /// Stream offset behind the last whole record of the file.
    pub end: u64,
    /// The ledger as the stream before `end` tells it.
    pub told: Ledger,
    /// Time of the last frame, if it is known.
    pub last: Option<Timestamp>,
}

impl BlockWriter {
    /// Finds where the file under way can end: behind its last whole record. `view` is the block
    /// that was being stored, if the ring still holds it. Without `view`, only trusted blocks
    /// count.
    #[must_use]
    pub fn salvage(&mut self, view: Option<&BlockView<'_>>) -> Option<ValidEnd> {
        let block_bytes = self.geometry.block_bytes;
        let open = self.open.as_mut()?;
        if let Some(view) = view
            && let Some(records) = view.records(open.stored)
        {
            return Some(ValidEnd {
                end: view.entry.first_off + records.bytes,
                told: records.told_after(view.told_before()),
                last: records.last,
            });
        }
        let (first_off, told) = open.anchor;
        let rest = open.read_back(first_off.max(open.trusted.saturating_sub(block_bytes)));
        let records = walk(&rest);
        Some(ValidEnd {
            end: first_off + records.bytes,
            told: records.told_after(told),
            last: records.last,
        })
    }

    /// Whether the disk has room for `tags` behind stream offset `end` of the file under way. This
    /// writes the tags to find out; [`BlockWriter::seal`] cuts the file at its end before it writes
    /// them for good.
    #[must_use]
    pub fn has_room(&mut self, end: u64, tags: &[Vec<u8>]) -> bool {
        let Some(open) = &mut self.open else {
            return true;
        };
        let at = end - open.start;
        let mut write = || -> Result<(), StorageError> {
            open.file.make_buffered()?;
            open.file.cut(at)?;
            let mut off = at;
            for tag in tags {
                let record = tag_record(tag);
                open.file.write(&record, off, &mut 0)?;
                off += record.len() as u64;
            }
            Ok(())
        };
        write().is_ok()
    }

    /// Finds an earlier end for the file under way, which ends at `at` now, so that at least `room`
    /// of its bytes can be overwritten. The new end is behind a whole record. Returns `None` if
    /// there is no such end.
    #[must_use]
    pub fn shorten(&mut self, at: &ValidEnd, room: u64) -> Option<ValidEnd> {
        let open = self.open.as_mut()?;
        let end = at.end - open.start;
        let limit = end.checked_sub(room)?;
        let starts = open.index.entries.iter().map(|e| e.offset);
        let from = starts.filter(|o| *o <= limit).max().unwrap_or(0);
        let mut bytes = vec![0; usize::try_from(end - from).ok()?];
        open.file.make_buffered().ok()?;
        open.file.read(&mut bytes, from).ok()?;
        let kept = walk_while(&bytes, |before, _, size| {
            from + before.bytes + size <= limit
        });
        let gone = walk(&bytes[usize::try_from(kept.bytes).ok()?..]);
        // The file keeps at least its own header.
        (from + kept.bytes > 0).then_some(ValidEnd {
            end: open.start + from + kept.bytes,
            told: gone.told_before(at.told),
            last: kept.last,
        })
    }

    /// Finds the last place in the trusted blocks at which the file under way can end so that `room`
    /// bytes remain before the edge of the last one. Returns `None` if there is no such place, or if
    /// the file cannot be read.
    #[must_use]
    pub fn end_with_room(&mut self, room: u64) -> Option<ValidEnd> {
        let open = self.open.as_mut()?;
        let (first_off, told) = open.anchor;
        let limit = open.trusted.checked_sub(first_off)?.checked_sub(room)?;
        let rest = open.read_back(first_off);
        if rest.is_empty() {
            return None;
        }
        let records = walk_to_end_of_file(&rest, limit);
        Some(ValidEnd {
            end: first_off + records.bytes,
            told: records.told_after(told),
            last: records.last,
        })
    }
}
