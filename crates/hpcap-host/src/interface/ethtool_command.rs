//! Commands to the driver of an interface: ethtool's ioctl.

use std::io;
use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::Interface;

/// A structure that the kernel fills in for one command of ethtool.
///
/// # Safety
/// The type must have the layout that the kernel reads and writes for `COMMAND`, and its first
/// field must be the command.
pub(super) unsafe trait EthtoolCommand {
    /// The command, an `ETHTOOL_*` constant of `linux/ethtool.h`.
    const COMMAND: u32;
}

impl Interface {
    /// Sends the command of `data`, and returns the structure that the kernel has filled in.
    pub(super) fn ethtool<T: EthtoolCommand>(&self, mut data: T) -> io::Result<T> {
        // SAFETY: `T` is the structure of its command, which the trait promises.
        unsafe { self.ioctl(libc::SIOCETHTOOL, &mut data) }?;
        Ok(data)
    }

    /// Queries or changes this interface with an ioctl whose data is `data`.
    ///
    /// # Safety
    /// `T` must be the structure that the kernel reads and writes for `number`, and for the command
    /// in `data` if `number` has several commands.
    pub(super) unsafe fn ioctl<T>(&self, number: libc::c_ulong, data: &mut T) -> io::Result<()> {
        // SAFETY: as the caller promises; the pointer is valid for the whole structure.
        unsafe { self.ioctl_at(number, std::ptr::from_mut(data).cast()) }
    }

    /// Sends the command of ethtool in the first four bytes of `words`, for structures that end with an array.
    ///
    /// # Safety
    /// `words` must be as long as all that the kernel reads and writes for the command.
    pub(super) unsafe fn ioctl_words(&self, words: &mut [u64]) -> io::Result<()> {
        // SAFETY: as the caller promises; the pointer is valid for all words.
        unsafe { self.ioctl_at(libc::SIOCETHTOOL, words.as_mut_ptr().cast()) }
    }

    /// As [`ioctl`](Self::ioctl).
    ///
    /// # Safety
    /// `data` must point to the structure that the kernel reads and writes for `number`.
    unsafe fn ioctl_at(&self, number: libc::c_ulong, data: *mut libc::c_char) -> io::Result<()> {
        // SAFETY: zero is a valid value of every field of an `ifreq`.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        // The last byte stays zero, because the kernel's names are shorter than the field.
        for (to, from) in request.ifr_name[..libc::IFNAMSIZ - 1]
            .iter_mut()
            .zip(self.name.bytes())
        {
            *to = from.cast_signed();
        }
        request.ifr_ifru.ifru_data = data;
        let socket = socket(
            AddressFamily::Inet,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC,
            None,
        )?;
        // SAFETY: the request points to `data`, which has the structure that the kernel expects for
        // `number`, as the caller promises; both outlive the call.
        match unsafe { libc::ioctl(socket.as_raw_fd(), number as _, &raw mut request) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// `struct ethtool_value` of `linux/ethtool.h`, for the command `COMMAND`.
#[repr(C)]
pub(super) struct Value<const COMMAND: u32> {
    command: u32,
    pub(super) data: u32,
}

impl Value<0> {
    /// `ETHTOOL_GFLAGS`.
    pub(super) const GET_FLAGS: u32 = 0x25;
    /// `ETHTOOL_SFLAGS`.
    pub(super) const SET_FLAGS: u32 = 0x26;
    /// `ETHTOOL_GGRO`.
    pub(super) const GET_GRO: u32 = 0x2b;
    /// `ETHTOOL_SGRO`.
    pub(super) const SET_GRO: u32 = 0x2c;
}

impl<const COMMAND: u32> Value<COMMAND> {
    pub(super) fn new() -> Self {
        Self::with(0)
    }

    pub(super) fn with(data: u32) -> Self {
        Self {
            command: COMMAND,
            data,
        }
    }
}

// SAFETY: the structure is that of commands with a single number, and `command` is first.
unsafe impl<const NUMBER: u32> EthtoolCommand for Value<NUMBER> {
    const COMMAND: u32 = NUMBER;
}
