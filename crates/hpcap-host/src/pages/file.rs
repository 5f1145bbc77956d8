//! Anonymous files of ordinary pages or of hugepages.

use std::os::fd::{BorrowedFd, OwnedFd};

use nix::fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;

use hpcap_base::error::{Context, Error, Kind, Result};
use hpcap_base::units::Bytes;

use super::{HUGE_1G, HUGE_2M};

/// Creates an anonymous file of `bytes` bytes with allocated pages.
///
/// # Errors
/// Fails when the system denies the memory.
pub fn anonymous(name: &str, bytes: u64, page_bytes: u64) -> Result<OwnedFd> {
    let tried = || format!("allocate {} for {name}", Bytes(bytes));
    let mut flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    match page_bytes {
        HUGE_1G => flags |= MFdFlags::MFD_HUGETLB | MFdFlags::MFD_HUGE_1GB,
        HUGE_2M => flags |= MFdFlags::MFD_HUGETLB | MFdFlags::MFD_HUGE_2MB,
        _ => {}
    }
    let fd = memfd_create(name, flags).context(tried)?;
    let length = i64::try_from(bytes)
        .map_err(|_| Error::new(Kind::Full, tried(), "more than a file can hold"))?;
    ftruncate(&fd, length).context(tried)?;
    // Allocating now avoids page faults during the capture, and reports missing memory as an error
    // instead of a SIGBUS in the poll thread.
    fallocate(&fd, FallocateFlags::empty(), 0, length).context(tried)?;
    Ok(fd)
}

/// Seals `fd` so that no process can change its size. Unless `others_may_write`, no process can
/// write to it either, except through a writable mapping that already exists.
///
/// # Errors
/// Returns errors of the system.
pub fn seal(fd: BorrowedFd<'_>, what: &str, others_may_write: bool) -> Result<()> {
    let mut seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW;
    if !others_may_write {
        // Existing mappings stay writable; new mappings and write(2) are refused (Linux 5.1).
        seals |= SealFlag::from_bits_retain(libc::F_SEAL_FUTURE_WRITE);
    }
    seals |= SealFlag::F_SEAL_SEAL;
    fcntl(fd, FcntlArg::F_ADD_SEALS(seals))
        .context(|| format!("seal {what}"))
        .map(drop)
}
