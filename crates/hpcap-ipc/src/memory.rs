//! Maps shared memory: a queue page, a slot, and a ring twice in a row.
//!
//! ```
//! use std::os::fd::AsFd;
//!
//! use hpcap_ipc::memory::{Access, Mapping};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let file = tempfile::tempfile()?;
//! file.set_len(8192)?;
//! let ring = Mapping::twice(file.as_fd(), 8192, 4096, Access::Write, "the example")?;
//! // The byte behind the end is the first one again. SAFETY: 8192 bytes are mapped twice in a row.
//! unsafe {
//!     ring.as_ptr().write(7);
//!     assert_eq!(ring.as_ptr().add(8192).read(), 7);
//! }
//! # Ok(())
//! # }
//! ```

use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use memmap2::{MmapOptions, MmapRaw};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use nix::sys::stat::{FileStat, SFlag, fstat};

use hpcap_base::error::{Context, Error, Kind, Result};

/// Permitted use of a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    Write,
}

impl Access {
    fn flags(self) -> ProtFlags {
        match self {
            Self::Read => ProtFlags::PROT_READ,
            Self::Write => ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
        }
    }
}

/// The location of memory to map: the start of a file, or an offset in a device.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    fd: BorrowedFd<'a>,
    offset: i64,
}

impl<'a> Place<'a> {
    /// The location at `offset` of the device `fd`.
    #[must_use]
    pub fn new(fd: BorrowedFd<'a>, offset: u64) -> Self {
        Self {
            fd,
            offset: i64::try_from(offset).unwrap_or(i64::MAX),
        }
    }

    /// Number of bytes that can be mapped here; `None` for a device, which checks each request
    /// itself.
    ///
    /// # Errors
    /// Returns errors of the system.
    pub fn bytes(&self) -> nix::Result<Option<u64>> {
        let is_device = |stat: &FileStat| {
            SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFCHR
        };
        let stat = fstat(self.fd)?;
        let bytes = u64::try_from(stat.st_size.saturating_sub(self.offset)).unwrap_or(0);
        Ok((!is_device(&stat)).then_some(bytes))
    }
}

impl<'a> From<BorrowedFd<'a>> for Place<'a> {
    fn from(fd: BorrowedFd<'a>) -> Self {
        Self { fd, offset: 0 }
    }
}

/// Memory that is shared with other processes. Dropping it unmaps the memory.
///
/// Other processes change the memory at any time, so a mapping gives out pointers and no reference
/// to the whole. The protocol of the ring defines which parts may be read as a slice, and when.
#[derive(Debug)]
pub struct Mapping(Memory);

/// The memory of a [`Mapping`].
#[derive(Debug)]
enum Memory {
    Once(MmapRaw),
    Reserved(Reservation),
}

/// A range of addresses that this process has reserved. Dropping it unmaps the range.
#[derive(Debug)]
struct Reservation {
    address: NonNull<libc::c_void>,
    bytes: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and the type gives out only
// pointers; code that dereferences one must justify that itself.
unsafe impl Send for Reservation {}
// SAFETY: as for `Send`.
unsafe impl Sync for Reservation {}

impl Mapping {
    /// Maps the first `bytes` bytes at `at`.
    ///
    /// # Errors
    /// Fails when fewer bytes exist (access to the rest would kill the process), and when the system
    /// refuses the mapping.
    pub fn of<'a>(
        at: impl Into<Place<'a>>,
        bytes: usize,
        access: Access,
        what: &str,
    ) -> Result<Self> {
        let Place { fd, offset } = at.into();
        checked_length(Place { fd, offset }, bytes, what)?;
        let mut options = MmapOptions::new();
        options
            .len(bytes)
            .offset(u64::try_from(offset).unwrap_or(0));
        let map = match access {
            Access::Read => options.map_raw_read_only(&fd),
            Access::Write => options.map_raw(&fd),
        };
        let map = map.context(|| format!("map {what} ({bytes} bytes)"))?;
        Ok(Self(Memory::Once(map)))
    }

