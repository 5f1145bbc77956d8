//! Whole blocks into files, straight from the ring.
//!
//! The stream is laid out so that this needs no parsing: files are whole blocks, and the
//! block index says where they start. Records are looked at only where a file ends before
//! its time.

use hpcap::raw::index::{Entry, Index};
use hpcap::{Count, Timestamp};

use crate::bounce::Bounce;
use crate::capture_file::{CaptureFile, OutputFolder, Sealed};
use crate::closing::closing;
use crate::direct_file::align_down;
use crate::piece::Piece;
use crate::trouble::Trouble;
use crate::walk::walk;

/// Sizes of a queue.
#[derive(Debug, Clone, Copy)]
pub struct Geometry {
    /// Bytes of a block.
    pub block_bytes: u64,
    /// Bytes of the longest file.
    pub file_bytes_max: u64,
}

/// Writes the stream into one file after the other.
#[derive(Debug)]
pub struct BlockWriter {
    folder: OutputFolder,
    geometry: Geometry,
    bounce: Bounce,
    open: Option<Open>,
}

/// The file under way. Its offset 0 is a block of the stream.
#[derive(Debug)]
struct Open {
    file: CaptureFile,
    /// Stream offset of its start.
    start: u64,
    /// Frames captured before it.
    before: Count,
    /// Stream offset up to which it holds the stream.
    stored: u64,
    /// Stream offset up to which that is whole blocks that the producer did not overwrite
    /// while they were written.
    trusted: u64,
    /// First record that starts in the last of these blocks, and the frames before it.
    anchor: (u64, Count),
    index: Index,
}

/// Where a file that was cut short ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Salvage {
    /// Stream offset behind its last whole record.
    pub end: u64,
    /// Frames captured before that.
    pub captured: Count,
    /// Time of the last frame, where it is known.
    pub last: Option<Timestamp>,
}

