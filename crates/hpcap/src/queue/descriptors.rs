//! Receiving file descriptors: none of those that come is ever lost, however many there are.
//!
//! `nix` gives no access to the control messages of a truncated message, and the descriptors in
//! them would stay open for ever.

use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

/// File descriptors that can come with one answer: ring, queue page, slot.
const ANSWER_FDS: usize = 3;

/// Room for the control message of an answer, aligned for its header.
#[repr(align(8))]
struct Control([u8; 64]);

/// Receives one message into `bytes`: how long it is, and the descriptors that came with it.
///
/// # Errors
/// The system's; `EBADMSG` when more descriptors were sent than an answer has, or not all of them
/// could be opened. Those that were opened are closed then.
pub(super) fn receive(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
) -> nix::Result<(usize, Vec<OwnedFd>)> {
    const _: () = assert!(size_of::<libc::cmsghdr>() + ANSWER_FDS * size_of::<RawFd>() <= 64);
    let mut control = Control([0; 64]);
    let mut iov = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: all fields of a `msghdr` may be zero.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut iov;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len();
    // SAFETY: `message` describes `bytes` and `control`, both writable during the call.
    let count =
        unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) };
    let count = usize::try_from(count).map_err(|_| Errno::last())?;
    // Owned before anything is judged: whatever comes of it, they are closed.
    let fds = opened(&message);
    if message.msg_flags & libc::MSG_CTRUNC != 0 || fds.len() > ANSWER_FDS {
        return Err(Errno::EBADMSG);
    }
    Ok((count, fds))
}

/// The descriptors that the kernel has opened for this process along with `message`.
fn opened(message: &libc::msghdr) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    // SAFETY: `message` is as recvmsg(2) left it, and its control buffer is still there.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR return whole, aligned headers or null.
        let found = unsafe { &*header };
        if found.cmsg_level == libc::SOL_SOCKET && found.cmsg_type == libc::SCM_RIGHTS {
            // SAFETY: a pure computation of an address.
            let data: *const RawFd = unsafe { libc::CMSG_DATA(header) }.cast();
            // SAFETY: a pure computation of a length.
            let head = unsafe { libc::CMSG_LEN(0) } as usize;
            let count = (found.cmsg_len as usize).saturating_sub(head) / size_of::<RawFd>();
            for i in 0..count {
                // SAFETY: the kernel wrote `count` descriptors there, has just opened them for
                // this process, and nobody else knows of them.
                fds.push(unsafe { OwnedFd::from_raw_fd(data.add(i).read_unaligned()) });
            }
        }
        // SAFETY: `header` is one of the headers of `message`.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    fds
}
