//! Making the shared memory of a queue: anonymous files that nobody else can shrink or,
//! where only the producer writes, write.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use hpcap::abi::{self, hpcap_block, hpcap_queue, hpcap_slot};
use hpcap::error::Context;
use hpcap::memory::{Access, Mapping};
use hpcap::units::Bytes;
use hpcap::{Error, Kind, Result};
use nix::fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;

/// Memory pages for the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pages {
    /// The largest hugepages of which enough are free, ordinary pages otherwise.
    #[default]
    Auto,
    /// Ordinary pages.
    Ordinary,
    /// Hugepages of 2 MiB, or an error.
    Huge2M,
    /// Hugepages of 1 GiB, or an error.
    Huge1G,
}

impl std::str::FromStr for Pages {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "4K" | "ordinary" => Ok(Self::Ordinary),
            "2M" => Ok(Self::Huge2M),
            "1G" => Ok(Self::Huge1G),
            _ => Err(Error::usage(
                format!("pages {text:?}"),
                "expected auto, ordinary, 2M or 1G",
            )),
        }
    }
}

const ORDINARY: u64 = 4 << 10;
const HUGE_2M: u64 = 2 << 20;
const HUGE_1G: u64 = 1 << 30;

/// Free hugepages of `page_bytes`.
fn free_hugepages(page_bytes: u64) -> u64 {
    let kib = page_bytes / 1024;
    fs::read_to_string(format!(
        "/sys/kernel/mm/hugepages/hugepages-{kib}kB/free_hugepages"
    ))
    .ok()
    .and_then(|text| text.trim().parse().ok())
    .unwrap_or(0)
}

/// Memory that new pages can be taken from, in bytes (`MemAvailable`).
fn available_memory() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo
        .lines()
        .find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Chooses the page size for a ring, and says what people should know about the choice.
