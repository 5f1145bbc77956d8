//! Waits for frames with poll(2), epoll, mio or tokio instead of a call that sleeps.

use std::mem::offset_of;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{Ordering, fence};

use super::{Listener, Waited};
use crate::abi::hpcap_slot;
use crate::error::Result;
use hpcap_ipc::wakeup::Wakeup;

impl Listener {
    /// Makes [`Listener::wakeup_fd`] return a file descriptor. A queue of `hpcapd` then spends one
    /// file descriptor on this listener, and a short system call on each of its wake-ups. A queue of
    /// the kernel module spends nothing. Further calls change nothing.
    ///
    /// # Errors
    /// Returns [`Kind::Version`](crate::Kind::Version) when `hpcapd` is too old;
    /// [`Kind::Full`](crate::Kind::Full) when `hpcapd` or this process has no file descriptor left;
    /// [`Kind::Gone`](crate::Kind::Gone) when the producer is gone.
    pub fn enable_wakeup_fd(&mut self) -> Result<()> {
        if self.wakeup.is_none() {
            self.wakeup = Some(self.connection.wakeup()?);
        }
        Ok(())
    }

    /// The file descriptor to wait for after [`Listener::request_wakeup`] returned
    /// [`Waited::TimedOut`]: it becomes readable when the wake-up comes, and also when the queue
    /// ends, the listener is killed, or the producer dies. `None` before
    /// [`Listener::enable_wakeup_fd`]. The program must only wait for the descriptor, not read from
    /// it.
    #[must_use]
    pub fn wakeup_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(match self.wakeup.as_ref()? {
            Wakeup::Device => self.connection.as_fd(),
            Wakeup::Socket(socket) => socket.as_fd(),
        })
    }

    /// Asks the producer for a wake-up when `bytes` bytes are unread; `bytes` is limited to at least
    /// 1 and at most half a ring. Unlike [`Listener::wait`], this function does not sleep: it returns
    /// [`Waited::TimedOut`] when the wake-up will come later.
    ///
    /// # Errors
    /// Returns [`Kind::Killed`](crate::Kind::Killed) when the listener was killed.
    pub fn request_wakeup(&mut self, bytes: u64) -> Result<Waited> {
        let bytes = bytes.clamp(1, self.info().ring_bytes / 2);
        let goal = self.position.saturating_add(bytes);
        // Wake-ups are received before the next one is requested, so that none is lost.
        if self.wakeup.as_ref().is_some_and(|wakeup| !wakeup.receive()) {
            self.wakeup_closed = true;
        }
        self.slot_u64(offset_of!(hpcap_slot, wait_off))
            .store(goal, Ordering::Relaxed);
        self.slot_u32(offset_of!(hpcap_slot, waiting))
            .store(1, Ordering::Release);
        // `waiting` is set before `published` is read. So either the producer sees `waiting` after
        // it publishes, or this thread sees what the producer published. `waiting` stays set when
        // this function finds data, so that the descriptor becomes readable even if the program
        // waits for it before it has read all of the data.
        fence(Ordering::SeqCst);
        self.find_ready(goal)
    }
}
