//! Socket options: setting and reading them with the types that the kernel expects.

use std::ffi::c_int;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd};

/// Size of a `T` in the type that socket calls take.
#[expect(
    clippy::cast_possible_truncation,
    reason = "types that the kernel knows are small"
)]
pub(crate) const fn socklen<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}

/// Sets a socket option to `value`, which has the type that the kernel expects.
pub(crate) fn set_at<T>(fd: &OwnedFd, level: c_int, option: c_int, value: &T) -> io::Result<()> {
    let bytes = socklen::<T>();
    let value = std::ptr::from_ref(value).cast();
    // SAFETY: the kernel reads `bytes` bytes at `value`, which is a whole `T`.
    match unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, value, bytes) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Reads a socket option. `T` must consist of integers only, so that any bytes that the kernel
/// writes are a valid value.
pub(crate) fn get<T: Copy>(
    fd: &OwnedFd,
    level: c_int,
    option: c_int,
    value: &mut T,
) -> io::Result<()> {
    let mut bytes = socklen::<T>();
    let value = std::ptr::from_mut(value).cast();
    // SAFETY: the kernel writes at most `bytes` bytes at `value`, which is a whole `T`.
    match unsafe { libc::getsockopt(fd.as_raw_fd(), level, option, value, &raw mut bytes) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
