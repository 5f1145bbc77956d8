//! The file that a block writer writes: how it begins, and how it ends early.

use hpcap::abi::{HPCAP_CAPLEN_MAX, HPCAP_RECORD_BYTES};
use hpcap::raw::index::Index;
use hpcap::raw::padding::{padding_header, padding_to};
use hpcap::{Count, Ledger, Reason, Timestamp};

use crate::sink::block::walk::walk_while;
use crate::sink::block::writer::Geometry;
use crate::storage::closing::closing;
use crate::storage::error::StorageError;
use crate::storage::file::CaptureFile;
use crate::storage::folder::OutputFolder;
use crate::storage::sealed::Sealed;

/// The open file. Its offset 0 is the start of a block of the stream.
#[derive(Debug)]
pub struct OpenFile {
    pub(super) file: CaptureFile,
    /// Stream offset of the file's start.
    pub(super) start: u64,
    /// Frames captured before the file.
    pub(super) before: Count,
    /// Frames of the file that are stored, as far as they are counted: those before its last whole
    /// block, or all of them when that block was stored in parts.
    pub(super) frames: Count,
    /// Stream offset up to which the file holds the stream.
    pub(super) stored: u64,
    /// Stream offset up to which the file holds whole blocks that the producer did not overwrite
    /// while they were being written.
    pub(super) trusted: u64,
    /// Stream offset of the first block that comes from the ring. The file begins with a block of
    /// its own if it begins in the middle of the producer's file.
    pub(super) own_from: u64,
    /// Stream offset of the first record that starts in the last trusted block, and the ledger
    /// before that record.
    pub(super) anchor: (u64, Ledger),
    pub(super) index: Index,
}

impl OpenFile {
    /// Bytes of the file that are behind its last trusted block.
    #[must_use]
    pub fn untrusted_bytes(&self) -> u64 {
        self.stored.saturating_sub(self.trusted)
    }

    pub(super) fn begin(
        folder: &OutputFolder,
        geometry: Geometry,
        start: u64,
        told: Ledger,
    ) -> Result<Self, StorageError> {
        Ok(Self::begin_in(folder.create()?, geometry, start, told))
    }

    /// Begins `file`, which starts at stream offset `start`.
    pub(super) fn begin_in(
        file: CaptureFile,
        geometry: Geometry,
        start: u64,
        told: Ledger,
    ) -> Self {
        Self {
            file,
            start,
            before: told[Reason::Captured],
            frames: Count::default(),
            stored: start,
            trusted: start,
            own_from: start,
            anchor: (start, told),
            index: Index::new(geometry.block_bytes),
        }
    }

    /// Notes that the file holds the frames before a record for which the stream tells `captured`.
    pub(super) fn note_frames(&mut self, captured: Count) {
        let frames = captured - self.before;
        if frames.frames > self.frames.frames {
            self.frames = frames;
        }
    }

    /// Begins a block of `tags`, padding and `head_bytes` bytes of records, for which the disk has room
    /// then. Returns the offset of the records, which are not written yet.
    pub(super) fn begin_first_block(
        &mut self,
        block_bytes: u64,
        head_bytes: u64,
        tags: &[Vec<u8>],
    ) -> Result<u64, StorageError> {
        self.file.claim(block_bytes)?;
        self.file.make_buffered()?;
        let mut off = 0;
        for tag in tags {
            let record = tag_record(tag);
            self.file.write(&record, off, &mut 0)?;
            self.index.note(off, None);
            off += record.len() as u64;
        }
        let head_off = block_bytes - head_bytes;
        for padding in padding_to(off, head_off).into_iter().flatten() {
            self.file.write(padding.as_bytes(), off, &mut 0)?;
            off += (HPCAP_RECORD_BYTES + usize::from(padding.caplen)) as u64;
        }
        self.file.reserve_room(head_off, head_bytes)?;
        Ok(head_off)
    }

    /// Ends the first block with `head` at `head_off`: records, of which the last one goes on with `next`.
    pub(super) fn end_first_block(
        &mut self,
        head_off: u64,
        head: &[u8],
        next: &[u8],
    ) -> Result<(), StorageError> {
        let block_bytes = head_off + head.len() as u64;
        self.file.write(head, head_off, &mut 0)?;
        self.file.make_direct();
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
    pub(super) fn read_back(&mut self, from: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.trusted.saturating_sub(from)).unwrap_or(0)];
        if self.file.make_buffered().is_err()
            || self.file.read(&mut bytes, from - self.start).is_err()
        {
            bytes.clear();
        }
        bytes
    }

    /// Ends the file at stream offset `end`, as [`BlockWriter::seal`] says.
    ///
    /// [`BlockWriter::seal`]: super::writer::BlockWriter::seal
    pub fn seal(
        mut self,
        geometry: Geometry,
        end: u64,
        captured: Count,
        tags: &[Vec<u8>],
    ) -> Option<(Sealed, Option<StorageError>)> {
        let Geometry {
            block_bytes,
            file_bytes_max,
        } = geometry;
        let at = end - self.start;
        let closing = closing(at, block_bytes, file_bytes_max, tags);
        let mut write = || -> Result<u64, StorageError> {
            self.file.make_buffered()?;
            // Only the headers of the padding are written, so old bytes behind the end would show
            // between them.
            self.file.cut(at)?;
            for (off, bytes) in &closing.writes {
                self.file.write(bytes, *off, &mut 0)?;
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
                    if self.file.write(&record, len, &mut 0).is_err() {
                        break;
                    }
                    len += record.len() as u64;
                }
                (len, Some(error))
            }
        };
        if len == 0 {
            // The disk took not even the header, so there is nothing to keep.
            self.file.discard();
            return None;
        }
        let index = self.index_until(at).map(|mut index| {
            for (off, _) in closing.writes.iter().filter(|(off, _)| *off < len) {
                index.note(*off, None);
            }
            index
        });
        let frames = captured - self.before;
        let sealed = Sealed::new(self.file, len, frames, index);
        Some((sealed, error))
    }
}

/// Makes a padding record whose body is `tag`.
pub(super) fn tag_record(tag: &[u8]) -> Vec<u8> {
    let body = u16::try_from(tag.len()).unwrap_or(u16::MAX);
    [padding_header(body).as_bytes(), tag].concat()
}
