//! The request to stop, which wakes all threads that wait.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::output::Waiting;

/// A request that can be made once. The descriptor is readable from then on.
#[derive(Debug)]
pub(super) struct Stop {
    requested: AtomicBool,
    /// Whether a thread watches for reasons to stop.
    watched: AtomicBool,
    readable: UnixStream,
    writable: UnixStream,
}

impl Stop {
    pub(super) fn new() -> io::Result<Self> {
        let (readable, writable) = UnixStream::pair()?;
        Ok(Self {
            requested: AtomicBool::new(false),
            watched: AtomicBool::new(false),
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

    /// Notes that a thread watches for signals from now on.
    pub(super) fn watch(&self) {
        self.watched.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }
}

impl Waiting for Stop {
    fn may_wait(&self) -> bool {
        self.watched.load(Ordering::Relaxed) && !self.is_requested()
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readable.as_fd()
    }
}
