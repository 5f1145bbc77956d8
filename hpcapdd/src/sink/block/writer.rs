//! Writes whole blocks from the ring into files.
//!
//! The stream is laid out so that storing needs no parsing: a file is whole blocks, and the block
//! index says where each file starts. The writer looks at records only where a file ends early.

use hpcap::raw::index::Entry;
use hpcap::{Count, Ledger, Reason};

use crate::sink::block::block_view::{BlockView, StoredBlock};
use crate::sink::block::open_file::OpenFile;
use crate::sink::block::tail_buffer::TailBuffer;
use crate::sink::block::valid_end::ValidEnd;
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
    pub(super) geometry: Geometry,
    tail_buffer: TailBuffer,
    pub(super) open: Option<OpenFile>,
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

    /// Sizes of the queue's blocks and files.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.geometry
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

    /// Frames of the file under way that are stored, as far as they are counted.
    #[must_use]
    pub fn frames(&self) -> Count {
        self.open.as_ref().map_or(Count::default(), |o| o.frames)
    }

    /// Bytes of the file under way that are behind its last trusted block.
    #[must_use]
    pub fn untrusted_bytes(&self) -> u64 {
        self.open.as_ref().map_or(0, OpenFile::untrusted_bytes)
    }

    /// Whether the file under way holds at least one trusted block of the ring.
    #[must_use]
    pub fn holds_blocks(&self) -> bool {
        self.open.as_ref().is_some_and(|o| o.trusted > o.own_from)
    }

    /// Whether the file under way began in the middle of the producer's file.
    #[must_use]
    pub fn began_in_the_middle(&self) -> bool {
        self.open.as_ref().is_some_and(|o| o.own_from > o.start)
    }

    /// Creates an empty file that starts at stream offset `start`. `told` is the ledger as the
    /// stream before `start` tells it.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn begin(&mut self, start: u64, told: Ledger) -> Result<(), StorageError> {
        let open = OpenFile::begin(&self.folder, self.geometry, start, told)?;
        self.open = Some(open);
        Ok(())
    }

    /// Writes the part of `view` that is not stored yet to the file under way. If there is no file,
    /// begins one; `view` must then be the start of a file. The last page of a partial block is
    /// written with padding behind the data ([`TailBuffer`]), and written again with the rest of
    /// the block.
    ///
    /// # Errors
    /// [`StorageError`]. The call can be repeated; it then goes on where it failed.
    pub fn store(&mut self, view: &BlockView<'_>) -> Result<(), StorageError> {
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(OpenFile::begin(
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
            // This block may be under way for long, and is looked at once in a while only.
            if let Some(records) = view.records(view.end()) {
                open.note_frames(view.told_before()[Reason::Captured] + records.frames);
            }
        }
        Ok(())
    }

    /// Marks `block` as trusted, because the ring still held the whole block after it was written.
    pub fn trust(&mut self, block: &StoredBlock) {
        let block_bytes = self.geometry.block_bytes;
        if let Some(open) = &mut self.open {
            open.trusted = block.off + block_bytes;
            open.anchor = (block.first_off, block.told);
            open.note_frames(block.told[Reason::Captured]);
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
        let open = self.open.take()?;
        open.seal(self.geometry, end, captured, tags)
    }

    /// The open file, if its path does not lead to it any more.
    #[must_use]
    pub fn gone(&self) -> Option<&CaptureFile> {
        self.open
            .as_ref()
            .map(|open| &open.file)
            .filter(|file| file.is_gone())
    }

    /// Goes on in a new file in the middle of the producer's file. The old file ends at `at`, in its
    /// last trusted block. The new one begins with a block of `tags`, padding, and the bytes from
    /// `at` to the end of that block, from the old file. `next` is the block in the ring behind
    /// them. Returns the old file.
    ///
    /// # Errors
    /// [`StorageError`]. The file under way then holds its trusted blocks, as far as they can be written
    /// back.
    pub fn go_on(
        &mut self,
        at: &ValidEnd,
        next: &BlockView<'_>,
        tags: &[Vec<u8>],
    ) -> Result<Option<OpenFile>, StorageError> {
        let block_bytes = self.geometry.block_bytes;
        let Some(open) = &mut self.open else {
            return Ok(None);
        };
        let mut head = vec![0; usize::try_from(next.off - at.end).unwrap_or(0)];
        open.file.make_buffered()?;
        let from = at.end - open.start;
        let read = open.file.read(&mut head, from);
        read.map_err(|e| StorageError::of_write(open.file.path(), e))?;
        let start = next.off - block_bytes;
        // Room for the first two blocks, and more than enough for their index.
        let file = self
            .folder
            .create_with_room(2 * block_bytes + block_bytes / 8)?;
        let mut new = OpenFile::begin_in(file, self.geometry, start, at.told);
        let moved = new
            .begin_first_block(block_bytes, head.len() as u64, tags)
            .and_then(|head_off| {
                // The old file ends first. If the recorder is killed now, no frame is in both files.
                open.file.cut(from)?;
                open.stored = open.stored.min(open.trusted);
                let moved = new.end_first_block(head_off, &head, next.bytes);
                if moved.is_err() {
                    // If this fails, too, the old file ends where it can be read.
                    let _ = open.file.write(&head, from, &mut 0);
                }
                moved
            });
        if let Err(error) = moved {
            new.file.discard();
            return Err(error);
        }
        new.anchor = (at.end, at.told);
        (new.stored, new.trusted, new.own_from) = (next.off, next.off, next.off);
        Ok(self.open.replace(new))
    }

    /// Whether the next block would make the file under way longer than `limit` bytes, and another
    /// file can take it: the file under way has two blocks or more, because a file in the middle of
    /// the producer's begins with a block of its own.
    #[must_use]
    pub fn is_at(&self, limit: u64) -> bool {
        let block_bytes = self.geometry.block_bytes;
        self.open.as_ref().is_some_and(|open| {
            let len = open.trusted - open.start;
            len >= 2 * block_bytes && len + block_bytes > limit
        })
    }

    /// Longest file, in bytes, that this process may write.
    #[must_use]
    pub fn file_bytes_max(&self) -> u64 {
        self.folder.file_bytes_max()
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

fn slice(bytes: &[u8], from: u64, to: u64) -> &[u8] {
    let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    bytes.get(at(from)..at(to)).unwrap_or_default()
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
