//! Writes whole blocks from the ring into files.
//!
//! The stream is laid out so that storing needs no parsing: a file is whole blocks, and the block
//! index says where each file starts. The writer looks at records only where a file ends early.

use hpcap::abi::{HPCAP_CAPLEN_MAX, HPCAP_RECORD_BYTES};
use hpcap::raw::index::{Entry, Index};
use hpcap::raw::padding::{padding_header, padding_to};
use hpcap::{Count, Ledger, Reason, Timestamp};

use crate::sink::block::block_view::{BlockView, StoredBlock};
use crate::sink::block::tail_buffer::TailBuffer;
use crate::sink::block::walk::{walk, walk_while};
use crate::storage::closing::closing;
use crate::storage::direct::align_down;
use crate::storage::error::StorageError;
use crate::storage::file::CaptureFile;
use crate::storage::folder::OutputFolder;
use crate::storage::sealed::Sealed;

/// Sizes of a queue's blocks and files.
#[derive(Debug, Clone, Copy)]
pub struct Geometry {
    /// Size of a block in bytes.
    pub block_bytes: u64,
    /// Size of the longest file in bytes.
    pub file_bytes_max: u64,
}

/// Writes the stream into one file after the other.
#[derive(Debug)]
pub struct BlockWriter {
    folder: OutputFolder,
    geometry: Geometry,
    tail_buffer: TailBuffer,
    open: Option<Open>,
}