    /// Maps the first `bytes` bytes at `at` twice, the second copy directly after the first, so
    /// that a range across the end of the first continues at the start of the second. `page_bytes`
    /// is the size of the memory pages; `bytes` must be a multiple of it.
    ///
    /// # Errors
    /// Returns the errors of [`Mapping::of`].
    pub fn twice<'a>(
        at: impl Into<Place<'a>>,
        bytes: usize,
        page_bytes: usize,
        access: Access,
        what: &str,
    ) -> Result<Self> {
        let tried = || format!("map {what} twice ({bytes} bytes)");
        let Place { fd, offset } = at.into();
        let length = checked_length(Place { fd, offset }, bytes, what)?;
        let reserve = bytes
            .checked_mul(2)
            .and_then(|twice| twice.checked_add(page_bytes))
            .and_then(NonZeroUsize::new)
            .ok_or_else(|| Error::new(Kind::Full, tried(), "more than the address space holds"))?;
        // SAFETY: the kernel chooses the address of the new mapping, which only reserves addresses.
        let reserved = unsafe {
            mmap_anonymous(
                None,
                reserve,
                ProtFlags::PROT_NONE,
                MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE,
            )
        }
        .context(tried)?;
        // From here on the reservation has an owner, so an early return unmaps all of it.
        let whole = Reservation {
            address: reserved,
            bytes: reserve.get(),
        };
        let start = reserved.as_ptr() as usize;
        let aligned = start.next_multiple_of(page_bytes.max(1));
        for at in [aligned, aligned + bytes] {
            // SAFETY: [aligned, aligned + 2 * bytes) lies in the reservation made above, which is
            // `page_bytes` longer than that and which nothing else uses.
            unsafe {
                mmap(
                    NonZeroUsize::new(at),
                    length,
                    access.flags(),
                    MapFlags::MAP_SHARED | MapFlags::MAP_FIXED,
                    fd,
                    offset,
                )
            }
            .context(tried)?;
        }
        // The head and the tail that the alignment did not need are unmapped.
        std::mem::forget(whole);
        for (from, to) in [
            (start, aligned),
            (aligned + 2 * bytes, start + reserve.get()),
        ] {
            if let (Some(address), true) = (NonNull::new(from as *mut libc::c_void), to > from) {
                // SAFETY: the range is the unused head or tail of the reservation, to which no
                // pointer exists.
                let _ = unsafe { munmap(address, to - from) };
            }
        }
        let address = NonNull::new(aligned as *mut libc::c_void)
            .ok_or_else(|| Error::new(Kind::Io, tried(), "mapped at address zero"))?;
        Ok(Self(Memory::Reserved(Reservation {
            address,
            bytes: 2 * bytes,
        })))
    }

    /// Pointer to the first byte.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        match &self.0 {
            Memory::Once(map) => map.as_mut_ptr(),
            Memory::Reserved(range) => range.address.as_ptr().cast(),
        }
    }

    /// Number of mapped bytes; both copies of a ring count.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Memory::Once(map) => map.len(),
            Memory::Reserved(range) => range.bytes,
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: this object owns the mapping, and all borrows of it have ended.
        let _ = unsafe { munmap(self.address, self.bytes) };
    }
}

/// Returns `bytes` as a length for mmap, after checking that `at` has that many.
fn checked_length(at: Place<'_>, bytes: usize, what: &str) -> Result<NonZeroUsize> {
    let tried = || format!("map {what}");
    let there = at.bytes().context(tried)?;
    let enough = there.is_none_or(|there| there >= bytes as u64);
    NonZeroUsize::new(bytes).filter(|_| enough).ok_or_else(|| {
        let there = there.unwrap_or(0);
        let why = format!("it has {there} bytes, and {bytes} were promised");
        Error::new(Kind::Format, tried(), why)
    })
}
