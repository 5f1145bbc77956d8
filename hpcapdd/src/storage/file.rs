//! A file of a recording while it is written.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use hpcap::compress::Compression;
use hpcap::raw::PartFile;
use hpcap::{Error, Kind};

use crate::storage::access::Access;
use crate::storage::direct::DirectFile;
use crate::storage::error::StorageError;
use crate::storage::retention::OwnFiles;
use crate::storage::room::Claim;

/// Size in bytes of the blocks in which file systems give room to files.
const BLOCK_OF_DISK: u64 = 4096;

/// A `.part` file that this recorder writes.
#[derive(Debug)]
pub struct CaptureFile {
    pub(super) part: PartFile,
    pub(super) path: PathBuf,
    pub(super) io: DirectFile,
    pub(super) claim: Claim,
    /// Length in bytes up to which `claim` covers the file. The recorder asks once for each record, so
    /// the answer must cost only a comparison.
    covered: u64,
    /// Files that take room at the same time: a compressed copy stands beside the file for a while.
    copies: u64,
    reservation: Reservation,
    pub(super) own: OwnFiles,
    pub(super) access: Access,
    pub(super) opened: Instant,
}

/// Room on the disk that is reserved for a file before it is written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reservation {
    /// Bytes that are reserved.
    pub(super) bytes: u64,
    /// Bytes that are to be reserved.
    pub(super) wanted: u64,
    /// Bytes of the disk that stay free when room is reserved.
    pub(super) leave: u64,
}

impl CaptureFile {
    /// Takes `part`, which was just created and is written through `io`.
    pub(super) fn new(
        part: PartFile,
        io: DirectFile,
        claim: Claim,
        reservation: Reservation,
        own: OwnFiles,
        access: Access,
    ) -> Self {
        let copies = match part.name().compression {
            Compression::None => 1,
            _ => 2,
        };
        let mut this = Self {
            path: part.path(),
            part,
            io,
            claim,
            covered: 0,
            copies,
            reservation,
            own,
            access,
            opened: Instant::now(),
        };
        this.reserve();
        this
    }

