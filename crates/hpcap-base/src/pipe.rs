//! Writes to a pipe without ever blocking for long.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;

use crate::error::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Bytes that a writable pipe takes without blocking (PIPE_BUF).
const PIPE_CHUNK: usize = 4096;

/// Longest time that a write waits for the reader, in milliseconds.
const WRITE_TIMEOUT_MS: u16 = 100;

/// Size in bytes of the pipe that a program requests, so that a reader may pause for a moment.
const PIPE_BYTES: i32 = 1 << 20;

/// A file or a pipe. If the reader of a pipe takes nothing, a write fails with `WouldBlock` after
/// `WRITE_TIMEOUT_MS`, so that the program can handle signals. The pipe is not made
/// non-blocking, because other processes share its open file description.
#[derive(Debug)]
pub struct Pipe {
    file: File,
    chunk: usize,
    is_device: bool,
}

impl Pipe {
    /// This process's stdout.
    ///
    /// # Errors
    /// An error if stdout is closed.
    pub fn stdout() -> Result<Self> {
        let fd = io::stdout().as_fd().try_clone_to_owned();
        Self::of(File::from(fd.context(|| "write to stdout")?))
    }

    /// Writes to `file`.
    ///
    /// # Errors
    /// An error if the operating system cannot say what kind of file it is.
    pub fn of(file: File) -> Result<Self> {
        let kind = file
            .metadata()
            .context(|| "examine the output")?
            .file_type();
        let chunk = if kind.is_fifo() {
            let _ = nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
            PIPE_CHUNK
        } else if kind.is_socket() {
            PIPE_CHUNK
        } else {
            usize::MAX
        };
        Ok(Self {
            file,
            chunk,
            is_device: kind.is_char_device(),
        })
    }

    /// Whether this is a character device. Nobody can make room on a full one, as on a disk.
    #[must_use]
    pub fn is_device(&self) -> bool {
        self.is_device
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunk != usize::MAX {
            let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)];
            if poll(&mut fds, PollTimeout::from(WRITE_TIMEOUT_MS))? == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        self.file.write(&bytes[..bytes.len().min(self.chunk)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn paused_reader_does_not_block_the_writer() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut pipe = Pipe::of(File::from(std::os::fd::OwnedFd::from(writer))).unwrap();
        let chunk = [5; PIPE_CHUNK * 3];
        let mut taken = 0;
        let error = loop {
            match pipe.write(&chunk) {
                Ok(n) => taken += n,
                Err(e) => break e,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let mut some = [0; PIPE_CHUNK * 2];
        reader.read_exact(&mut some).unwrap();
        assert_eq!(pipe.write(&chunk).unwrap(), PIPE_CHUNK);
        assert!(taken >= PIPE_CHUNK);
        drop(reader);
        assert_eq!(
            pipe.write(&chunk).unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    }
}
