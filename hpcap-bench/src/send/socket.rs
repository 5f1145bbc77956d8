//! A packet socket that only sends, many frames with one system call.

use std::ffi::c_int;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use hpcap::error::Context;
use hpcap::privilege::packet_socket_advice;
use hpcap::{Error, Kind, Result};
use hpcap_host::Interface;
use hpcap_source::{BATCH, Frame};

/// Size in bytes of the send buffer, which the system grants only to privileged users.
const BUFFER_BYTES: c_int = 4 << 20;

// The kernel's integer types for sizes and families hold these small constants.
#[expect(clippy::cast_possible_truncation, reason = "it is 17")]
const FAMILY: u16 = libc::AF_PACKET as u16;
#[expect(clippy::cast_possible_truncation, reason = "it is 20")]
const ADDRESS_BYTES: libc::socklen_t = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
#[expect(clippy::cast_possible_truncation, reason = "it is 4")]
const INTEGER_BYTES: libc::socklen_t = size_of::<c_int>() as libc::socklen_t;

/// The reason why the first of some frames was not sent.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The frame is longer than the interface can send.
    TooLong,
    /// The interface has no room at the moment.
    NoRoom,
    /// A signal arrived before a frame was sent.
    Interrupted,
    /// Another attempt would fail, too.
    Failed(io::Error),
}

/// A socket that sends out of one interface.
#[derive(Debug)]
pub(super) struct Socket {
    fd: OwnedFd,
}

impl Socket {
    pub(super) fn open(interface: &Interface) -> Result<Self> {
        let name = &interface.name;
        // SAFETY: `socket` accesses no memory of this process; the result is checked. The protocol
        // 0 makes the socket receive nothing.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if fd < 0 {
            let error = Error::io(
                format!("open a packet socket to send to {name}"),
                io::Error::last_os_error(),
            );
            return Err(match error.kind() {
                Kind::Permission => error.advise(packet_socket_advice("hpcap-bench")),
                _ => error,
            });
        }
        // SAFETY: the descriptor was just opened, and nothing else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        // The bypass hands frames straight to the driver; a queueing discipline may reorder and
        // drop them.
        set(&fd, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, 1)
            .context(|| format!("send to {name} without a queueing discipline"))?;
        // A larger buffer is faster but not necessary, so a missing permission is no error.
        let _ = set(&fd, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, BUFFER_BYTES);

        // SAFETY: zero is a valid value of every field of a `sockaddr_ll`.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = FAMILY;
        address.sll_ifindex = c_int::try_from(interface.index).unwrap_or(c_int::MAX);
        let bytes = ADDRESS_BYTES;
        // SAFETY: the address is a `sockaddr_ll` of `bytes` bytes and outlives the call.
        if unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), bytes) } != 0 {
            return Err(Error::io(
                format!("send to {name}"),
                io::Error::last_os_error(),
            ));
        }
        Ok(Self { fd })
    }

    /// Sends `frames`, which must not be empty, up to the first that is refused and at most
    /// [`BATCH`]. Returns how many were sent, or the reason if the first one was refused.
    pub(super) fn send(&self, frames: &[Frame<'_>]) -> std::result::Result<usize, Refusal> {
        #[expect(clippy::cast_possible_truncation, reason = "at most a batch")]
        let count = frames.len().min(BATCH) as u32;
        let mut parts = [const {
            libc::iovec {
                iov_base: std::ptr::null_mut(),
                iov_len: 0,
            }
        }; BATCH];
        // SAFETY: zero is a valid value of every field of a `mmsghdr`: no address, no data.
        let mut messages: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
        for ((part, message), frame) in parts.iter_mut().zip(&mut messages).zip(frames) {
            part.iov_base = frame.data().as_ptr().cast_mut().cast();
            part.iov_len = frame.data().len();
            message.msg_hdr.msg_iov = part;
            message.msg_hdr.msg_iovlen = 1;
        }
        // SAFETY: the first `count` messages each point to one part, which points to the bytes of a
        // frame; all outlive the call, which only reads the frames.
        let sent = unsafe { libc::sendmmsg(self.fd.as_raw_fd(), messages.as_mut_ptr(), count, 0) };
        usize::try_from(sent).map_err(|_| {
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EMSGSIZE) => Refusal::TooLong,
                Some(libc::ENOBUFS | libc::EAGAIN | libc::ENOMEM) => Refusal::NoRoom,
                Some(libc::EINTR) => Refusal::Interrupted,
                _ => Refusal::Failed(error),
            }
        })
    }
}

fn set(fd: &OwnedFd, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    let bytes = INTEGER_BYTES;
    let value = (&raw const value).cast();
    // SAFETY: the kernel reads `bytes` bytes at `value`, which is a whole integer.
    match unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, value, bytes) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