    /// Path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Metadata of the open file, even if its path leads to another file by now.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn metadata(&self) -> std::io::Result<std::fs::Metadata> {
        self.io.file().metadata()
    }

    /// Whether the file has been removed, or its name leads to another one.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        is_gone(self.io.file(), &self.path)
    }

    /// Whether the file has no name any more, so that its content is lost.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.metadata().is_ok_and(|meta| meta.nlink() == 0)
    }

    /// Time at which the file was created.
    #[must_use]
    pub fn opened(&self) -> Instant {
        self.opened
    }

    /// Claims room for a length of `len` bytes, with the index beside the file.
    ///
    /// # Errors
    /// [`StorageError::NoRoomYet`].
    pub fn claim(&mut self, len: u64) -> std::result::Result<(), StorageError> {
        if len <= self.covered {
            return Ok(());
        }
        let before = self.claim.bytes();
        if !self.claim.cover(self.room_for(len)) {
            return Err(StorageError::NoRoomYet);
        }
        self.covered = self.covered_by(self.claim.bytes()).max(len);
        if self.claim.bytes() > before {
            self.reserve();
        }
        Ok(())
    }

    /// Returns a length in bytes for which `room` bytes suffice: the inverse of [`CaptureFile::room_for`],
    /// rounded down.
    fn covered_by(&self, room: u64) -> u64 {
        let data = room.saturating_sub(2 * BLOCK_OF_DISK);
        data / (2048 * self.copies + 1) * 2048
    }

    /// Bytes that the file takes with its index, and with its compressed copy, if it has `len` bytes.
    fn room_for(&self, len: u64) -> u64 {
        // The index has 32 bytes for each block, and a block has 128 KiB or more.
        let index = len / 2048 + 2 * BLOCK_OF_DISK;
        len.saturating_mul(self.copies).saturating_add(index)
    }

    /// Reserves the part of the claimed room that is to be reserved.
    fn reserve(&mut self) {
        // A little of the claim is for the index.
        let claimed = self.claim.bytes() - self.claim.bytes() / 1024;
        let wanted = self.reservation.wanted.min(claimed);
        if wanted > self.reservation.bytes {
            let range = self.reservation.bytes..wanted;
            self.io.reserve(range, self.reservation.leave);
            self.reservation.bytes = wanted;
        }
    }

    /// Says that the file will be cut to `len` bytes and gets no more frames.
    pub(super) fn seal(&mut self, len: u64) {
        self.claim.seal(self.room_for(len));
    }

    /// Writes `bytes` at offset `off`, except the first `done` bytes, which are in the file
    /// already.
    ///
    /// # Errors
    /// [`StorageError`]. `done` counts the bytes that are in the file.
    pub fn write(
        &mut self,
        bytes: &[u8],
        off: u64,
        done: &mut u64,
    ) -> std::result::Result<(), StorageError> {
        let before = *done;
        let result = self.io.write_all_at(bytes, off, done);
        self.io.start_writeback(off + before, *done - before);
        result.map_err(|e| StorageError::of_write(&self.path, e))
    }

    /// Sends all later writes through the page cache, because writes at a file's end are unaligned.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn make_buffered(&mut self) -> std::result::Result<(), StorageError> {
        self.io
            .make_buffered()
            .map_err(|e| StorageError::of_write(&self.path, e))
    }

    /// Sends later writes past the page cache again, if the file was opened so.
    pub fn make_direct(&mut self) {
        self.io.make_direct();
    }

    /// Reserves room for `bytes` bytes at offset `at`, without changing the length of the file. Does
    /// nothing where the file system cannot reserve room.
    ///
    /// # Errors
    /// [`StorageError::Passing`] if the disk has no such room.
    pub fn reserve_room(&self, at: u64, bytes: u64) -> std::result::Result<(), StorageError> {
        match self.io.reserve_exactly(at, bytes) {
            Err(e @ (nix::Error::ENOSPC | nix::Error::EDQUOT)) => {
                Err(StorageError::of_write(&self.path, e.into()))
            }
            // The write reports every other failure.
            _ => Ok(()),
        }
    }

    /// Fills `bytes` from offset `off`. Call [`CaptureFile::make_buffered`] first.
    ///
    /// # Errors
    /// Errors of the file system, and an end of the file before `bytes` is full.
    pub fn read(&self, bytes: &mut [u8], off: u64) -> std::io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self.io.file(), bytes, off)
    }

    /// Cuts the file to `len` bytes, and frees the room that was reserved behind them.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn cut(&mut self, len: u64) -> std::result::Result<(), StorageError> {
        set_len(self.io.file(), len).map_err(|e| StorageError::of_write(&self.path, e))
    }

    /// Flushes the data to the disk.
    pub fn sync(&self) {
        // An error here appears again when the file is finished.
        let _ = self.io.file().sync_data();
    }

    /// Removes the file, whose content is not needed.
    pub fn discard(self) {
        // If this fails, an empty .part remains.
        let _ = self.part.discard();
    }
}

/// Whether `path` does not lead to `file` any more. If `path` cannot be looked at, it counts as
/// unchanged.
pub(super) fn is_gone(file: &std::fs::File, path: &Path) -> bool {
    let Ok(ours) = file.metadata() else {
        return false;
    };
    match std::fs::symlink_metadata(path) {
        Ok(there) => (there.dev(), there.ino()) != (ours.dev(), ours.ino()),
        Err(e) => matches!(
            e.kind(),
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
        ),
    }
}

/// Makes the error about a file that is not at its path any more.
#[must_use]
pub fn gone(path: &Path) -> Error {
    Error::new(
        Kind::NotFound,
        format!("go on writing {}", path.display()),
        "it is not there any more: somebody has removed, renamed or replaced it",
    )
}

/// Sets a file's length. Only shrinking frees the room that was reserved behind the end, so the
/// file first grows by a byte.
pub(super) fn set_len(file: &std::fs::File, len: u64) -> std::io::Result<()> {
    file.set_len(len + 1)?;
    file.set_len(len)
}
