//! Identity of a file, whatever its name is.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// The number of a file on its file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Inode {
    /// The file system.
    pub device: u64,
    /// Number of the file on it.
    pub number: u64,
}

impl Inode {
    /// The identity of the file that `meta` describes.
    #[must_use]
    pub fn of(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            number: meta.ino(),
        }
    }
}

/// Bytes that a file takes on the disk: its length or, if it is more, the room that is reserved for
/// it.
#[must_use]
pub fn room_of(meta: &Metadata) -> u64 {
    meta.len().max(allocated(meta))
}

/// Bytes of the disk that belong to a file.
#[must_use]
pub fn allocated(meta: &Metadata) -> u64 {
    meta.blocks() * 512
}
