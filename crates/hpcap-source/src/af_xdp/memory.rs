//! Mapped memory: the chunks that the kernel writes frames to, and the rings of a socket.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;

use hpcap::error::Context;
use hpcap::units::Bytes;
use hpcap::{Error, Kind, Result};
use hpcap_host::pages::{HUGE_2M, ORDINARY, Pages, anonymous};
use hpcap_host::{HugePool, Tree, available_memory};

/// A shared, writable mapping, which is removed with the value.
#[derive(Debug)]
pub(super) struct Mapped {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the mapping does not depend on threads, and this value alone owns it in this process.
unsafe impl Send for Mapped {}

impl Mapped {
    /// Maps `bytes` bytes of `fd` from `offset` on, with all of its pages present.
    pub(super) fn new(fd: BorrowedFd<'_>, offset: libc::off_t, bytes: usize) -> io::Result<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
        let fd = fd.as_raw_fd();
        // SAFETY: a new mapping at an address that the kernel chooses; the result is checked.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, access, flags, fd, offset) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(io::Error::last_os_error)?;
        Ok(Self { start, bytes })
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the first byte. The kernel may change the memory at any time.
    pub(super) fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the mapping has this length, and nothing refers to it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

/// The memory that the kernel writes the frames of one queue to (UMEM), in chunks of equal length.
#[derive(Debug)]
pub(super) struct FrameMemory {
    pub(super) mapped: Mapped,
    pub(super) chunk_bytes: u32,
    pub(super) chunks: u32,
    /// Size of the pages under it.
    pub(super) page_bytes: u64,
}

impl FrameMemory {
    /// Allocates `chunks` chunks. With [`Pages::Auto`], hugepages are used where enough are free.
    ///
    /// # Errors
    /// [`Kind::Full`] when there is not enough memory, or not enough of the pages that are demanded.
    pub(super) fn allocate(chunks: u32, chunk_bytes: u32, pages: Pages) -> Result<Self> {
        let bytes = u64::from(chunks) * u64::from(chunk_bytes);
        if let Some(available) = available_memory()
            && pages != Pages::Huge2M
            && bytes > available / 10 * 9
        {
            let size = Bytes(bytes);
            let why = format!("only {} of memory are available", Bytes(available));
            return Err(
                Error::new(Kind::Full, format!("keep frames in {size} of memory"), why)
                    .advise("ask for less: frames=2048, for example"),
            );
        }
        let page_bytes = match pages {
            Pages::Ordinary => ORDINARY,
            Pages::Auto if bytes.is_multiple_of(HUGE_2M) && free() >= bytes / HUGE_2M => HUGE_2M,
            Pages::Auto => ORDINARY,
            Pages::Huge2M | Pages::Huge1G => {
                Self::demand_hugepages(bytes)?;
                HUGE_2M
            }
        };
        match Self::in_pages(chunks, chunk_bytes, bytes, page_bytes) {
            // Another process took the hugepages first.
            Err(_) if pages == Pages::Auto && page_bytes != ORDINARY => {
                Self::in_pages(chunks, chunk_bytes, bytes, ORDINARY)
            }
            other => other,
        }
    }

    /// Fails if `bytes` do not fit the free hugepages.
    fn demand_hugepages(bytes: u64) -> Result<()> {
        let tried = || {
            let size = Bytes(bytes);
            format!("keep frames in {size} of hugepages (pages=2M)")
        };
        let (needed, free) = (bytes / HUGE_2M, free());
        if !bytes.is_multiple_of(HUGE_2M) {
            return Err(
                Error::new(Kind::Usage, tried(), "it is not a multiple of 2 MiB")
                    .advise("ask for more memory, such as frames=16384, or leave out pages=2M"),
            );
        }
        if free < needed {
            let why = format!("{needed} are needed and {free} are free");
            return Err(Error::new(Kind::Full, tried(), why).advise(format!(
                "reserve them: hpcapctl hugepages reserve {}M --pages 2M; or leave out pages=2M",
                bytes >> 20
            )));
        }
        Ok(())
    }

    fn in_pages(chunks: u32, chunk_bytes: u32, bytes: u64, page_bytes: u64) -> Result<Self> {
        let file: OwnedFd = anonymous("af_xdp frames", bytes, page_bytes)?;
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let mapped = Mapped::new(file.as_fd(), 0, bytes)
            .context(|| format!("map {bytes} bytes for the frames of af_xdp"))?;
        Ok(Self {
            mapped,
            chunk_bytes,
            chunks,
            page_bytes,
        })
    }
}

/// Returns the number of free hugepages of 2 MiB.
fn free() -> u64 {
    HugePool::read(&Tree::machine(), HUGE_2M, None).map_or(0, |pool| pool.available())
}
