//! Wake-up sockets, for listeners that wait with poll(2).
//!
//! A listener that sleeps on the word `waiting` of its slot is woken by futex(2), which poll(2) cannot
//! wait for. Such a listener asks for a socket, and the producer sends a byte over it whenever it
//! wakes the slot. The budget of wake-ups per slot limits these bytes, too, and a listener that has
//! not asked costs the poll thread nothing.
//!
//! The poll thread must never block, whatever the listener does. An eventfd would not ensure that:
//! producer and listener would share its open file description, and so its `O_NONBLOCK` flag. A
//! listener could clear the flag, fill the counter, and the next write of the poll thread would block
//! for ever. The two ends of a socket pair have descriptions of their own, the producer's end cannot be
//! reached from the other one, and `MSG_DONTWAIT` holds for the call, not for the description. A byte
//! that does not fit is dropped, because the unread ones before it already make the listener's end
//! readable. The closed socket tells the listener that it was killed or that its producer is gone,
//! even if the producer got SIGKILL.

use std::os::fd::{AsRawFd, OwnedFd};

use hpcap::Result;
use hpcap::error::Context;
use nix::sys::socket::{
    AddressFamily, MsgFlags, Shutdown, SockFlag, SockType, send, setsockopt, shutdown, socketpair,
    sockopt,
};

/// Size in bytes of the socket's buffer of unread wake-ups. The kernel raises it to its minimum,
/// which has room for a few.
const UNREAD_BYTES: usize = 1;

/// The producer's end of a wake-up socket.
#[derive(Debug)]
pub(crate) struct WakeupSocket(OwnedFd);

/// Creates a wake-up socket. Returns the producer's end and the listener's.
///
/// # Errors
/// The system's error when the process has no file descriptor left.
pub(super) fn wakeup_pair() -> Result<(WakeupSocket, OwnedFd)> {
    const TRIED: &str = "make a wake-up socket";
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
    )
    .context(|| TRIED)?;
    setsockopt(&ours, sockopt::SndBuf, &UNREAD_BYTES).context(|| TRIED)?;
    // The producer reads nothing, so the listener can send nothing that would stay in memory.
    shutdown(ours.as_raw_fd(), Shutdown::Read).context(|| TRIED)?;
    Ok((WakeupSocket(ours), theirs))
}

impl WakeupSocket {
    /// Makes the listener's end readable, and never blocks.
    pub(crate) fn wake(&self) {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        // The socket is full, so the listener's end is readable; or the listener has closed its end.
        let _ = send(self.0.as_raw_fd(), &[1], flags);
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use nix::sys::socket::recv;

    use super::*;

    fn events(socket: &OwnedFd) -> PollFlags {
        let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap();
        fds[0].revents().unwrap()
    }

    #[test]
    fn wake_never_blocks() {
        let (ours, theirs) = wakeup_pair().unwrap();
        assert_eq!(events(&theirs), PollFlags::empty());
        // The listener makes its end blocking, and reads nothing.
        fcntl(&theirs, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
        for _ in 0..100_000 {
            ours.wake();
        }
        assert_eq!(events(&theirs), PollFlags::POLLIN);
        // Only a bounded number of the wake-ups took memory.
        let mut bytes = [0; 65_536];
        let unread = recv(theirs.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT).unwrap();
        assert!(unread < 100, "{unread} unread wake-ups");
        ours.wake();
        assert_eq!(events(&theirs), PollFlags::POLLIN);
    }

    #[test]
    fn wake_ignores_a_listener_that_closed_its_end() {
        let (ours, theirs) = wakeup_pair().unwrap();
        shutdown(theirs.as_raw_fd(), Shutdown::Both).unwrap();
        ours.wake();
        drop(theirs);
        ours.wake();
    }

    #[test]
    fn listener_can_send_the_producer_nothing() {
        let (_ours, theirs) = wakeup_pair().unwrap();
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        assert!(send(theirs.as_raw_fd(), &[1], flags).is_err());
        assert_eq!(events(&theirs), PollFlags::empty());
    }

    #[test]
    fn closed_socket_stays_readable() {
        let (ours, theirs) = wakeup_pair().unwrap();
        drop(ours);
        for _ in 0..2 {
            assert!(events(&theirs).contains(PollFlags::POLLIN | PollFlags::POLLHUP));
            let mut byte = [0];
            assert_eq!(
                recv(theirs.as_raw_fd(), &mut byte, MsgFlags::empty()),
                Ok(0)
            );
        }
    }
}
