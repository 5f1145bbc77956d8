//! The memory pages under a ring: the choice of their size, and files made of them.

use std::fs;
use std::os::fd::{BorrowedFd, OwnedFd};

use nix::fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;

use crate::error::{Context, Error, Kind, Result};
use crate::units::Bytes;

/// The choice of memory pages for a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pages {
    /// The largest hugepages of which enough are free, or else ordinary pages.
    #[default]
    Auto,
    /// Ordinary pages.
    Ordinary,
    /// Hugepages of 2 MiB; an error when there are not enough.
    Huge2M,
    /// Hugepages of 1 GiB; an error when there are not enough.
    Huge1G,
}

impl std::str::FromStr for Pages {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "ordinary" => Ok(Self::Ordinary),
            "2M" => Ok(Self::Huge2M),
            "1G" => Ok(Self::Huge1G),
            _ => Err(Error::usage(
                format!("pages {text:?}"),
                "expected ordinary, 2M, 1G or auto",
            )),
        }
    }
}

/// Size of an ordinary page in bytes.
pub const ORDINARY: u64 = 4 << 10;
const HUGE_2M: u64 = 2 << 20;
const HUGE_1G: u64 = 1 << 30;

/// Returns the path of the file `name` about hugepages of `page_bytes` in sysfs.
fn hugepages_file(page_bytes: u64, name: &str) -> String {
    let kib = page_bytes / 1024;
    format!("/sys/kernel/mm/hugepages/hugepages-{kib}kB/{name}")
}

fn hugepages(page_bytes: u64, name: &str) -> u64 {
    fs::read_to_string(hugepages_file(page_bytes, name))
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}

/// Returns the number of free hugepages of `page_bytes`.
fn free_hugepages(page_bytes: u64) -> u64 {
    hugepages(page_bytes, "free_hugepages")
}

/// Returns the command that makes `needed` hugepages available.
fn reserving(page_bytes: u64, needed: u64) -> String {
    let file = hugepages_file(page_bytes, "nr_hugepages");
    let all = hugepages(page_bytes, "nr_hugepages");
    let wanted = pool_with_free(all, free_hugepages(page_bytes), needed);
    format!("echo {wanted} > {file}")
}

/// Returns how many hugepages the pool needs so that `needed` are free besides those in use.
fn pool_with_free(all: u64, free: u64, needed: u64) -> u64 {
    all.saturating_sub(free).saturating_add(needed)
}

/// Bytes of memory from which new pages can be taken (`MemAvailable`); `None` when unknown.
#[must_use]
pub fn available_memory() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo
        .lines()
        .find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Chooses the page size for a ring in bytes; the text tells the user about the choice, if
/// necessary.
///
/// # Errors
/// Returns [`Kind::Full`] when there are not enough hugepages of the requested size, with the
/// command that reserves them; [`Kind::Usage`] for a ring size that is not a multiple of the page
/// size.
pub fn choose_pages(pages: Pages, ring_bytes: u64) -> Result<(u64, Option<String>)> {
    let enough =
        |page: u64| ring_bytes.is_multiple_of(page) && free_hugepages(page) >= ring_bytes / page;
    let promised = |page: u64, name: &str| {
        let tried = format!("make a ring of {} in {name} hugepages", Bytes(ring_bytes));
        let needed = ring_bytes / page;
        if !ring_bytes.is_multiple_of(page) {
            return Err(Error::new(
                Kind::Usage,
                tried,
                format!("{ring_bytes} bytes are not a multiple of {name}"),
            ));
        }
        if !enough(page) {
            let free = free_hugepages(page);
            return Err(Error::new(
                Kind::Full,
                tried,
                format!("{needed} are needed and {free} are free"),
            )
            .advise(format!(
                "reserve them: {}, or use --pages auto",
                reserving(page, needed)
            )));
        }
        Ok((page, None))
    };
    match pages {
        Pages::Huge1G => promised(HUGE_1G, "1G"),
        Pages::Huge2M => promised(HUGE_2M, "2M"),
        Pages::Ordinary => Ok((ORDINARY, None)),
        Pages::Auto if enough(HUGE_1G) => Ok((HUGE_1G, None)),
        Pages::Auto if enough(HUGE_2M) => Ok((HUGE_2M, None)),
        Pages::Auto => {
            // Each 2 MiB of a direct write then need one descriptor instead of 512, so storing is
            // faster.
            let wanted = ring_bytes.div_ceil(HUGE_2M);
            let note = format!(
                "the ring of {} is in ordinary pages: {} free hugepages of 2M, {} of 1G\n  \
                 hugepages make recording to disk faster: {}",
                Bytes(ring_bytes),
                free_hugepages(HUGE_2M),
                free_hugepages(HUGE_1G),
                reserving(HUGE_2M, wanted)
            );
            Ok((ORDINARY, Some(note)))
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::pool_with_free;

    #[test]
    fn hugepages_in_use_are_not_given_away() {
        assert_eq!(pool_with_free(0, 0, 32), 32);
        assert_eq!(pool_with_free(512, 0, 32), 544, "all in use");
        assert_eq!(pool_with_free(512, 12, 32), 532, "some are free");
    }
}
