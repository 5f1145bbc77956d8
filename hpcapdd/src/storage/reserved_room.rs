//! A file that reserves room for its own end.

use std::fs::File;
use std::io::{self, Write};

use nix::fcntl::{FallocateFlags, fallocate};

/// Bytes that are reserved behind the written data for the statistics that end a file, because the
/// disk may be full by then.
pub const ROOM_BYTES: u64 = 16 << 10;

/// Appends to a file. Each write first reserves room for its bytes and for the end of the file.
#[derive(Debug)]
pub struct ReservingFile {
    file: File,
    at: u64,
    /// Whether the file system can reserve room at all.
    reserves: bool,
}

impl ReservingFile {
    /// Appends to `file`, which is empty.
    #[must_use]
    pub fn new(file: File) -> Self {
        Self {
            file,
            at: 0,
            reserves: true,
        }
    }

    /// Reserves room for `bytes` more bytes and for the end of the file behind them. Fails if the
    /// disk has no such room.
    fn reserve(&mut self, bytes: usize) -> io::Result<()> {
        let len = bytes as u64 + ROOM_BYTES;
        let (Ok(at), Ok(len)) = (libc::off_t::try_from(self.at), libc::off_t::try_from(len)) else {
            return Ok(());
        };
        match fallocate(&self.file, FallocateFlags::FALLOC_FL_KEEP_SIZE, at, len) {
            Err(nix::Error::EOPNOTSUPP | nix::Error::ENOSYS) => {
                self.reserves = false;
                Ok(())
            }
            Err(nix::Error::EINTR) => Err(io::ErrorKind::Interrupted.into()),
            Err(e @ (nix::Error::ENOSPC | nix::Error::EDQUOT)) => Err(e.into()),
            // The write reports every other failure.
            _ => Ok(()),
        }
    }
}

impl Write for ReservingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.reserves {
            self.reserve(bytes.len())?;
        }
        let written = self.file.write(bytes)?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
