//! A connection to the kernel module over `/dev/hpcap_N_Q`. Requests and answers are those of a
//! socket, but exchanged by ioctl(2), and the memory is mapped from the device.
//!
//! ```
//! use std::path::Path;
//!
//! use hpcap_base::QueueName;
//! use hpcap_ipc::device::{device_path, is_device, queue_of};
//!
//! # fn main() -> hpcap_base::Result<()> {
//! let name = QueueName::new(0, 1);
//! assert_eq!(device_path(Path::new("/dev"), name), Path::new("/dev/hpcap_0_1"));
//! assert_eq!(queue_of("hpcap_0_1"), Some(name));
//! assert_eq!(queue_of("null"), None);
//! # Ok(())
//! # }
//! ```

use std::env;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;

use crate::shared::Shared;
use hpcap_sys::ioctl;

use hpcap_base::error::{Context, Error, Kind, Result};
use hpcap_base::name::QueueName;
use hpcap_sys::abi::{self, hpcap_attach, hpcap_set_ring};

/// Returns the errno of a failed call.
fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

/// Returns the folder of the kernel module's devices: `$HPCAP_DEV_DIR`, or `/dev`.
#[must_use]
pub fn dev_dir() -> PathBuf {
    env::var_os("HPCAP_DEV_DIR").map_or_else(|| PathBuf::from("/dev"), PathBuf::from)
}

/// Returns the path of the device of queue `name` in folder `dir`.
#[must_use]
pub fn device_path(dir: &Path, name: QueueName) -> PathBuf {
    dir.join(format!("hpcap_{}_{}", name.adapter, name.queue))
}

/// Parses the name of a device; `None` when it is not one of the module's.
pub fn queue_of(file: &str) -> Option<QueueName> {
    let (adapter, queue) = file.strip_prefix("hpcap_")?.split_once('_')?;
    let name: QueueName = format!("hpcap{adapter}:{queue}").parse().ok()?;
    // Only the form that the module writes is accepted: hpcap_0_0, but not hpcap_00_0.
    (device_path(Path::new(""), name).to_str() == Some(file)).then_some(name)
}

/// Whether `path` is the path of a queue's device, whether or not the device exists.
pub fn is_named(path: &Path) -> bool {
    let file = path.file_name().and_then(|name| name.to_str());
    path.parent() == Some(dev_dir().as_path()) && file.and_then(queue_of).is_some()
}

/// Whether a device of the module is at `path`: a char device, not a link to one, with the major
/// number that the kernel has assigned to the module.
///
/// # Errors
/// Fails when memory is exhausted or `/proc/devices` cannot be read. Other errors about `path`
/// count as "no device".
pub fn is_device(path: &Path) -> Result<bool> {
    let tried = || format!("look at {}", path.display());
    match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == ErrorKind::OutOfMemory => Err(Error::io(tried(), e)),
        Ok(found) if found.file_type().is_char_device() => is_the_modules(found.rdev()),
        _ => Ok(false),
    }
}

/// Whether device number `number` belongs to the module.
fn is_the_modules(number: u64) -> Result<bool> {
    const NUMBERS: &str = "/proc/devices";
    let text = std::fs::read_to_string(NUMBERS).context(|| format!("read {NUMBERS}"))?;
    Ok(major_of(&text, "hpcap") == Some(libc::major(number)))
}

/// Finds the major number of the char devices `name` in the text of /proc/devices.
fn major_of(devices: &str, name: &str) -> Option<u32> {
    devices
        .lines()
        .take_while(|line| !line.starts_with("Block devices"))
        .find_map(|line| {
            let (number, driver) = line.trim_start().split_once(' ')?;
            (driver == name).then(|| number.parse().ok())?
        })
}

/// An open device, which observes its queue or is one listener.
#[derive(Debug)]
pub struct Device {
    file: File,
}

