//! A capture file or a pipe that another program may still be writing to. Reading it never blocks
//! after the start.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hpcap::Result;
use hpcap::error::Context;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A file, pipe, socket or device. If it has nothing to read now, reading returns the error
/// [`io::ErrorKind::WouldBlock`]. Other processes may share the open file description, so its
/// descriptor is not made non-blocking.
#[derive(Debug)]
pub(super) struct Live {
    file: File,
    pauses: bool,
    may_block: Arc<AtomicBool>,
}

/// The period in which reads wait for the writer, because the first bytes decide the file's format.
#[derive(Debug)]
pub(super) struct BlockingStart(Arc<AtomicBool>);

impl BlockingStart {
    /// Ends the period: if the writer pauses from now on, a read returns an error.
    pub(super) fn end(self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Live {
    /// Opens the file at `path`, or standard input for `-`. A pipe without a writer opens at once,
    /// and has nothing to read yet.
    pub(super) fn open(path: &Path) -> Result<(Self, BlockingStart)> {
        let file = if path == Path::new("-") {
            let input = io::stdin().as_fd().try_clone_to_owned();
            File::from(input.context(|| "open standard input")?)
        } else {
            File::options()
                .read(true)
                .custom_flags(libc::O_NONBLOCK)
                .open(path)
                .context(|| format!("open {}", path.display()))?
        };
        let kind = file
            .metadata()
            .context(|| format!("look at {}", path.display()))?
            .file_type();
        let pauses = kind.is_fifo() || kind.is_socket() || kind.is_char_device();
        let may_block = Arc::new(AtomicBool::new(true));
        let start = BlockingStart(Arc::clone(&may_block));
        let live = Self {
            file,
            pauses,
            may_block,
        };
        Ok((live, start))
    }

    /// Returns a descriptor to wait on; `None` for a regular file, which always has something to
    /// read.
    pub(super) fn pipe(&self) -> Result<Option<OwnedFd>> {
        let copy = || self.file.as_fd().try_clone_to_owned();
        self.pauses
            .then(copy)
            .transpose()
            .context(|| "duplicate a file descriptor")
    }
}

/// Returns whether `file` becomes readable within `timeout`, which includes its end and an error.
fn is_readable(file: &impl AsFd, timeout: PollTimeout) -> io::Result<bool> {
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    match poll(&mut fds, timeout) {
        Ok(n) => Ok(n > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Waits until there may be something to read, at most for `timeout`.
pub(super) fn wait(pipe: &OwnedFd, timeout: Duration) -> Result<()> {
    let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::ZERO);
    is_readable(pipe, timeout)
        .map(drop)
        .context(|| "wait for the writer of a pipe")
}

impl Read for Live {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.pauses && !is_readable(&self.file, PollTimeout::ZERO)? {
            if !self.may_block.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            is_readable(&self.file, PollTimeout::NONE)?;
        }
        self.file.read(buffer)
    }
}
