//! The request to stop, which wakes all threads that wait.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

/// A request that can be made once. The descriptor is readable from then on.
#[derive(Debug)]
pub(super) struct Stop {
    requested: AtomicBool,
    readable: UnixStream,
    writable: UnixStream,
}

impl Stop {
    pub(super) fn new() -> io::Result<Self> {
        let (readable, writable) = UnixStream::pair()?;
        Ok(Self {
            requested: AtomicBool::new(false),
            readable,
            writable,
        })
    }

    /// Makes the request.
    pub(super) fn request(&self) {
        if !self.requested.swap(true, Ordering::Relaxed) {
            // The socket has room for the only byte that is ever written.
            let _ = (&self.writable).write_all(&[1]);
        }
    }

    pub(super) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readable.as_fd()
    }
}
