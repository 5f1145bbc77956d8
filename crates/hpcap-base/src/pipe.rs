//! Writes to a pipe without ever blocking for long.
//!
//! A program that prints frames into a pipe must notice a signal although the reader of the pipe takes nothing: a viewer
//! that a person has paused, a pager, a program that was stopped. A [`Pipe`] fails with `WouldBlock` after a tenth of a
//! second, and the program decides whether it tries again.
//!
//! ```
//! use std::fs::File;
//! use std::io::{ErrorKind, Write};
//! use std::os::fd::OwnedFd;
//!
//! use hpcap_base::pipe::Pipe;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (reader, writer) = std::io::pipe()?;
//! let mut pipe = Pipe::of(File::from(OwnedFd::from(writer)))?;
//! // Nobody reads, so the pipe is full after some time.
//! let refused = loop {
//!     if let Err(error) = pipe.write(&[0; 4096]) {
//!         break error;
//!     }
//! };
//! assert_eq!(refused.kind(), ErrorKind::WouldBlock);
//!
//! drop(reader);
//! assert_eq!(pipe.write(&[0; 4096]).unwrap_err().kind(), ErrorKind::BrokenPipe);
//! # Ok(())
//! # }
//! ```

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::sync::Arc;

use crate::error::{Context, Result};
use crate::prompt_writer::PromptWriter;

/// Longest time that a write waits for the reader, in milliseconds.
const WRITE_TIMEOUT_MS: u16 = 100;

/// A file or a pipe. If the reader of a pipe takes nothing, a write fails with `WouldBlock` after
/// `WRITE_TIMEOUT_MS`, so that the program can handle signals.
#[derive(Debug)]
pub struct Pipe {
    writer: PromptWriter,
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
        let tried = || "examine the output";
        let kind = file.metadata().context(tried)?.file_type();
        Ok(Self {
            writer: PromptWriter::new(file).context(tried)?,
            is_device: kind.is_char_device(),
        })
    }

    /// The file on a disk or the device that is written; `None` for what has a reader.
    #[must_use]
    pub fn file(&self) -> Option<Arc<File>> {
        self.writer.file()
    }

    /// Whether this is a character device. A full device gets no room, unlike a full disk.
    #[must_use]
    pub fn is_device(&self) -> bool {
        self.is_device
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.writer.wait(WRITE_TIMEOUT_MS)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::prompt_writer::CHUNK_BYTES;

    #[test]
    fn paused_reader_does_not_block_the_writer() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut pipe = Pipe::of(File::from(std::os::fd::OwnedFd::from(writer))).unwrap();
        let chunk = [5; CHUNK_BYTES * 3];
        let mut taken = 0;
        let error = loop {
            match pipe.write(&chunk) {
                Ok(n) => taken += n,
                Err(e) => break e,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let mut some = [0; CHUNK_BYTES * 2];
        reader.read_exact(&mut some).unwrap();
        assert!(pipe.write(&chunk).unwrap() >= CHUNK_BYTES);
        assert!(taken >= CHUNK_BYTES);
        drop(reader);
        assert_eq!(
            pipe.write(&chunk).unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    }
}
