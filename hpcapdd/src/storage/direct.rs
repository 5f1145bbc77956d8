//! A file for whole blocks, which are written past the page cache if the file system allows it.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use nix::fcntl::{FallocateFlags, FcntlArg, OFlag, fallocate, fcntl};
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, fstatfs};
use nix::sys::statvfs::fstatvfs;

/// Alignment in bytes of a direct write: of its memory, its offset in the file and its length.
pub const ALIGN: u64 = 4096;

/// Rounds down to a multiple of [`ALIGN`].
#[must_use]
pub fn align_down(n: u64) -> u64 {
    n / ALIGN * ALIGN
}

/// An open file, with or without O_DIRECT.
#[derive(Debug)]
pub struct DirectFile {
    file: File,
    direct: bool,
    /// Whether the file system supports O_DIRECT, as far as this file has asked for it.
    can_be_direct: bool,
}

impl DirectFile {
    /// Takes `file`, and turns O_DIRECT on if `direct` asks for it and the file system supports it.
    #[must_use]
    pub fn new(file: File, direct: bool) -> Self {
        let mut this = Self {
            file,
            direct: false,
            can_be_direct: direct,
        };
        this.make_direct();
        this
    }

    /// Whether writes go past the page cache.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.direct
    }

    /// The underlying file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    fn set_direct(&self, on: bool) -> io::Result<()> {
        let mut flags = OFlag::from_bits_retain(fcntl(&self.file, FcntlArg::F_GETFL)?);
        flags.set(OFlag::O_DIRECT, on);
        fcntl(&self.file, FcntlArg::F_SETFL(flags))?;
        Ok(())
    }

    /// Sends all later writes through the page cache, so that they need not be aligned.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn make_buffered(&mut self) -> io::Result<()> {
        if self.direct {
            self.set_direct(false)?;
            self.direct = false;
        }
        Ok(())
    }

    /// Turns O_DIRECT on again, if it was asked for and the file system supports it.
    pub fn make_direct(&mut self) {
        self.can_be_direct = self.can_be_direct && self.set_direct(true).is_ok();
        self.direct = self.can_be_direct;
    }

    /// Reserves room for the bytes of `range`, or for half of the free space beyond `leave` bytes if
    /// that is less, without changing the file's length. Ignores failures, because the writes will
    /// report what is wrong. On tmpfs it reserves nothing: the pages would be allocated at once,
    /// and their place in memory does not matter. On an overlay it reserves nothing either: an
    /// overlay does not say whether it lies in memory, and if it does, reserving stalls the
    /// recorder for seconds.
    pub fn reserve(&self, range: Range<u64>, leave: u64) {
        let in_memory = |kind| [TMPFS_MAGIC, OVERLAYFS_SUPER_MAGIC].contains(&kind);
        if fstatfs(&self.file).is_ok_and(|s| in_memory(s.filesystem_type())) {
            return;
        }
        let free = fstatvfs(&self.file).map_or(0, |s| s.blocks_available() * s.fragment_size());
        let most = free.saturating_sub(leave) / 2;
        let bytes = (range.end - range.start).min(most);
        if let (Ok(at), Ok(bytes @ 1..)) = (
            libc::off_t::try_from(range.start),
            libc::off_t::try_from(bytes),
        ) {
            let _ = fallocate(&self.file, FallocateFlags::FALLOC_FL_KEEP_SIZE, at, bytes);
        }
    }

    /// Reserves room for `bytes` bytes at offset `at`, without changing the file's length.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn reserve_exactly(&self, at: u64, bytes: u64) -> nix::Result<()> {
        let (Ok(at), Ok(bytes)) = (libc::off_t::try_from(at), libc::off_t::try_from(bytes)) else {
            return Ok(());
        };
        loop {
            match fallocate(&self.file, FallocateFlags::FALLOC_FL_KEEP_SIZE, at, bytes) {
                Err(nix::Error::EINTR) => {}
                other => return other,
            }
        }
    }

    /// Writes all of `bytes` at offset `off`. `done` grows with what is written, so that a caller
    /// can go on behind it after a failure. If the kernel cannot do a direct write from this memory
    /// or at this alignment, the write is repeated through the page cache.
    ///
    /// # Errors
    /// Errors of the operating system. The bytes that `done` counts are in the file.
    pub fn write_all_at(&mut self, bytes: &[u8], off: u64, done: &mut u64) -> io::Result<()> {
        while let Some(rest) = usize::try_from(*done).ok().and_then(|d| bytes.get(d..)) {
            if rest.is_empty() {
                break;
            }
            match self.file.write_at(rest, off + *done) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                // A short direct write may end anywhere, but the next one must be aligned again.
                Ok(n) if self.direct && n < rest.len() => match align_down(n as u64) {
                    0 => self.make_buffered()?,
                    n => *done += n,
                },
                Ok(n) => *done += n as u64,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if self.direct && direct_is_impossible(&e) => {
                    self.can_be_direct = false;
                    self.make_buffered()?;
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Starts the writeback of this range of the page cache, so that dirty pages do not pile up
    /// until the kernel stops everything to write them.
    pub fn start_writeback(&self, off: u64, bytes: u64) {
        if self.direct {
            return;
        }
        if let (Ok(off), Ok(bytes)) = (i64::try_from(off), i64::try_from(bytes)) {
            // SAFETY: no memory is passed; the descriptor is open as long as `self.file`.
            let _ = unsafe {
                libc::sync_file_range(
                    self.file.as_raw_fd(),
                    off,
                    bytes,
                    libc::SYNC_FILE_RANGE_WRITE,
                )
            };
        }
    }
}

/// Whether a direct write can never succeed. EINVAL means that the file system needs another
/// alignment. EFAULT means that the ring's pages cannot be pinned, because they are memory of a
/// device.
fn direct_is_impossible(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EFAULT))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn temporary(direct: bool) -> DirectFile {
        DirectFile::new(tempfile::tempfile_in(".").unwrap(), direct)
    }

    fn content(file: &DirectFile) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(file.file().metadata().unwrap().len()).unwrap()];
        file.file().read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    #[test]
    fn unaligned_write_falls_back_to_page_cache() {
        #[repr(align(4096))]
        struct Page([u8; 4096]);
        let page = Page([7; 4096]);
        for direct in [false, true] {
            let mut file = temporary(direct);
            file.write_all_at(&page.0, 4096, &mut 0).unwrap();
            // Memory, offset and length are unaligned, so the file falls back by itself.
            file.write_all_at(&page.0[1..11], 3, &mut 0).unwrap();
            assert!(!file.is_direct());
            let bytes = content(&file);
            assert_eq!(bytes.len(), 8192);
            assert_eq!(&bytes[3..13], [7; 10]);
            assert!(bytes[4096..].iter().all(|b| *b == 7));
        }
    }

    #[test]
    fn write_resumes_behind_done_bytes() {
        let mut file = temporary(false);
        let mut done = 4;
        file.write_all_at(b"abcdefgh", 0, &mut done).unwrap();
        assert_eq!(done, 8);
        assert_eq!(content(&file), b"\0\0\0\0efgh");
    }

    #[test]
    fn reservation_keeps_the_file_length() {
        let file = temporary(true);
        file.reserve(0..1 << 20, 0);
        let meta = file.file().metadata().unwrap();
        assert_eq!(meta.len(), 0);
        file.file().set_len(0).unwrap();
        assert_eq!(file.file().metadata().unwrap().blocks(), 0);
    }

    #[test]
    fn reservation_leaves_room_for_keep_free() {
        let file = temporary(true);
        let free = fstatvfs(file.file()).map_or(0, |s| s.blocks_available() * s.fragment_size());
        file.reserve(0..1 << 20, free + (1 << 30));
        assert_eq!(file.file().metadata().unwrap().blocks(), 0);
    }

    #[test]
    fn tmpfs_files_reserve_nothing() {
        let Ok(file) = tempfile::tempfile_in("/dev/shm") else {
            println!("skipped: no file can be made in /dev/shm");
            return;
        };
        let file = DirectFile::new(file, false);
        file.reserve(0..1 << 20, 0);
        assert_eq!(file.file().metadata().unwrap().blocks(), 0);
    }

    #[test]
    fn full_device_counts_no_bytes() {
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut file = DirectFile::new(full, false);
        let mut done = 0;
        let error = file.write_all_at(b"x", 0, &mut done).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
        assert_eq!(done, 0);
    }
}
