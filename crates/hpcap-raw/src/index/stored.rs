//! The index as bytes, and as a file beside the RAW file.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use hpcap_base::error::{Context, Error, Kind, Result};
use hpcap_base::time::Timestamp;

use super::{Entry, Index, path_for};

const MAGIC: [u8; 8] = *b"HPCAPIDX";
const VERSION: u32 = 2;
const ENTRY_BYTES: usize = 32;
/// Bytes of an entry in version 1.
const ENTRY_BYTES_1: usize = 16;
const HEAD_BYTES: usize = 48;
/// Largest number of entries. A file of 2 GiB in blocks of 128 KiB (the smallest ring) has 16,384
/// entries.
pub(super) const ENTRIES_MAX: u64 = 1 << 20;

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
    /// Encodes the index as described at the top of the module [`index`](super).
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
}
