//! Receives file descriptors without leaking one, however many arrive.
//!
//! `nix` gives no access to the control messages of a truncated message, so that the descriptors in
//! it would stay open.

use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

/// Largest number of file descriptors in an answer: ring, queue page, slot.
const ANSWER_FDS: usize = 3;

/// Space for the control message of an answer, aligned for its header.
#[repr(align(8))]
struct Control([u8; 64]);

/// Receives one message into `bytes`; returns its length and the descriptors that came with it.
///
/// # Errors
/// Returns errors of the system, and `EBADMSG` when the message came with more descriptors than an
/// answer has, or when some could not be opened. Then the opened ones are closed.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
) -> nix::Result<(usize, Vec<OwnedFd>)> {
    const _: () = assert!(size_of::<libc::cmsghdr>() + ANSWER_FDS * size_of::<RawFd>() <= 64);
    let mut control = Control([0; 64]);
    let mut iov = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: zero is a valid value of every field of a `msghdr`.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut iov;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len();
    // SAFETY: `message` describes `bytes` and `control`, which both stay writable during the call.
    let count =
        unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) };
    let count = usize::try_from(count).map_err(|_| Errno::last())?;
    // The descriptors get their owner before any check, so that an error closes them.
    let fds = opened(&message);
    if message.msg_flags & libc::MSG_CTRUNC != 0 || fds.len() > ANSWER_FDS {
        return Err(Errno::EBADMSG);
    }
    Ok((count, fds))
}

/// Takes ownership of the descriptors that the kernel opened for this process with `message`.
fn opened(message: &libc::msghdr) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    // SAFETY: recvmsg(2) filled in `message`, and its control buffer is still valid.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR return null or a complete, aligned header.
        let found = unsafe { &*header };
        if found.cmsg_level == libc::SOL_SOCKET && found.cmsg_type == libc::SCM_RIGHTS {
            // SAFETY: CMSG_DATA only computes an address from that of the valid header.
            let data: *const RawFd = unsafe { libc::CMSG_DATA(header) }.cast();
            // SAFETY: CMSG_LEN only computes a length.
            let head = unsafe { libc::CMSG_LEN(0) } as usize;
            let count = (found.cmsg_len as usize).saturating_sub(head) / size_of::<RawFd>();
            for i in 0..count {
                // SAFETY: the kernel wrote `count` descriptors here, which it opened for this
                // process, and no other code knows their numbers.
                fds.push(unsafe { OwnedFd::from_raw_fd(data.add(i).read_unaligned()) });
            }
        }
        // SAFETY: `header` is one of the headers in `message`.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    fds
}
