//! The wire of a NIC that QEMU itself emulates: a socket, of which each datagram is a frame.
//!
//! QEMU takes a frame only while the NIC has room. So the socket fills up when the guest is slower than the sender, and no
//! frame is lost. Only when a driver switches reception on, QEMU loses a few frames that wait in the socket, because it
//! takes one at each write to some registers. (A stream would not do: QEMU takes many frames from it at once, and loses
//! those that the NIC has no room for.) What becomes of a frame is known to the guest alone.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{Outcome, Receive};

/// A MAC pads shorter frames.
const SHORTEST: usize = 60;

/// The end of the wire that frames are sent into.
#[derive(Debug)]
pub struct SocketWire {
    socket: UnixDatagram,
    /// Whether QEMU has ended.
    closed: bool,
}

impl SocketWire {
    /// Creates a wire. The other end of `socket` is QEMU's (`-netdev dgram`).
    ///
    /// # Errors
    /// Fails if the socket cannot be set not to block.
    pub fn new(socket: UnixDatagram) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            closed: false,
        })
    }
}

impl Receive for SocketWire {
    fn is_up(&self) -> bool {
        !self.closed
    }

    fn has_room(&self, _frame: &[u8]) -> bool {
        let mut socket = [PollFd::new(self.socket.as_fd(), PollFlags::POLLOUT)];
        poll(&mut socket, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    fn receive(&mut self, frame: &[u8]) -> Outcome {
        let mut padded = [0; SHORTEST];
        let frame = match padded.get_mut(..frame.len()) {
            Some(start) => {
                start.copy_from_slice(frame);
                &padded
            }
            None => frame,
        };
        loop {
            match self.socket.send(frame) {
                Ok(_) => return Outcome::Delivered { queue: 0 },
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Outcome::Missed,
                Err(_) => {
                    self.closed = true;
                    return Outcome::Down;
                }
            }
        }
    }

    fn flush(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire() -> (SocketWire, UnixDatagram) {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        (SocketWire::new(ours).unwrap(), theirs)
    }

    #[test]
    fn short_frame_is_padded() {
        let (mut wire, qemu) = wire();
        assert_eq!(wire.receive(&[7; 100]), Outcome::Delivered { queue: 0 });
        assert_eq!(wire.receive(&[8; 20]), Outcome::Delivered { queue: 0 });
        let mut buffer = [0; 1000];
        assert_eq!(qemu.recv(&mut buffer).unwrap(), 100);
        assert_eq!(buffer[..100], [7; 100]);
        assert_eq!(qemu.recv(&mut buffer).unwrap(), 60);
        assert_eq!(buffer[..60], [[8; 20], [0; 20], [0; 20]].concat());
    }

    #[test]
    fn full_wire_has_no_room() {
        let (mut wire, qemu) = wire();
        let frame = [1; 1000];
        let mut sent = 0;
        while wire.has_room(&frame) {
            assert_eq!(wire.receive(&frame), Outcome::Delivered { queue: 0 });
            sent += 1;
        }
        // The socket may take one more than it says.
        while wire.receive(&frame) != Outcome::Missed {
            sent += 1;
        }
        qemu.set_nonblocking(true).unwrap();
        let mut buffer = [0; 2000];
        while qemu.recv(&mut buffer).is_ok() {
            sent -= 1;
        }
        assert_eq!(sent, 0);
        assert!(wire.has_room(&frame));
    }

    #[test]
    fn wire_without_qemu_is_down() {
        let (mut wire, qemu) = wire();
        drop(qemu);
        assert_eq!(wire.receive(&[0; 60]), Outcome::Down);
        assert!(!wire.is_up());
    }
}