impl BlockWriter {
    /// Writes into `folder`.
    #[must_use]
    pub fn new(folder: OutputFolder, geometry: Geometry) -> Self {
        Self {
            folder,
            geometry,
            bounce: Bounce::default(),
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

    /// Whether the file under way holds a whole block that can be relied on.
    #[must_use]
    pub fn holds_blocks(&self) -> bool {
        self.open.as_ref().is_some_and(|o| o.trusted > o.start)
    }

    /// Brings what is new of `piece` into the file under way, or into a new one where there
    /// is none; `piece` must then be the start of a file. What a partial block has in its last
    /// page is written with padding behind it ([`Bounce`]), and again with the rest of the
    /// block at the same place. Returns the bytes of the stream that are new.
    ///
    /// # Errors
    /// [`Trouble`]; the call can be repeated and goes on where it failed.
    pub fn store(&mut self, piece: &Piece<'_>) -> Result<u64, Trouble> {
        let open = match &mut self.open {
            Some(open) => open,
            None => self
                .open
                .insert(Open::begin(&self.folder, self.geometry, piece)?),
        };
        let before = open.stored;
        let in_file = piece.off - open.start;
        let len = piece.bytes.len() as u64;
        let from = align_down(before.max(piece.off) - piece.off);
        let pages_end = if piece.complete { len } else { align_down(len) };
        if from < pages_end {
            let mut done = 0;
            let pages = slice(piece.bytes, from, pages_end);
            let result = open.file.write(pages, in_file + from, &mut done);
            open.stored = before.max(piece.off + from + done);
            result?;
        }
        if !piece.complete {
            let tail = slice(piece.bytes, pages_end, len);
            let bounce = self.bounce.fill(tail);
            open.file.write(bounce, in_file + pages_end, &mut 0)?;
            open.stored = piece.end();
        }
        Ok(open.stored - before)
    }

    /// `piece`, a complete block that was stored, was still whole in the ring afterwards.
    pub fn trust(&mut self, piece_off: u64, first_off: u64, captured: Count, first_ns: u64) {
        let block_bytes = self.geometry.block_bytes;
        if let Some(open) = &mut self.open {
            open.trusted = piece_off + block_bytes;
            open.anchor = (first_off, captured);
            open.index.entries.push(Entry {
                offset: first_off - open.start,
                time: (first_ns != 0).then(|| Timestamp::from_ns(first_ns)),
            });
        }
    }

    /// Has what is stored reach the disk.
    pub fn sync(&self) {
        if let Some(open) = &self.open {
            open.file.sync();
        }
    }

    /// The file under way ends at stream offset `end`, a block's edge, as the producer made
    /// it; `captured` frames came before that.
    pub fn complete(&mut self, end: u64, captured: Count) -> Option<Sealed> {
        let open = self.open.take()?;
        Some(Sealed {
            len: end - open.start,
            frames: captured - open.before,
            index: open.index,
            file: open.file,
        })
    }

    /// Where the file under way could end: behind the last whole record of it. `piece` is the
    /// block that was being stored, where the ring still holds it; without it only whole
    /// blocks count.
    #[must_use]
    pub fn salvage(&mut self, piece: Option<&Piece<'_>>) -> Option<Salvage> {
        let block_bytes = self.geometry.block_bytes;
        let open = self.open.as_mut()?;
        if let Some(piece) = piece
            && let Some(records) = piece.records(open.stored)
        {
            return Some(Salvage {
                end: piece.entry.first_off + records.bytes,
                captured: piece.captured_before() + records.frames,
                last: records.last,
            });
        }
        let (first_off, captured) = open.anchor;
        let rest = open.read_back(first_off.max(open.trusted.saturating_sub(block_bytes)));
        let records = walk(&rest);
        Some(Salvage {
            end: first_off + records.bytes,
            captured: captured + records.frames,
            last: records.last,
        })
    }

    /// Ends the file under way at stream offset `end`, behind its last whole record, with
    /// `tags` and padding. Where these cannot be written, the file just ends there, which
    /// every reader accepts; then the trouble comes with it. `index` of the block that `end`
    /// is in.
    pub fn seal(
        &mut self,
        end: u64,
        captured: Count,
        tags: &[Vec<u8>],
    ) -> Option<(Sealed, Option<Trouble>)> {
        let Geometry {
            block_bytes,
            file_bytes_max,
        } = self.geometry;
        let mut open = self.open.take()?;
        let at = end - open.start;
        let closing = closing(at, block_bytes, file_bytes_max, tags);
        let mut write = || -> Result<u64, Trouble> {
            open.file.make_buffered()?;
            // What is behind it now would fill the holes between the paddings' headers.
            open.file.cut(at)?;
            for (off, bytes) in &closing.writes {
                open.file.write(bytes, *off, &mut 0)?;
            }
            Ok(closing.len)
        };
        let (len, trouble) = match write() {
            Ok(len) => (len, None),
            Err(trouble) => (at, Some(trouble)),
        };
        // Of the index only what the file still has.
        open.index.entries.retain(|e| e.offset < at);
        for (off, _) in closing.writes.iter().filter(|(off, _)| *off < len) {
            open.index.note(*off, None);
        }
        let sealed = Sealed {
            len,
            frames: captured - open.before,
            index: open.index,
            file: open.file,
        };
        Some((sealed, trouble))
    }

    /// The block that the end lies in, for the index: `piece` is stored in part.
    pub fn note_partial(&mut self, piece: &Piece<'_>) {
        if let Some(open) = &mut self.open {
            open.index.entries.push(Entry {
                offset: piece.entry.first_off - open.start,
                time: (piece.entry.first_ns != 0).then(|| Timestamp::from_ns(piece.entry.first_ns)),
            });
        }
    }

    /// Removes the file under way: there is nothing in it.
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
        piece: &Piece<'_>,
    ) -> Result<Self, Trouble> {
        Ok(Self {
            file: folder.create()?,
            start: piece.off,
            before: piece.captured_before(),
            stored: piece.off,
            trusted: piece.off,
            anchor: (piece.off, piece.captured_before()),
            index: Index::new(geometry.block_bytes),
        })
    }

    /// What the file holds from stream offset `from` up to `trusted`; nothing where it cannot
    /// be read, so that at most one block is given up.
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

fn slice(bytes: &[u8], from: u64, to: u64) -> &[u8] {
    let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    bytes.get(at(from)..at(to)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use hpcap::QueueName;
    use hpcap::abi::{hpcap_block, hpcap_record};
    use hpcap::raw::{Item, LedgerTag, record, tag::Tag};
    use proptest::prelude::*;

    use super::*;

    const BLOCK: u64 = 128 << 10;
    const GEOMETRY: Geometry = Geometry {
        block_bytes: BLOCK,
        file_bytes_max: 64 * BLOCK,
    };

    /// A stream of frames of pseudo-random lengths, as a producer lays it out, from offset 0.
    struct Stream {
        bytes: Vec<u8>,
        /// Ends of records.
        ends: Vec<u64>,
        entries: Vec<hpcap_block>,
    }

    impl Stream {
        fn new(blocks: u64, seed: u64) -> Self {
            let mut stream = Self {
                bytes: Vec::new(),
                ends: vec![0],
                entries: Vec::new(),
            };
            let mut random = seed | 1;
            while (stream.bytes.len() as u64) < blocks * BLOCK {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                stream.push(u16::try_from(random >> 48).unwrap() % 3000);
            }
            stream
        }

        fn push(&mut self, len: u16) {
            let at = self.bytes.len() as u64;
            if self.entries.len() as u64 == at / BLOCK {
                let frames = self.ends.len() as u64 - 1;
                self.entries.push(hpcap_block {
                    block: at / BLOCK,
                    first_off: at,
                    first_ns: 1_000_000_000 + frames,
                    frames,
                    bytes: at - 12 * frames,
                    file_off: 0,
                });
            }
            let head = hpcap_record {
                sec: 1,
                nsec: 0,
                caplen: len,
                len,
            };
            self.bytes.extend_from_slice(head.as_bytes());
            self.bytes.resize(self.bytes.len() + usize::from(len), 7);
            self.ends.push(self.bytes.len() as u64);
        }

        /// The part of block `number` before stream offset `until`, in aligned memory.
        fn piece<'a>(&self, number: u64, until: u64, memory: &'a mut Memory) -> Piece<'a> {
            let off = number * BLOCK;
            let end = until.min(off + BLOCK);
            let bytes = slice(&self.bytes, off, end);
            memory.0[..bytes.len()].copy_from_slice(bytes);
            Piece {
                off,
                bytes: &memory.0[..bytes.len()],
                complete: end == off + BLOCK,
                entry: self.entries[usize::try_from(number).unwrap()],
            }
        }

        fn captured(&self, end: u64) -> Count {
            let frames = self.ends.partition_point(|e| *e <= end) as u64 - 1;
            let last = self.ends[usize::try_from(frames).unwrap()];
            Count::new(frames, last - 12 * frames)
        }
    }

    #[repr(C, align(4096))]
    struct Memory([u8; BLOCK as usize]);

    fn memory() -> Box<Memory> {
        Box::new(Memory([0; BLOCK as usize]))
    }

    fn writer(dir: &std::path::Path, direct: bool) -> BlockWriter {
        let folder = OutputFolder::open(dir, QueueName::new(0, 0), direct).unwrap();
        BlockWriter::new(folder.reserving(4 * BLOCK), GEOMETRY)
    }

    /// Stores block `number` and trusts it.
    fn whole(writer: &mut BlockWriter, stream: &Stream, number: u64) {
        let mut memory = memory();
        let piece = stream.piece(number, u64::MAX, &mut memory);
        writer.store(&piece).unwrap();
        let (off, first) = (piece.off, piece.entry.first_off);
        writer.trust(off, first, piece.captured_before(), piece.entry.first_ns);
    }

    fn only_file(dir: &std::path::Path) -> Vec<u8> {
        let mut todo = vec![dir.to_owned()];
        while let Some(folder) = todo.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.extension() {
                    None => todo.push(path),
                    Some(end) if end == "part" || end == "raw" => {
                        return std::fs::read(path).unwrap();
                    }
                    Some(_) => {}
                }
            }
        }
        panic!("no file");
    }

    /// Number of frames and of ledgers; the records must end exactly at the end.
    fn parse_all(mut bytes: &[u8]) -> (u64, u64) {
        let (mut frames, mut ledgers) = (0, 0);
        while !bytes.is_empty() {
            let record::Parsed::Whole { item, bytes: size } = record::parse(bytes) else {
                panic!("a cut record, {} bytes before the end", bytes.len());
            };
            frames += u64::from(matches!(item, Item::Frame(_)));
            ledgers += u64::from(matches!(item, Item::Ledger(_)));
            bytes = &bytes[size..];
        }
        (frames, ledgers)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// A block that is stored in parts is a valid file after each, and the same at last.
        #[test]
        fn parts_of_a_block_make_a_valid_file_at_any_moment(
            seed: u64, direct: bool, cuts in proptest::collection::vec(0.0..1.0, 1..8)
        ) {
            let dir = tempfile::tempdir_in(".").unwrap();
            let stream = Stream::new(3, seed);
            let mut writer = writer(dir.path(), direct);
            whole(&mut writer, &stream, 0);
            let mut ends: Vec<u64> = stream.ends.iter().copied()
                .filter(|e| (BLOCK + 1..2 * BLOCK).contains(e)).collect();
            let mut cuts: Vec<usize> = cuts.iter()
                .map(|c: &f64| (c * ends.len() as f64) as usize).collect();
            cuts.sort_unstable();
            cuts.dedup();
            ends = cuts.into_iter().map(|c| ends[c]).collect();
            for end in ends {
                let mut memory = memory();
                writer.store(&stream.piece(1, end, &mut memory)).unwrap();
                let file = only_file(dir.path());
                prop_assert_eq!(slice(&file, 0, end), slice(&stream.bytes, 0, end));
                prop_assert_eq!(parse_all(&file).0, stream.captured(end).frames);
            }
            whole(&mut writer, &stream, 1);
            let file = only_file(dir.path());
            prop_assert_eq!(slice(&file, 0, 2 * BLOCK), slice(&stream.bytes, 0, 2 * BLOCK));
        }

        /// Wherever a file ends before its time, it holds every whole record, and is sound.
        #[test]
        fn a_file_that_ends_early_is_sound(seed: u64, direct: bool, part in 0.0..1.0, lost: bool) {
            let dir = tempfile::tempdir_in(".").unwrap();
            let stream = Stream::new(3, seed);
            let mut writer = writer(dir.path(), direct);
            whole(&mut writer, &stream, 0);
            whole(&mut writer, &stream, 1);
            let at = 2 * BLOCK + (part * BLOCK as f64) as u64;
            let mut memory = memory();
            let piece = stream.piece(2, at, &mut memory);
            if at > 2 * BLOCK {
                writer.store(&piece).unwrap();
            }
            // `lost`: the ring has been overwritten, only whole blocks count.
            let salvage = writer.salvage((!lost).then_some(&piece)).unwrap();
            let until = if lost { 2 * BLOCK } else { at };
            let end = *stream.ends.iter().rfind(|e| **e <= until).unwrap();
            prop_assert_eq!(salvage.end, end);
            prop_assert_eq!(salvage.captured, stream.captured(end));
            let tag = Tag::Ledger(Box::<LedgerTag>::default()).to_body();
            let (sealed, trouble) = writer.seal(end, salvage.captured, &[tag]).unwrap();
            prop_assert!(trouble.is_none());
            prop_assert_eq!(sealed.frames, stream.captured(end));
            let (complete, _) = sealed.finish().unwrap();
            let file = std::fs::read(&complete.path).unwrap();
            prop_assert_eq!(slice(&file, 0, end), slice(&stream.bytes, 0, end));
            prop_assert!(file.len() as u64 % BLOCK == 0);
            prop_assert_eq!(parse_all(&file), (stream.captured(end).frames, 1));
            let index = Index::load(&complete.path).unwrap().unwrap();
            prop_assert_eq!(index.entries.len() as u64, file.len() as u64 / BLOCK);
        }
    }
}
