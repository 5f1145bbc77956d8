//! Mapping shared memory: a queue page, a slot, and a ring twice, back to back.

use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use nix::sys::stat::fstat;

use crate::error::{Context, Error, Kind, Result};

/// What a mapping may be used for.
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

/// Memory that is shared with other processes; unmapped when dropped.
///
/// It hands out pointers, never references to the whole: others change it meanwhile. What
/// may be read as a slice, and when, is for the ring's protocol to say.
#[derive(Debug)]
pub struct Mapping {
    address: NonNull<libc::c_void>,
    bytes: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and only pointers are given
// out: whoever dereferences them has to say why that is sound.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `bytes` bytes of `fd`.
    ///
    /// # Errors
    /// When `fd` is shorter than that (touching the rest would kill the process), or the
    /// system refuses.
    pub fn of(fd: BorrowedFd<'_>, bytes: usize, access: Access, what: &str) -> Result<Self> {
        let length = checked_length(fd, bytes, what)?;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let address = unsafe { mmap(None, length, access.flags(), MapFlags::MAP_SHARED, fd, 0) }
            .context(|| format!("map {what} ({bytes} bytes)"))?;
        Ok(Self { address, bytes })
    }

    /// Maps the first `bytes` bytes of `fd` twice, the second directly behind the first, so
    /// that what runs over the end of the first is found at the start of the second.
    /// `page_bytes` is the size of the pages under it: `bytes` must be a multiple.
    ///
    /// # Errors
    /// As [`Mapping::of`].
    pub fn twice(
        fd: BorrowedFd<'_>,
        bytes: usize,
        page_bytes: usize,
        access: Access,
        what: &str,
    ) -> Result<Self> {
        let tried = || format!("map {what} twice ({bytes} bytes)");
        let length = checked_length(fd, bytes, what)?;
        let reserve = bytes
            .checked_mul(2)
            .and_then(|twice| twice.checked_add(page_bytes))
            .and_then(NonZeroUsize::new)
            .ok_or_else(|| Error::new(Kind::Full, tried(), "more than the address space holds"))?;
        // SAFETY: a new mapping at an address of the kernel's choice; it only reserves.
        let reserved = unsafe {
            mmap_anonymous(
                None,
                reserve,
                ProtFlags::PROT_NONE,
                MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE,
            )
        }
        .context(tried)?;
        // Owned from here on: an early return unmaps all of it.
        let whole = Self {
            address: reserved,
            bytes: reserve.get(),
        };
        let start = reserved.as_ptr() as usize;
        let aligned = start.next_multiple_of(page_bytes.max(1));
        for at in [aligned, aligned + bytes] {
            // SAFETY: [aligned, aligned + 2 * bytes) lies in the reservation made above, which
            // is `page_bytes` longer than that and which nothing else uses.
            unsafe {
                mmap(
                    NonZeroUsize::new(at),
                    length,
                    access.flags(),
                    MapFlags::MAP_SHARED | MapFlags::MAP_FIXED,
                    fd,
                    0,
                )
            }
            .context(tried)?;
        }
        // Give back what the alignment did not need.
        std::mem::forget(whole);
        for (from, to) in [
            (start, aligned),
            (aligned + 2 * bytes, start + reserve.get()),
        ] {
            if let (Some(address), true) = (NonNull::new(from as *mut libc::c_void), to > from) {
                // SAFETY: the unused head and tail of the reservation, seen by nobody.
                let _ = unsafe { munmap(address, to - from) };
            }
        }
        let address = NonNull::new(aligned as *mut libc::c_void)
            .ok_or_else(|| Error::new(Kind::Io, tried(), "mapped at address zero"))?;
        Ok(Self {
            address,
            bytes: 2 * bytes,
        })
    }

    /// The first byte.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.address.as_ptr().cast()
    }

    /// Bytes mapped (both copies of a ring counted).
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this object owns the mapping, and borrows of it have ended.
        let _ = unsafe { munmap(self.address, self.bytes) };
    }
}

/// `bytes` as a length for mmap, once the file is known to be that long.
fn checked_length(fd: BorrowedFd<'_>, bytes: usize, what: &str) -> Result<NonZeroUsize> {
    let tried = || format!("map {what}");
    let size = fstat(fd.as_fd()).context(tried)?.st_size;
    match NonZeroUsize::new(bytes) {
        Some(length) if usize::try_from(size).is_ok_and(|size| size >= bytes) => Ok(length),
        _ => Err(Error::new(
            Kind::Format,
            tried(),
            format!("it has {size} bytes, and {bytes} were promised"),
        )),
    }
}