impl Device {
    /// Opens the device at `path`.
    ///
    /// # Errors
    /// Fails when the device does not exist, belongs to another driver, or access is denied.
    pub fn open(path: &Path) -> Result<Self> {
        let tried = || format!("open {}", path.display());
        // Opening another driver's device could have side effects, and that driver could interpret
        // the requests as its own. So the device is checked first.
        std::fs::symlink_metadata(path).context(tried)?;
        if !is_device(path)? {
            let why = "it is not a device of hpcap.ko";
            return Err(Error::new(Kind::Format, tried(), why)
                .advise("something else took the name of a queue: remove it"));
        }
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_CLOEXEC | libc::O_NOFOLLOW)
            .open(path);
        match opened {
            Ok(file) => {
                // The device could have been replaced between the check and the open.
                let number = file.metadata().context(tried)?.rdev();
                if !is_the_modules(number)? {
                    let why = "it was exchanged for something else";
                    return Err(Error::new(Kind::Format, tried(), why));
                }
                Ok(Self { file })
            }
            // The node has no device: the adapter is being removed, or the node was created by
            // hand.
            Err(e) if matches!(e.raw_os_error(), Some(libc::ENODEV | libc::ENXIO)) => {
                Err(Error::new(Kind::Gone, tried(), "its adapter is gone"))
            }
            Err(e) => Err(Error::io(tried(), e)),
        }
    }

    /// Sends `request` and returns the answer unchecked.
    pub(crate) fn ask(&self, tried: &str, request: &hpcap_attach) -> Result<hpcap_attach> {
        let mut message = *request;
        loop {
            match ioctl::request(self.file.as_fd(), &mut message).map_err(errno) {
                Ok(()) => return Ok(message),
                // The signal arrived before the module began the request.
                Err(Errno::EINTR) => {}
                Err(Errno::EINVAL | Errno::ENOTTY) => {
                    let why =
                        "it does not understand the question: not hpcap.ko, or another version";
                    return Err(Error::new(Kind::Version, tried, why)
                        .advise("install module and tools from the same release"));
                }
                Err(e) => return Err(Error::io(tried, e.into())),
            }
        }
    }

    /// Returns the memory of an observer: the queue page.
    pub(crate) fn observed(&self, tried: &str) -> Result<Shared> {
        Ok(Shared::device(self.again(tried)?))
    }

    /// Returns the memory of a listener. A ring in hugepages is mapped from their file.
    pub(crate) fn attached(&self, tried: &str) -> Result<Shared> {
        let ring = match self.ring_fd() {
            Ok(file) => (file, 0),
            Err(Errno::ENODATA) => (self.again(tried)?, abi::HPCAP_MMAP_RING),
            Err(e) => return Err(Error::io(tried, e.into())),
        };
        let slot = (self.again(tried)?, abi::HPCAP_MMAP_SLOT);
        Ok(self.observed(tried)?.of_listener(ring, slot))
    }

    fn again(&self, tried: &str) -> Result<OwnedFd> {
        self.file.as_fd().try_clone_to_owned().context(|| tried)
    }

    fn ring_fd(&self) -> nix::Result<OwnedFd> {
        ioctl::ring_fd(self.file.as_fd()).map_err(errno)
    }

    /// Sleeps while the slot's `waiting` is 1, but at most for `timeout`. May return early.
    pub(crate) fn wait(&self, timeout: Duration) {
        let ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        // The result is ignored, because the caller examines the ring again in any case.
        let _ = ioctl::wait(self.file.as_fd(), ns);
    }

    /// Gives the queue a new, empty ring of `ring_bytes` bytes, either in `pages`, a file of
    /// hugepages, or in ordinary pages.
    ///
    /// # Errors
    /// Returns [`Kind::Permission`] without CAP_SYS_ADMIN; [`Kind::Busy`] while a listener is
    /// attached; [`Kind::Full`] when there is not enough memory; [`Kind::Usage`] for a size that a
    /// ring cannot have; [`Kind::Gone`] when the adapter was removed.
    pub fn set_ring(&self, ring_bytes: u64, pages: Option<BorrowedFd<'_>>) -> Result<()> {
        const TRIED: &str = "give the queue another ring";
        let wanted = hpcap_set_ring {
            ring_bytes,
            fd: pages.map_or(-1, |fd| fd.as_raw_fd()),
            reserved: 0,
        };
        let done = ioctl::set_ring(self.file.as_fd(), &wanted).map_err(errno);
        let Err(errno) = done else { return Ok(()) };
        let failed = |kind, why: &str| Error::new(kind, TRIED, why);
        Err(match errno {
            Errno::EPERM => failed(Kind::Permission, "that needs CAP_SYS_ADMIN"),
            Errno::EBUSY => failed(Kind::Busy, "a listener is attached")
                .advise("`hpcapctl status` shows who; stop it, or end it with `hpcapctl kill`"),
            Errno::ENOMEM => failed(Kind::Full, "there is not enough memory"),
            Errno::EINVAL => failed(
                Kind::Usage,
                "the size makes no ring: expected at least 512K, and whole pages",
            ),
            Errno::ENODEV => failed(Kind::Gone, "its adapter is gone"),
            other => Error::io(TRIED, other.into()),
        })
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_is_recognised_by_its_number() {
        let text = "Character devices:\n  1 mem\n240 hpcap-other\n241 hpcap\n\n\
                    Block devices:\n  8 hpcap-disk\n  9 sd\n";
        assert_eq!(major_of(text, "hpcap"), Some(241));
        assert_eq!(major_of(text, "sd"), None);
        assert_eq!(is_device(Path::new("/dev/null")).ok(), Some(false));
    }

    #[test]
    fn devices_are_named_after_adapter_and_queue() {
        for name in [QueueName::new(0, 0), QueueName::new(12, 3)] {
            let path = device_path(Path::new("/dev"), name);
            let file = path.file_name().and_then(|f| f.to_str()).unwrap_or("");
            assert_eq!(queue_of(file), Some(name), "{file}");
        }
        for other in ["hpcap_0", "hpcap_00_0", "hpcap_0_0_0", "hpcap_+1_0", "null"] {
            assert_eq!(queue_of(other), None, "{other}");
        }
    }
}
