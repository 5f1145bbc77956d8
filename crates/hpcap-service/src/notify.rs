//! The socket of the service manager.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Sends datagrams to the service manager.
#[derive(Debug)]
pub(crate) struct Notifier {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Notifier {
    /// Opens the way to `address`, the value of `NOTIFY_SOCKET`: a path, or `@NAME` for a socket in
    /// the abstract name space.
    pub(crate) fn to(address: &OsStr) -> io::Result<Self> {
        let address = match address.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(address)?,
        };
        let socket = UnixDatagram::unbound()?;
        // A manager that does not read must not stop a recorder.
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address })
    }

    /// Sends one message. Returns whether the manager has received it.
    pub(crate) fn send(&self, message: &str) -> bool {
        self.socket
            .send_to_addr(message.as_bytes(), &self.address)
            .is_ok()
    }
}
