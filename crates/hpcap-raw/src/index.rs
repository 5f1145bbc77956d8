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

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::reader::Reader;
use crate::record::Event;
use hpcap_base::error::{Context, Error, Kind, Result};
use hpcap_base::time::Timestamp;
use hpcap_sys::abi::HPCAP_BLOCK_BYTES;

const MAGIC: [u8; 8] = *b"HPCAPIDX";
const VERSION: u32 = 2;
const ENTRY_BYTES: usize = 32;
/// Bytes of an entry in version 1.
const ENTRY_BYTES_1: usize = 16;
const HEAD_BYTES: usize = 48;
/// Largest number of entries. A file of 2 GiB in blocks of 128 KiB (the smallest ring) has 16,384
/// entries.
const ENTRIES_MAX: u64 = 1 << 20;

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

fn fnv1a(parts: &[&[u8]]) -> u64 {
    parts
        .iter()
        .flat_map(|part| part.iter())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 8)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u64::from_le_bytes)
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

    /// Encodes the index as described at the top of this module.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut entries = Vec::with_capacity(self.entries.len() * ENTRY_BYTES);
        for e in &self.entries {
            entries.extend_from_slice(&e.offset.to_le_bytes());
            let (earliest, latest) = e.span.unwrap_or_default();
            for ns in [
                e.time.map_or(0, Timestamp::as_ns),
                earliest.as_ns(),
                latest.as_ns(),
            ] {
                entries.extend_from_slice(&ns.to_le_bytes());
            }
        }
        let mut bytes = Vec::with_capacity(HEAD_BYTES + entries.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&32_u32.to_le_bytes());
        bytes.extend_from_slice(&self.block_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.file_bytes.to_le_bytes());
        bytes.extend_from_slice(&(self.entries.len() as u64).to_le_bytes());
        let sum = fnv1a(&[&bytes, &entries]);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes.extend_from_slice(&entries);
        bytes
    }

    /// Decodes an index. The error is a text that says what is wrong with the bytes.
    ///
    /// # Errors
    /// Fails when the bytes are not an index, are of another version, are cut short, or are
    /// damaged.
    pub fn from_bytes(bytes: &[u8]) -> std::result::Result<Self, String> {
        let head = bytes.get(..HEAD_BYTES).ok_or("it is cut short")?;
        if head[..8] != MAGIC {
            return Err("it is not a block index".into());
        }
        let sizes = u64_at(head, 8);
        let entry_bytes = match (sizes & 0xffff_ffff, sizes >> 32) {
            (1, 16) => ENTRY_BYTES_1,
            (2, 32) => ENTRY_BYTES,
            (version, bytes) => {
                return Err(format!(
                    "it has version {version} with entries of {bytes} bytes, this program knows versions 1 and {VERSION}"
                ));
            }
        };
        let entries = &bytes[HEAD_BYTES..];
        let count = u64_at(head, 32);
        if count > ENTRIES_MAX || entries.len() as u64 != count * entry_bytes as u64 {
            return Err(format!(
                "it says {count} entries and has {} bytes of them",
                entries.len()
            ));
        }
        if u64_at(head, 40) != fnv1a(&[&head[..40], entries]) {
            return Err("its checksum is wrong".into());
        }
        let block_bytes = u64_at(head, 16);
        if block_bytes == 0 {
            return Err("its blocks have no bytes".into());
        }
        let time = |e: &[u8], at: usize| {
            Some(u64_at(e, at))
                .filter(|ns| *ns != 0)
                .map(Timestamp::from_ns)
        };
        let index = Self {
            block_bytes,
            file_bytes: u64_at(head, 24),
            entries: entries
                .chunks_exact(entry_bytes)
                .map(|e| Entry {
                    offset: u64_at(e, 0),
                    time: time(e, 8),
                    span: time(e, 16).zip(time(e, 24)),
                })
                .collect(),
        };
        match index.contradiction() {
            Some(why) => Err(why),
            None => Ok(index),
        }
    }

    /// Returns why no file can have these entries; `None` when they are consistent.
    fn contradiction(&self) -> Option<String> {
        let mut before = 0;
        for e in &self.entries {
            if e.offset < before || e.offset > self.file_bytes {
                return Some(format!(
                    "its offset {} is not between {before} and the file's {} bytes",
                    e.offset, self.file_bytes
                ));
            }
            before = e.offset;
            let sound = match (e.time, e.span) {
                (Some(time), Some((earliest, latest))) => earliest <= time && time <= latest,
                (None, Some(_)) => false,
                (_, None) => true,
            };
            if !sound {
                return Some(format!(
                    "the times of the block at byte {} contradict each other",
                    e.offset
                ));
            }
        }
        None
    }

    /// Writes the index of the RAW file `raw` beside it, through a temporary file that is renamed.
    ///
    /// # Errors
    /// Returns errors of the file system.
    pub fn save(&self, raw: &Path) -> Result<PathBuf> {
        let path = path_for(raw);
        let mut temporary = OsString::from(&path);
        temporary.push(".part");
        let temporary = PathBuf::from(temporary);
        let write = || -> std::io::Result<()> {
            let mut file = crate::name::private_file(&temporary, true)?;
            file.write_all(&self.to_bytes())?;
            fs::rename(&temporary, &path)
        };
        write()
            .inspect_err(|_| drop(fs::remove_file(&temporary)))
            .context(|| format!("write the index {}", path.display()))?;
        Ok(path)
    }

    /// Reads the index beside the RAW file `raw`; `None` when there is no index.
    ///
    /// # Errors
    /// Fails when the index cannot be read, is damaged, or belongs to a file of another size. The
    /// caller then works without an index.
    pub fn load(raw: &Path) -> Result<Option<Self>> {
        let path = path_for(raw);
        let tried = || format!("use the index {}", path.display());
        let file = match fs::File::open(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.context(tried)?,
        };
        let mut bytes = Vec::new();
        file.take(HEAD_BYTES as u64 + ENTRIES_MAX * ENTRY_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .context(tried)?;
        let index =
            Self::from_bytes(&bytes).map_err(|why| Error::new(Kind::Format, tried(), why))?;
        let file_bytes = fs::metadata(raw).context(tried)?.len();
        if index.file_bytes != file_bytes {
            return Err(Error::new(
                Kind::Format,
                tried(),
                format!(
                    "it belongs to a file of {} bytes, and {} has {file_bytes}",
                    index.file_bytes,
                    raw.display()
                ),
            ));
        }
        Ok(Some(index))
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
    pub fn note(&mut self, offset: u64, time: Option<Timestamp>) {
        let block = usize::try_from(offset / self.block_bytes).unwrap_or(usize::MAX);
        if block as u64 >= ENTRIES_MAX {
            return;
        }
        while self.entries.len() <= block {
            self.entries.push(Entry {
                offset,
                ..Entry::default()
            });
        }
        let (Some(time), entry) = (time, &mut self.entries[block]) else {
            return;
        };
        entry.span = match (entry.time, entry.span) {
            (None, _) => Some((time, time)),
            (Some(_), Some((earliest, latest))) => Some((earliest.min(time), latest.max(time))),
            // The block has frames whose times are unknown, so its span stays unknown.
            (Some(_), None) => None,
        };
        entry.time = entry.time.or(Some(time));
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
