//! The limits of what is kept.

use std::path::Path;
use std::time::Duration;

use hpcap::error::Context;
use hpcap::units::Bytes;
use hpcap::{Error, Result};

use crate::storage::room::Room;

/// Smallest and largest number of bytes that a recorder claims at a time.
const STEP_BYTES: (u64, u64) = (64 << 10, 2 << 30);

/// Fewest blocks that the limits must leave to the files of a source: a finished file of two blocks
/// that is to be deleted, the file under way, and the first two blocks of the next one.
const BLOCKS_MIN: u64 = 6;

/// Returns the bytes of the disk that has `base`.
///
/// # Errors
/// Errors of the file system.
pub fn disk_bytes(base: &Path) -> Result<u64> {
    let tried = || format!("ask for the size of the disk of {}", base.display());
    let stat = nix::sys::statvfs::statvfs(base).context(tried)?;
    Ok(stat.blocks() * stat.fragment_size())
}

/// The limits of what is kept; `None` = no limit of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Keeps files that started at most this long ago.
    pub age: Option<Duration>,
    /// Keeps files of this many bytes together, the one under way included.
    pub size: Option<u64>,
    /// Keeps this many bytes of the disk free.
    pub free: Option<u64>,
    /// Keeps this many finished files.
    pub files: Option<u64>,
}

impl Limits {
    /// Whether any limit is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self != Self::default()
    }

    /// Refuses limits that no deletion could meet on the disk of `base`, with files of
    /// `rotate_bytes` bytes.
    ///
    /// # Errors
    /// [`Kind::Usage`](hpcap::Kind::Usage), naming the size of the disk.
    pub fn check(&self, base: &Path, rotate_bytes: Option<u64>) -> Result<()> {
        if let (Some(all), Some(one)) = (self.size, rotate_bytes)
            && one > all / 2
        {
            return Err(Error::usage(
                format!("--keep-size {} --rotate-size {}", Bytes(all), Bytes(one)),
                "there is no room for a finished file beside the one that is being written",
            )
            .advise("rotate at a quarter of it or less: without --rotate-size, that is done"));
        }
        let Some(wanted) = self.free else {
            return Ok(());
        };
        let tried = || format!("--keep-free {}", Bytes(wanted));
        let all = disk_bytes(base)?;
        if wanted < all {
            return Ok(());
        }
        Err(Error::usage(
            tried(),
            format!(
                "the disk of {} has {} in all: every file would be deleted",
                base.display(),
                Bytes(all)
            ),
        ))
    }

    /// Refuses limits that leave no room for `files` files of whole blocks of `block_bytes` bytes.
    ///
    /// # Errors
    /// [`Kind::Usage`](hpcap::Kind::Usage), naming the least size.
    pub fn check_blocks(&self, base: &Path, block_bytes: u64, files: u64) -> Result<()> {
        let least = BLOCKS_MIN * block_bytes * files.max(1);
        match self.all_bytes(base) {
            Some(all) if all < least => Err(Error::usage(
                format!("keep RAW files of {} on the disk", Bytes(all)),
                format!(
                    "RAW files have whole blocks, here of {}, and {BLOCKS_MIN} of them for each source \
                     are the least that --keep-size or --keep-free can leave to the files",
                    Bytes(block_bytes)
                ),
            )
            .advise(format!(
                "leave {} to them, or give the ring less than 16M: its blocks are then a quarter of \
                 it",
                Bytes(least)
            ))),
            _ => Ok(()),
        }
    }

    /// The bytes that all files together may take on the disk of `base`, as far as the limits say.
    fn all_bytes(&self, base: &Path) -> Option<u64> {
        let on_disk = self.free.and_then(|free| {
            let all = disk_bytes(base).ok()?;
            Some(all.saturating_sub(free))
        });
        self.size.into_iter().chain(on_disk).min()
    }

    /// Longest file, in bytes, if `--rotate-size` does not say it and `files` files are written at
    /// the same time. A single file must not take all that the limits allow.
    #[must_use]
    pub fn file_bytes(&self, base: &Path, files: u64) -> Option<u64> {
        Some(self.all_bytes(base)? / 4 / files.max(1))
    }

    /// The room of the files that are written below `base`.
    #[must_use]
    pub fn room(&self, base: &Path) -> Room {
        match self.all_bytes(base) {
            Some(all) => Room::limited((all / 16).clamp(STEP_BYTES.0, STEP_BYTES.1)),
            None => Room::default(),
        }
    }
}
