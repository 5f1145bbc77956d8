//! The file descriptor with which a listener waits in poll(2), epoll, mio or tokio.
//!
//! ```
//! use hpcap_ipc::wakeup::Wakeup;
//! use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, send, socketpair};
//! use std::os::fd::AsRawFd;
//!
//! # fn main() -> nix::Result<()> {
//! let kind = (AddressFamily::Unix, SockType::Stream);
//! let (ours, theirs) = socketpair(kind.0, kind.1, None, SockFlag::SOCK_CLOEXEC)?;
//! let wakeup = Wakeup::Socket(ours);
//! send(theirs.as_raw_fd(), &[0], MsgFlags::empty())?;
//! assert!(wakeup.receive());
//! // The producer is gone.
//! drop(theirs);
//! assert!(!wakeup.receive());
//! # Ok(())
//! # }
//! ```

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};

/// A descriptor that becomes readable when the producer wakes a listener.
#[derive(Debug)]
pub enum Wakeup {
    /// The device of the kernel module, which is also the listener's connection.
    Device,
    /// The listener's end of a wake-up socket of `hpcapd`.
    Socket(OwnedFd),
}

impl Wakeup {
    /// Receives the wake-ups that have arrived, so that the descriptor is no longer readable. Returns
    /// `false` when there will be no further ones, because the listener was killed or the producer is
    /// gone; the descriptor then stays readable.
    pub fn receive(&self) -> bool {
        let Self::Socket(socket) = self else {
            // poll(2) on the device compares the listener's offsets; there is nothing to receive.
            return true;
        };
        let mut bytes = [0; 64];
        loop {
            match recv(socket.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
                Ok(count) if count == bytes.len() => {}
                Err(Errno::EINTR) => {}
                Ok(count) => return count > 0,
                Err(e) => return e == Errno::EAGAIN,
            }
        }
    }
}
