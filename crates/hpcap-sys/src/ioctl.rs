//! The ioctls of a queue's char device, `/dev/hpcap_N_Q`.
//!
//! ```
//! use std::fs::File;
//! use std::os::fd::AsFd;
//!
//! // The device of another driver knows none of them.
//! let other = File::open("/dev/null").unwrap();
//! let error = hpcap_sys::ioctl::ring_fd(other.as_fd()).unwrap_err();
//! assert_eq!(error.raw_os_error(), Some(25), "ENOTTY");
//! ```

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::abi::{hpcap_attach, hpcap_set_ring};

/// The calls as the crate `ioctl-sys` defines them, with the numbers of the C header.
mod raw {
    use crate::abi::{
        HPCAP_IOC_MAGIC, HPCAP_IOC_REQUEST, HPCAP_IOC_RING_FD_NR, HPCAP_IOC_SET_RING,
        HPCAP_IOC_WAIT, hpcap_attach, hpcap_set_ring,
    };

    ioctl_sys::ioctl!(bad read request with HPCAP_IOC_REQUEST; hpcap_attach);
    ioctl_sys::ioctl!(bad write wait with HPCAP_IOC_WAIT; u64);
    ioctl_sys::ioctl!(none ring_fd with HPCAP_IOC_MAGIC, HPCAP_IOC_RING_FD_NR);
    ioctl_sys::ioctl!(bad write set_ring with HPCAP_IOC_SET_RING; hpcap_set_ring);
}

/// Sends `message` to the module, which writes its answer into it (`HPCAP_IOC_REQUEST`).
///
/// # Errors
/// Returns the errno of the call. The module's verdict on a request that it understood is in
/// `message.error`.
pub fn request(device: BorrowedFd<'_>, message: &mut hpcap_attach) -> io::Result<()> {
    // SAFETY: HPCAP_IOC_REQUEST reads and writes one `hpcap_attach`, which `message` is.
    check(unsafe { raw::request(device.as_raw_fd(), message) }).map(drop)
}

/// Sleeps while the slot's `waiting` is 1, for at most `ns` nanoseconds (`HPCAP_IOC_WAIT`).
///
/// # Errors
/// Returns the errno of the call: `EINTR` after a signal.
pub fn wait(device: BorrowedFd<'_>, ns: u64) -> io::Result<()> {
    // SAFETY: HPCAP_IOC_WAIT reads one u64, which `ns` is.
    check(unsafe { raw::wait(device.as_raw_fd(), &raw const ns) }).map(drop)
}

/// Opens the file of hugepages under the ring, read-only (`HPCAP_IOC_RING_FD`).
///
/// # Errors
/// Returns the errno of the call: `ENODATA` when the ring is not in hugepages.
pub fn ring_fd(device: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: HPCAP_IOC_RING_FD has no argument.
    let fd = check(unsafe { raw::ring_fd(device.as_raw_fd()) })?;
    // SAFETY: the kernel has just opened this descriptor for this process.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Replaces the ring of the queue (`HPCAP_IOC_SET_RING`).
///
/// # Errors
/// Returns the errno of the call, as the C header lists them.
pub fn set_ring(device: BorrowedFd<'_>, ring: &hpcap_set_ring) -> io::Result<()> {
    // SAFETY: HPCAP_IOC_SET_RING reads one `hpcap_set_ring`, which `ring` is.
    check(unsafe { raw::set_ring(device.as_raw_fd(), ring) }).map(drop)
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}
