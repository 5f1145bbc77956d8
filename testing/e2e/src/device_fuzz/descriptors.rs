//! The open files, which all threads share: one closes what another is using.

use std::sync::atomic::{AtomicI32, Ordering};

use crate::random::Random;

const FILES: usize = 48;
const NONE: i32 = -1;

/// File descriptors of the device, and what came of them.
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

    /// One of them, whoever opened it; perhaps one that is just being closed, or none (-1).
    pub(crate) fn any(&self, random: &mut Random) -> i32 {
        // Some tries: most calls should meet an open file.
        (0..4)
            .map(|_| self.place(random).load(Ordering::Relaxed))
            .find(|fd| *fd != NONE)
            .unwrap_or(NONE)
    }

    /// Puts `fd` in a place, and closes what was there.
    pub(crate) fn put(&self, fd: i32, random: &mut Random) {
        close(self.place(random).swap(fd, Ordering::Relaxed));
    }

    /// Closes one, whoever uses it. Whether there was one.
    pub(crate) fn close_any(&self, random: &mut Random) -> bool {
        close(self.place(random).swap(NONE, Ordering::Relaxed))
    }

    /// Closes them all.
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
    // SAFETY: whoever takes a descriptor out of its place is the only one to close it. That
    // another thread still uses the number is what this program is about: all its descriptors
    // are of the devices that are tested.
    fd != NONE && unsafe { libc::close(fd) } == 0
}
