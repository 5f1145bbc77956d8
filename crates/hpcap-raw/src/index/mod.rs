//! The block index of a file, saved beside it as `<file>.raw.idx`.
//!
//! All numbers are little endian, and there are no gaps between the fields:
//!
//! | offset | size | content |
//! |---|---|---|
//! | 0 | 8 | `HPCAPIDX` |
//! | 8 | 4 | version, 2 |
//! | 12 | 4 | bytes of an entry, 32 |
//! | 16 | 8 | bytes of a block |
//! | 24 | 8 | bytes of the RAW file |
//! | 32 | 8 | number of entries |
//! | 40 | 8 | checksum: FNV-1a, 64 bits, of the bytes before it and of the entries |
//! | 48 | 32 each | entries: offset in the file of the first record that starts in the block (u64), then times in nanoseconds since 1970 (u64 each): of its first frame (0 = it has no frame), of its earliest, of its latest (0 and 0 = not known) |
//!
//! Version 1 has entries of 16 bytes, without the earliest and the latest time. The time of a
//! block's first frame says nothing about the times of the other frames, because a clock may be set
//! back anywhere. Only the earliest and the latest time let a reader skip a block.
//!
//! An index only speeds a search up: a program that uses an index verifies against the file what it
//! finds.
//!
//! ```
//! use hpcap_raw::{Index, Writer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut writer = Writer::new(Vec::new());
//! for second in 0..100 {
//!     writer.frame(1_700_000_000 + second, 0, 60, &[0xab; 60])?;
//! }
//! let (bytes, _) = writer.close(4096)?;
//!
//! let index = Index::build(&bytes[..], 4096)?;
//! assert_eq!(index.entries.len(), 2, "two blocks of 4 KiB");
//! let (earliest, latest) = index.span().unwrap();
//! assert_eq!((earliest.sec(), latest.sec()), (1_700_000_000, 1_700_000_099));
//! // A reader that wants the frames from the second block on starts at this record.
//! assert_eq!(index.entries[1].offset, 57 * 72);
//! # Ok(())
//! # }
//! ```

mod stored;

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::reader::Reader;
use crate::record::Event;
use hpcap_base::error::Result;
use hpcap_base::time::Timestamp;
use hpcap_sys::abi::HPCAP_BLOCK_BYTES;
use stored::ENTRIES_MAX;

/// The index entry of one block: where its first record starts, and the times of its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Entry {
    /// Bytes from the start of the file to the first record that starts in the block.
    pub offset: u64,
    /// Time of the first frame at or after `offset` in this block; `None` = the block has no frame.
    pub time: Option<Timestamp>,
    /// Times of the earliest and of the latest frame that starts in the block; `None` = the times
    /// are unknown, or the block has no frame (then `time` is `None`, too).
    pub span: Option<(Timestamp, Timestamp)>,
}

/// The index of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Bytes of a block.
    pub block_bytes: u64,
    /// Bytes of the RAW file that the index describes.
    pub file_bytes: u64,
    /// One entry for each block, in order.
    pub entries: Vec<Entry>,
}

/// Returns the path of the index of a RAW file: `x.raw.idx` for `x.raw`.
#[must_use]
pub fn path_for(raw: &Path) -> PathBuf {
    let mut name = OsString::from(raw);
    name.push(".idx");
    PathBuf::from(name)
}

impl Index {
    /// An index without entries.
    #[must_use]
    pub fn new(block_bytes: u64) -> Self {
        Self {
            block_bytes,
            file_bytes: 0,
            entries: Vec::new(),
        }
    }

    /// Builds the index by reading a whole file. `block_bytes` 0 selects the block size in the
    /// file's header, or 4 MiB when the file has no header.
    ///
    /// # Errors
    /// Returns errors of reading `source`.
    pub fn build<R: Read>(source: R, block_bytes: u64) -> Result<Self> {
        let mut reader = Reader::new(source);
        let mut index = Self::new(block_bytes);
        while reader.advance()? {
            let Some(event) = reader.event() else {
                continue;
            };
            if index.block_bytes == 0 {
                index.block_bytes = match &event {
                    Event::FileStart(h) if h.block_bytes != 0 => h.block_bytes,
                    _ => HPCAP_BLOCK_BYTES,
                };
            }
            let time = match &event {
                Event::Frame(frame) => Some(frame.time),
                Event::Damaged(_) => continue,
                _ => None,
            };
            index.note(reader.range().start, time);
        }
        index.file_bytes = reader.offset();
        Ok(index)
    }

