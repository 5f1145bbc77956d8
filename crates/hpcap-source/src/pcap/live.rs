//! A capture file that another program may still be writing into a pipe: reading it never blocks.

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

/// A file, or a pipe, socket or device, which may have nothing to read now: that is the error
/// [`io::ErrorKind::WouldBlock`]. The description may be shared with other processes, which is why
/// it is not just made non-blocking.
#[derive(Debug)]
pub(super) struct Live {
    file: File,
    pauses: bool,
    may_block: Arc<AtomicBool>,
}

/// The time in which reading waits for the writer: the first bytes of a file decide its format.
#[derive(Debug)]
pub(super) struct BlockingStart(Arc<AtomicBool>);

impl BlockingStart {
    /// From now on, a pause of the writer is an error.
    pub(super) fn end(self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Live {
    /// Opens the file at `path`, or standard input. A pipe that nobody has opened for writing yet
    /// is one that has nothing to read now.
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

    /// A descriptor to wait on; `None` for a file, which never pauses.
    pub(super) fn pipe(&self) -> Result<Option<OwnedFd>> {
        let copy = || self.file.as_fd().try_clone_to_owned();
        self.pauses
            .then(copy)
            .transpose()
            .context(|| "duplicate a file descriptor")
    }
}

/// Whether there is something to read from `file` within `timeout`, be it the end or an error.
fn is_readable(file: &impl AsFd, timeout: PollTimeout) -> io::Result<bool> {
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    match poll(&mut fds, timeout) {
        Ok(n) => Ok(n > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Waits until there may be something to read, `timeout` at most.
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