fn choose_pages(pages: Pages, ring_bytes: u64) -> Result<(u64, Option<String>)> {
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
            let kib = page / 1024;
            return Err(Error::new(
                Kind::Full,
                tried,
                format!("{needed} are needed and {free} are free"),
            )
            .advise(format!(
                "reserve them: echo {needed} > /sys/kernel/mm/hugepages/hugepages-{kib}kB/nr_hugepages, or use --pages auto"
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
            // One descriptor for 2 MiB of a direct write instead of 512: storing is faster.
            let wanted = ring_bytes.div_ceil(HUGE_2M);
            let note = format!(
                "the ring of {} is in ordinary pages: {} free hugepages of 2M, {} of 1G\n  \
                 hugepages make recording to disk faster: echo {wanted} > \
                 /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
                Bytes(ring_bytes),
                free_hugepages(HUGE_2M),
                free_hugepages(HUGE_1G)
            );
            Ok((ORDINARY, Some(note)))
        }
    }
}

/// An anonymous file of `bytes` bytes, its pages allocated.
fn anonymous(name: &str, bytes: u64, page_bytes: u64) -> Result<OwnedFd> {
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
    // Now rather than frame by frame, and an error rather than SIGBUS in the poll thread.
    fallocate(&fd, FallocateFlags::empty(), 0, length).context(tried)?;
    Ok(fd)
}

fn seal(fd: BorrowedFd<'_>, what: &str, others_may_write: bool) -> Result<()> {
    let mut seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW;
    if !others_may_write {
        // Mappings that exist may write, new ones and write(2) may not (Linux 5.1).
        seals |= SealFlag::from_bits_retain(libc::F_SEAL_FUTURE_WRITE);
    }
    seals |= SealFlag::F_SEAL_SEAL;
    fcntl(fd, FcntlArg::F_ADD_SEALS(seals))
        .context(|| format!("seal {what}"))
        .map(drop)
}

/// Ring and queue page of one queue, mapped for writing here, read-only for everybody else.
#[derive(Debug)]
pub struct QueueMemory {
    ring: Mapping,
    queue: Mapping,
    ring_fd: OwnedFd,
    queue_fd: OwnedFd,
}

impl QueueMemory {
    /// Allocates a ring of `ring_bytes` and a queue page that says so, the rest of it zero.
    /// Returns also what people should know: that there were no hugepages.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a size that makes no ring; [`Kind::Full`] when there is not enough
    /// memory, or not enough of the hugepages asked for.
    pub fn allocate(ring_bytes: u64, pages: Pages) -> Result<(Self, Option<String>)> {
        let tried = format!("make a ring of {}", Bytes(ring_bytes));
        if ring_bytes < abi::HPCAP_RING_BYTES_MIN || !ring_bytes.is_multiple_of(ORDINARY) {
            return Err(Error::usage(
                format!("ring size {ring_bytes}"),
                "expected at least 512K and a multiple of 4K",
            ));
        }
        let (page_bytes, note) = choose_pages(pages, ring_bytes)?;
        if page_bytes == ORDINARY
            && let Some(available) = available_memory()
            && ring_bytes > available / 10 * 9
        {
            return Err(Error::new(
                Kind::Full,
                tried,
                format!("only {} of memory are available", Bytes(available)),
            )
            .advise("ask for a smaller ring (--ring), or free memory"));
        }
        let index_entries = super::index_entries(ring_bytes);
        let index_off = size_of::<hpcap_queue>();
        let queue_bytes =
            (index_off + index_entries as usize * size_of::<hpcap_block>()).next_multiple_of(4096);

        let ring_fd = anonymous("hpcap-ring", ring_bytes, page_bytes)?;
        let queue_fd = anonymous("hpcap-queue", queue_bytes as u64, ORDINARY)?;
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let ring = Mapping::twice(
            ring_fd.as_fd(),
            size(ring_bytes),
            size(page_bytes),
            Access::Write,
            "the ring",
        )?;
        let queue = Mapping::of(
            queue_fd.as_fd(),
            queue_bytes,
            Access::Write,
            "the queue page",
        )?;
        seal(ring_fd.as_fd(), "the ring", false)?;
        seal(queue_fd.as_fd(), "the queue page", false)?;

        let memory = Self {
            ring,
            queue,
            ring_fd,
            queue_fd,
        };
        // SAFETY: the mapping is larger than the structure, page-aligned, zero (a valid value),
        // and known to nobody else yet.
        let page = unsafe { &mut *memory.queue_page() };
        page.queue_bytes = queue_bytes as u64;
        page.ring_bytes = ring_bytes;
        page.page_bytes = page_bytes;
        page.block_bytes = super::block_bytes(ring_bytes);
        page.file_bytes_max = abi::HPCAP_FILE_BYTES_MAX / page.block_bytes * page.block_bytes;
        page.index_off = index_off as u64;
        page.index_entries = index_entries;
        Ok((memory, note))
    }

    /// Fills in the constant part of the queue page, before the queue starts.
    pub fn describe(&mut self, describe: impl FnOnce(&mut hpcap_queue)) {
        // SAFETY: as in `allocate`; `&mut self` and no started producer: nobody else looks.
        describe(unsafe { &mut *self.queue_page() });
    }

    /// The first byte of the double mapping: for a producer.
    #[must_use]
    pub fn ring_base(&self) -> *mut u8 {
        self.ring.as_ptr()
    }

    /// The queue page: for a producer.
    #[must_use]
    pub fn queue_page(&self) -> *mut hpcap_queue {
        self.queue.as_ptr().cast()
    }

    /// The ring, to hand to a listener.
    #[must_use]
    pub fn ring_fd(&self) -> BorrowedFd<'_> {
        self.ring_fd.as_fd()
    }

    /// The queue page, to hand to anybody.
    #[must_use]
    pub fn queue_fd(&self) -> BorrowedFd<'_> {
        self.queue_fd.as_fd()
    }
}

/// A fresh slot: the file to hand to its listener, and the producer's mapping of it.
///
/// # Errors
/// When the system refuses the memory.
pub fn new_slot() -> Result<(OwnedFd, Mapping)> {
    let fd = anonymous("hpcap-slot", abi::HPCAP_SLOT_BYTES as u64, ORDINARY)?;
    let map = Mapping::of(fd.as_fd(), abi::HPCAP_SLOT_BYTES, Access::Write, "the slot")?;
    // The listener may write it, and not take it away from under the producer.
    seal(fd.as_fd(), "the slot", true)?;
    let slot = hpcap_slot {
        magic: abi::HPCAP_SLOT_MAGIC,
        abi_version: abi::HPCAP_ABI_VERSION,
        ..hpcap_slot::zeroed()
    };
    // SAFETY: a writable page, larger than the structure, known to nobody else yet.
    unsafe { map.as_ptr().cast::<hpcap_slot>().write(slot) };
    Ok((fd, map))
}
