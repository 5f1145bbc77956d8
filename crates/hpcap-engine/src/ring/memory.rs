//! Allocation of a queue's shared memory: anonymous files that no client can shrink. Clients can
//! write only to their own slot.
//!
//! The ring is a multiple of the page size, at least 512 KiB, and mapped twice in a row, so that a record never wraps.
//!
//! ```
//! use hpcap::Kind;
//! use hpcap_engine::ring::memory::{Pages, QueueMemory};
//!
//! # fn main() -> hpcap::Result<()> {
//! let (memory, note) = QueueMemory::allocate(1 << 20, Pages::Ordinary)?;
//! assert!(note.is_none(), "a note explains the choice of `Pages::Auto`");
//! // What was written to the ring's start is also behind its end. SAFETY: the ring is mapped twice.
//! let base = memory.ring_base();
//! unsafe {
//!     base.write(0xab);
//!     assert_eq!(base.add(1 << 20).read(), 0xab);
//! }
//! assert_eq!(QueueMemory::allocate(1000, Pages::Ordinary).unwrap_err().kind(), Kind::Usage);
//! # Ok(())
//! # }
//! ```

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use hpcap::abi::{self, hpcap_block, hpcap_queue, hpcap_slot};
use hpcap::units::Bytes;
use hpcap::{Error, Kind, Result};
use hpcap_host::available_memory;
pub use hpcap_host::pages::Pages;
use hpcap_host::pages::{ORDINARY, anonymous, choose_pages, seal};
use hpcap_ipc::memory::{Access, Mapping};

/// Ring and queue page of one queue. The producer maps them writable, everybody else read-only.
#[derive(Debug)]
pub struct QueueMemory {
    ring: Mapping,
    queue: Mapping,
    ring_fd: OwnedFd,
    queue_fd: OwnedFd,
}

impl QueueMemory {
    /// Allocates a ring of `ring_bytes` and a queue page that states the ring's layout and is
    /// otherwise zero. Also returns advice for the user if the ring got no hugepages.
    ///
    /// # Errors
    /// [`Kind::Usage`] for an invalid size; [`Kind::Full`] when there is not enough memory, or
    /// there are fewer hugepages than `pages` demands.
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
        if page_bytes == ORDINARY
            && let Some(room) = hpcap_host::cgroup::room()
            && ring_bytes > room / 10 * 9
        {
            let why = format!(
                "the control group of this process has room for {} more (memory.max)",
                Bytes(room)
            );
            return Err(Error::new(Kind::Full, tried, why).advise(
                "ask for a smaller ring (--ring), or raise the limit (MemoryMax= of the unit)",
            ));
        }
        let index_entries = hpcap_sys::ring::index_entries(ring_bytes);
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

    /// Fills in the constant part of the queue page before the queue starts.
    pub fn describe(&mut self, describe: impl FnOnce(&mut hpcap_queue)) {
        // SAFETY: as in `allocate`; with `&mut self` and no producer started, nobody else accesses
        // it.
        describe(unsafe { &mut *self.queue_page() });
    }

    /// Returns the first byte of the ring's double mapping, for the producer.
    #[must_use]
    pub fn ring_base(&self) -> *mut u8 {
        self.ring.as_ptr()
    }

    /// Puts pages under `bytes` bytes of the ring from offset `at`, as writing to them would do. Returns whether the kernel
    /// has done so: kernels before 5.14 cannot.
    pub(super) fn populate(&self, at: usize, bytes: usize) -> bool {
        // SAFETY: the queue page is mapped, and only the producer changes it.
        let ring_bytes = unsafe { (&raw const (*self.queue_page()).ring_bytes).read() };
        assert!((at + bytes) as u64 <= ring_bytes);
        // SAFETY: the assertion keeps the range inside the mapping, and the call changes no byte of it.
        let result = unsafe {
            let start = self.ring_base().add(at).cast();
            libc::madvise(start, bytes, libc::MADV_POPULATE_WRITE)
        };
        result == 0
    }

    /// Returns the queue page, for the producer.
    #[must_use]
    pub fn queue_page(&self) -> *mut hpcap_queue {
        self.queue.as_ptr().cast()
    }

    /// Returns the file of the ring, to hand to a listener.
    #[must_use]
    pub fn ring_fd(&self) -> BorrowedFd<'_> {
        self.ring_fd.as_fd()
    }

    /// Returns the file of the queue page, to hand to any client.
    #[must_use]
    pub fn queue_fd(&self) -> BorrowedFd<'_> {
        self.queue_fd.as_fd()
    }
}

/// Allocates a slot. Returns the file to hand to its listener, and the producer's mapping of it.
///
/// # Errors
/// When the system provides no memory.
pub fn new_slot() -> Result<(OwnedFd, Mapping)> {
    let fd = anonymous("hpcap-slot", abi::HPCAP_SLOT_BYTES as u64, ORDINARY)?;
    let map = Mapping::of(fd.as_fd(), abi::HPCAP_SLOT_BYTES, Access::Write, "the slot")?;
    // The listener may write to the slot, but must not shrink it while the producer uses it.
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
