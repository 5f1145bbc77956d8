//! A packet socket that captures nothing: it keeps the interface promiscuous, and tells when the
//! interface goes down or away, which AF_XDP sockets do not.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use hpcap::error::Context;
use hpcap::privilege::af_xdp_advice;
use hpcap::{Error, Kind, Result};
use hpcap_host::Interface;

use super::super::af_packet::program_name;
use super::super::socket_option::{get, set_at, socklen};

/// A protocol that no frame has: the kernel only notifies a socket that is bound to some protocol.
const NO_PROTOCOL: u16 = 0x0001;

/// The packet socket.
#[derive(Debug)]
pub(super) struct Watch(OwnedFd);

impl Watch {
    /// Watches `interface`, and makes it promiscuous if asked, for as long as the value lives.
    pub(super) fn open(interface: &Interface, promiscuous: bool) -> Result<Self> {
        let name = &interface.name;
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: `socket` accesses no memory of this process; the result is checked.
        let fd = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
        if fd < 0 {
            let tried = format!("capture {name} through AF_XDP");
            let error = Error::io(tried, io::Error::last_os_error());
            return Err(match error.kind() {
                Kind::Permission => error.advise(af_xdp_advice(&program_name())),
                _ => error,
            });
        }
        // SAFETY: the descriptor was just opened, and nothing else owns it.
        let watch = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        let index = c_int::try_from(interface.index).unwrap_or(c_int::MAX);
        if promiscuous {
            #[expect(clippy::cast_possible_truncation, reason = "it is 1")]
            let membership = libc::packet_mreq {
                mr_ifindex: index,
                mr_type: libc::PACKET_MR_PROMISC as u16,
                mr_alen: 0,
                mr_address: [0; 8],
            };
            let option = libc::PACKET_ADD_MEMBERSHIP;
            set_at(&watch.0, libc::SOL_PACKET, option, &membership)
                .context(|| format!("make {name} promiscuous"))?;
        }
        watch
            .bind(index)
            .context(|| format!("watch the state of {name}"))?;
        Ok(watch)
    }

    fn bind(&self, index: c_int) -> io::Result<()> {
        let mut address = no_address();
        #[expect(clippy::cast_possible_truncation, reason = "it is 17")]
        let family = libc::AF_PACKET as u16;
        address.sll_family = family;
        address.sll_protocol = NO_PROTOCOL.to_be();
        address.sll_ifindex = index;
        let bytes = socklen::<libc::sockaddr_ll>();
        // SAFETY: the address is a `sockaddr_ll` of `bytes` bytes and outlives the call.
        match unsafe { libc::bind(self.0.as_raw_fd(), (&raw const address).cast(), bytes) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Returns whether the interface still exists; the kernel unbinds the socket from one that is
    /// removed, or that moves to another namespace.
    pub(super) fn is_bound(&self) -> Result<bool> {
        let mut address = no_address();
        let mut bytes = socklen::<libc::sockaddr_ll>();
        // SAFETY: the kernel writes at most `bytes` bytes, which is a whole `sockaddr_ll`, and their
        // number; both variables outlive the call.
        let result = unsafe {
            libc::getsockname(
                self.0.as_raw_fd(),
                (&raw mut address).cast(),
                &raw mut bytes,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error())
                .context(|| "ask a packet socket for its interface");
        }
        Ok(address.sll_ifindex > 0)
    }

    /// Returns whether the interface went down or away since the last call.
    pub(super) fn take_change(&self) -> Result<bool> {
        let mut errno: c_int = 0;
        get(&self.0, libc::SOL_SOCKET, libc::SO_ERROR, &mut errno)
            .context(|| "read the state of a packet socket")?;
        Ok(errno != 0)
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn no_address() -> libc::sockaddr_ll {
    // SAFETY: zero is a valid value of every field of a `sockaddr_ll`.
    unsafe { std::mem::zeroed() }
}