    /// Adds a record to the index: its offset, and its time when the record is a frame. Records
    /// must be added in the order of the file.
    #[inline]
    pub fn note(&mut self, offset: u64, time: Option<Timestamp>) {
        let Some(block) = self.block_of(offset) else {
            return;
        };
        let (Some(time), entry) = (time, &mut self.entries[block]) else {
            return;
        };
        if entry.time.is_none() {
            entry.time = Some(time);
            entry.span = Some((time, time));
        } else if let Some((earliest, latest)) = &mut entry.span {
            // A block that has frames whose times are unknown has no span, and gets none.
            *earliest = time.min(*earliest);
            *latest = time.max(*latest);
        }
    }

    /// The number of the entry of the block that has `offset`, which is added if there is none yet; `None` when the index
    /// is full.
    #[inline]
    fn block_of(&mut self, offset: u64) -> Option<usize> {
        // Nearly every record starts in the last block. A division for each record would cost as much as the rest of
        // its check.
        let blocks = self.entries.len();
        let end = (blocks as u64).wrapping_mul(self.block_bytes);
        if end.wrapping_sub(offset).wrapping_sub(1) < self.block_bytes {
            return Some(blocks - 1);
        }
        self.other_block_of(offset)
    }

    #[cold]
    fn other_block_of(&mut self, offset: u64) -> Option<usize> {
        let block = usize::try_from(offset / self.block_bytes).ok()?;
        if block as u64 >= ENTRIES_MAX {
            return None;
        }
        while self.entries.len() <= block {
            self.entries.push(Entry {
                offset,
                ..Entry::default()
            });
        }
        Some(block)
    }

    /// Times of the earliest and of the latest frame of the file; `None` when the span of any block
    /// with frames is unknown, or the file has no frame.
    #[must_use]
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let mut all = None;
        for e in self.entries.iter().filter(|e| e.time.is_some()) {
            let (earliest, latest) = e.span?;
            all = Some(
                all.map_or((earliest, latest), |(low, high): (Timestamp, Timestamp)| {
                    (low.min(earliest), high.max(latest))
                }),
            );
        }
        all
    }

    /// Returns the parts of the file that hold every frame with `from <= time <= to` and every gap
    /// record that touches these times, whatever the order of the times is. A part is a range of
    /// bytes that starts at a record, and ends at a record or at the end of the file; the parts are
    /// in the order of the file, and between two parts is at least one block. There is none when no
    /// block can hold such a record. A block whose earliest and latest times are unknown can hold
    /// any time.
    ///
    /// `before` is the latest time before this file and `after` the earliest time after it; `None`
    /// = unknown.
    #[must_use]
    pub fn parts(
        &self,
        (from, to): (Option<Timestamp>, Option<Timestamp>),
        before: Option<Timestamp>,
        after: Option<Timestamp>,
    ) -> Vec<(u64, u64)> {
        let start = Timestamp::default();
        let end = Timestamp::from_ns(u64::MAX);
        let (from, to) = (from.unwrap_or(start), to.unwrap_or(end));
        // A gap lasts from the frame before it to the frame after it, and its record is in the
        // block of either frame.
        let mut reached = before.unwrap_or(start);
        let mut lows = Vec::with_capacity(self.entries.len());
        for e in &self.entries {
            match (e.time, e.span) {
                (Some(_), None) => {
                    lows.push(start);
                    reached = start;
                }
                (_, Some((earliest, latest))) => {
                    lows.push(earliest.min(reached));
                    reached = latest;
                }
                (None, None) => lows.push(reached),
            }
        }
        let mut follows = after.unwrap_or(end);
        let mut highs = vec![end; self.entries.len()];
        for (e, high) in self.entries.iter().zip(&mut highs).rev() {
            match (e.time, e.span) {
                (Some(_), None) => follows = end,
                (_, Some((earliest, latest))) => {
                    *high = latest.max(follows);
                    follows = earliest;
                }
                (None, None) => *high = follows,
            }
        }
        let mut parts: Vec<(usize, usize)> = Vec::new();
        for (i, (low, high)) in lows.into_iter().zip(highs).enumerate() {
            if low.min(high) > to || from > high.max(low) {
                continue;
            }
            // A duplicate mark can be at the end of the block before its frame, and a gap record at
            // the start of the block after.
            let (first, until) = (i.saturating_sub(1), i + 2);
            match parts.last_mut() {
                Some(part) if part.1 >= first => part.1 = until,
                _ => parts.push((first, until)),
            }
        }
        let offset = |i: usize| self.entries.get(i).map_or(self.file_bytes, |e| e.offset);
        parts
            .into_iter()
            .map(|(first, until)| (offset(first), offset(until)))
            .collect()
    }
}
