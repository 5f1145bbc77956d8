//! The open files, which all threads share, so that one thread closes a file that another is using.

use std::sync::atomic::{AtomicI32, Ordering};

use crate::random::Random;

const FILES: usize = 48;
const NONE: i32 = -1;

/// File descriptors of the tested devices, each in a place that any thread can exchange.
#[derive(Debug)]
pub(crate) struct Descriptors {
    fds: [AtomicI32; FILES],
}

impl Descriptors {
    pub(crate) fn new() -> Self {
        Self {
            fds: [const { AtomicI32::new(NONE) }; FILES],
        }
    }

    /// Returns a random descriptor, whichever thread opened it. Another thread may be closing it;
    /// the result is -1 if no place that was tried has one.
    pub(crate) fn any(&self, random: &mut Random) -> i32 {
        // Several places are tried, because most calls should meet an open file.
        (0..4)
            .map(|_| self.place(random).load(Ordering::Relaxed))
            .find(|fd| *fd != NONE)
            .unwrap_or(NONE)
    }

    /// Puts `fd` into a random place, and closes the descriptor that was there.
    pub(crate) fn put(&self, fd: i32, random: &mut Random) {
        close(self.place(random).swap(fd, Ordering::Relaxed));
    }

    /// Closes a random descriptor, even if another thread uses it. Returns whether there was one.
    pub(crate) fn close_any(&self, random: &mut Random) -> bool {
        close(self.place(random).swap(NONE, Ordering::Relaxed))
    }

    /// Closes all descriptors.
    pub(crate) fn close_all(&self) {
        for place in &self.fds {
            close(place.swap(NONE, Ordering::Relaxed));
        }
    }

    fn place(&self, random: &mut Random) -> &AtomicI32 {
        &self.fds[random.index(FILES)]
    }
}

fn close(fd: i32) -> bool {
    // SAFETY: the thread that takes a descriptor out of its place is the only one that closes it.
    // Another thread may still use the number, which is part of the test; all descriptors here
    // belong to the tested devices.
    fd != NONE && unsafe { libc::close(fd) } == 0
}