/// The open file. Its offset 0 is the start of a block of the stream.
#[derive(Debug)]
struct Open {
    file: CaptureFile,
    /// Stream offset of the file's start.
    start: u64,
    /// Frames captured before the file.
    before: Count,
    /// Stream offset up to which the file holds the stream.
    stored: u64,
    /// Stream offset up to which the file holds whole blocks that the producer did not overwrite
    /// while they were being written.
    trusted: u64,
    /// Stream offset of the first record that starts in the last trusted block, and the ledger
    /// before that record.
    anchor: (u64, Ledger),
    index: Index,
}

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
    /// A writer that creates its files in `folder`.
    #[must_use]
    pub fn new(folder: OutputFolder, geometry: Geometry) -> Self {
        Self {
            folder,
            geometry,
            tail_buffer: TailBuffer::default(),
            open: None,
        }
    }

    /// Stream offset of the start of the file under way.
    #[must_use]
    pub fn file_start(&self) -> Option<u64> {
        self.open.as_ref().map(|o| o.start)
    }

    /// Stream offset up to which the file under way holds the stream.
    #[must_use]
    pub fn stored(&self) -> Option<u64> {
        self.open.as_ref().map(|o| o.stored)
    }

    /// Whether the file under way holds at least one trusted block.
    #[must_use]
    pub fn holds_blocks(&self) -> bool {
        self.open.as_ref().is_some_and(|o| o.trusted > o.start)
    }

    /// Creates an empty file that starts at stream offset `start`. `told` is the ledger as the
    /// stream before `start` tells it.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn begin(&mut self, start: u64, told: Ledger) -> Result<(), StorageError> {
        let open = Open::begin(&self.folder, self.geometry, start, told)?;
        self.open = Some(open);
        Ok(())
    }

    /// Writes the part of `view` that is not stored yet to the file under way. If there is no file,
    /// begins one; `view` must then be the start of a file. The last page of a partial block is
    /// written with padding behind the data ([`TailBuffer`]), and written again with the rest of
    /// the block. Returns the number of bytes of the stream that were newly stored.
    ///
    /// # Errors
    /// [`StorageError`]. The call can be repeated; it then goes on where it failed.
    pub fn store(&mut self, view: &BlockView<'_>) -> Result<u64, StorageError> {
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(Open::begin(
                &self.folder,
                self.geometry,
                view.off,
                view.told_before(),
            )?),
        };
        let before = open.stored;
        let in_file = view.off - open.start;
        open.file.claim(in_file + self.geometry.block_bytes)?;
        let len = view.bytes.len() as u64;
        let from = align_down(before.max(view.off) - view.off);
        let pages_end = if view.complete { len } else { align_down(len) };
        if from < pages_end {
            let mut done = 0;
            let pages = slice(view.bytes, from, pages_end);
            let result = open.file.write(pages, in_file + from, &mut done);
            open.stored = before.max(view.off + from + done);
            result?;
        }
        if !view.complete {
            let tail = slice(view.bytes, pages_end, len);
            let tail_buffer = self.tail_buffer.fill(tail);
            open.file.write(tail_buffer, in_file + pages_end, &mut 0)?;
            open.stored = view.end();
        }
        Ok(open.stored - before)
    }

    /// Marks `block` as trusted, because the ring still held the whole block after it was written.
    pub fn trust(&mut self, block: &StoredBlock) {
        let block_bytes = self.geometry.block_bytes;
        if let Some(open) = &mut self.open {
            open.trusted = block.off + block_bytes;
            open.anchor = (block.first_off, block.told);
            open.index.entries.push(Entry {
                offset: block.first_off - open.start,
                time: block.first_time,
                span: block.span,
            });
        }
    }

    /// Flushes the stored data to the disk.
    pub fn sync(&self) {
        if let Some(open) = &self.open {
            open.file.sync();
        }
    }

    /// Ends the file under way at stream offset `end`, the block boundary at which the producer
    /// ended its file. `captured` counts the frames captured before `end`.
    pub fn complete(&mut self, end: u64, captured: Count) -> Option<Sealed> {
        let open = self.open.take()?;
        let frames = captured - open.before;
        let index = Some(open.index);
        Some(Sealed::new(open.file, end - open.start, frames, index))
    }

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

    /// Ends the file under way at stream offset `end`, behind its last whole record, with `tags`
    /// and padding. `captured` counts the frames captured before `end`. If the tags or the padding
    /// cannot be written, the file ends early, which every reader accepts, and the error is
    /// returned beside it. A file without a byte is removed.
    pub fn seal(
        &mut self,
        end: u64,
        captured: Count,
        tags: &[Vec<u8>],
    ) -> Option<(Sealed, Option<StorageError>)> {
        let Geometry {
            block_bytes,
            file_bytes_max,
        } = self.geometry;
        let mut open = self.open.take()?;
        let at = end - open.start;
        let closing = closing(at, block_bytes, file_bytes_max, tags);
        let mut write = || -> Result<u64, StorageError> {
            open.file.make_buffered()?;
            // Only the headers of the padding are written, so old bytes behind the end would show
            // between them.
            open.file.cut(at)?;
            for (off, bytes) in &closing.writes {
                open.file.write(bytes, *off, &mut 0)?;
            }
            Ok(closing.len)
        };
        let (len, error) = match write() {
            Ok(len) => (len, None),
            Err(error) => {
                // The disk has no room for the padding. The tags alone still fit if the caller made
                // room for them.
                let mut len = at;
                for tag in tags {
                    let record = tag_record(tag);
                    if open.file.write(&record, len, &mut 0).is_err() {
                        break;
                    }
                    len += record.len() as u64;
                }
                (len, Some(error))
            }
        };
        if len == 0 {
            // The disk took not even the header, so there is nothing to keep.
            open.file.discard();
            return None;
        }
        let index = open.index_until(at).map(|mut index| {
            for (off, _) in closing.writes.iter().filter(|(off, _)| *off < len) {
                index.note(*off, None);
            }
            index
        });
        let frames = captured - open.before;
        let sealed = Sealed::new(open.file, len, frames, index);
        Some((sealed, error))
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

    /// The open file, if its path does not lead to it any more.
    #[must_use]
    pub fn gone(&self) -> Option<&CaptureFile> {
        self.open
            .as_ref()
            .map(|open| &open.file)
            .filter(|file| file.is_gone())
    }

    /// Goes on in a new file in the middle of the producer's file, because somebody has removed the
    /// open file, which ends at `at`. The new file begins with a block of `tags`, padding, and the
    /// start of the record that reaches into the next block, from the old file. `next` is the
    /// block in the ring that was not stored whole.
    ///
    /// # Errors
    /// [`StorageError`]. The open file is then as it was.
    pub fn go_on(
        &mut self,
        at: &ValidEnd,
        next: &BlockView<'_>,
        tags: &[Vec<u8>],
    ) -> Result<(), StorageError> {
        let block_bytes = self.geometry.block_bytes;
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let mut head = vec![0; usize::try_from(next.off - at.end).unwrap_or(0)];
        open.file.make_buffered()?;
        let from = at.end - open.start;
        let read = open.file.read(&mut head, from);
        read.map_err(|e| StorageError::of_write(open.file.path(), e))?;
        let start = next.off - block_bytes;
        let mut new = Open::begin(&self.folder, self.geometry, start, at.told)?;
        if let Err(error) = new.write_first_block(block_bytes, &head, next.bytes, tags) {
            new.file.discard();
            return Err(error);
        }
        new.anchor = (at.end, at.told);
        (new.stored, new.trusted) = (next.off, next.off);
        self.open = Some(new);
        Ok(())
    }

    /// Closes the open file, which somebody has removed.
    pub fn abandon(&mut self) {
        self.open = None;
    }

    /// Removes the open file, which holds no trusted block.
    pub fn discard(&mut self) {
        if let Some(open) = self.open.take() {
            open.file.discard();
        }
    }
}

impl Open {
    fn begin(
        folder: &OutputFolder,
        geometry: Geometry,
        start: u64,
        told: Ledger,
    ) -> Result<Self, StorageError> {
        Ok(Self {
            file: folder.create()?,
            start,
            before: told[Reason::Captured],
            stored: start,
            trusted: start,
            anchor: (start, told),
            index: Index::new(geometry.block_bytes),
        })
    }

    /// Writes a block of `tags`, padding and `head`, the start of a record that goes on with `next`.
    fn write_first_block(
        &mut self,
        block_bytes: u64,
        head: &[u8],
        next: &[u8],
        tags: &[Vec<u8>],
    ) -> Result<(), StorageError> {
        self.file.claim(block_bytes)?;
        self.file.make_buffered()?;
        let mut off = 0;
        for tag in tags {
            let record = tag_record(tag);
            self.file.write(&record, off, &mut 0)?;
            self.index.note(off, None);
            off += record.len() as u64;
        }
        let head_off = block_bytes - head.len() as u64;
        for padding in padding_to(off, head_off).into_iter().flatten() {
            self.file.write(padding.as_bytes(), off, &mut 0)?;
            off += (HPCAP_RECORD_BYTES + usize::from(padding.caplen)) as u64;
        }
        self.file.write(head, head_off, &mut 0)?;
        // The record is at most as long as its header says, so these bytes hold all of it.
        let rest = &next[..next.len().min(HPCAP_RECORD_BYTES + HPCAP_CAPLEN_MAX)];
        let joined = [head, rest].concat();
        let index = &mut self.index;
        let _ = walk_while(&joined, |before, head, _| {
            let starts_here = head_off + before.bytes < block_bytes;
            if starts_here {
                let time = (!head.is_padding()).then(|| Timestamp::new(head.sec, head.nsec));
                index.note(head_off + before.bytes, time);
            }
            starts_here
        });
        Ok(())
    }

    /// Returns the index of the file, which ends early at byte `at`. Its last entries are made from
    /// the records in the file, because those of the producer also count frames behind `at`.
    /// Returns `None` if the file cannot be read.
    fn index_until(&mut self, at: u64) -> Option<Index> {
        let mut index = std::mem::replace(&mut self.index, Index::new(0));
        index.entries.retain(|e| e.offset < at);
        let from = index.entries.pop().map_or(0, |last| last.offset);
        let mut bytes = vec![0; usize::try_from(at - from).ok()?];
        self.file.read(&mut bytes, from).ok()?;
        let _ = walk_while(&bytes, |before, head, _| {
            let frame = !head.is_padding();
            let time = frame.then(|| Timestamp::new(head.sec, head.nsec));
            index.note(from + before.bytes, time);
            true
        });
        Some(index)
    }

    /// Reads what the file holds from stream offset `from` up to `trusted`. Returns nothing if it
    /// cannot be read, so that at most one block is given up.
    fn read_back(&mut self, from: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.trusted.saturating_sub(from)).unwrap_or(0)];
        if self.file.make_buffered().is_err()
            || self.file.read(&mut bytes, from - self.start).is_err()
        {
            bytes.clear();
        }
        bytes
    }
}

/// Makes a padding record whose body is `tag`.
fn tag_record(tag: &[u8]) -> Vec<u8> {
    let body = u16::try_from(tag.len()).unwrap_or(u16::MAX);
    [padding_header(body).as_bytes(), tag].concat()
}

fn slice(bytes: &[u8], from: u64, to: u64) -> &[u8] {
    let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    bytes.get(at(from)..at(to)).unwrap_or_default()
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
