//! The AF_XDP socket of one queue: how it is opened and bound, and its two rings.
//!
//! The kernel puts the descriptors of received frames into the *receive ring*, and takes empty
//! chunks out of the *fill ring*. Each ring has one writer and one reader, which tell each other by
//! two counters how far they are.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::socket_option::{get, set_at, socklen};
use super::memory::{FrameMemory, Mapped};

/// `AF_XDP`, in the type of the address's field.
#[expect(clippy::cast_possible_truncation, reason = "it is 44")]
const FAMILY: u16 = libc::AF_XDP as u16;

/// Entries of the ring of sent frames, which has to exist although nothing is sent.
const COMPLETION_ENTRIES: u32 = 64;

/// How the kernel brings frames into the memory of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// The NIC writes them there.
    ZeroCopy,
    /// The kernel copies them.
    Copy,
}

/// One ring of a socket, shared with the kernel.
#[derive(Debug)]
pub(super) struct SharedRing {
    mapped: Mapped,
    offsets: libc::xdp_ring_offset,
    entries: u32,
}

impl SharedRing {
    fn map<T>(
        fd: BorrowedFd<'_>,
        page: libc::off_t,
        offsets: libc::xdp_ring_offset,
        entries: u32,
    ) -> io::Result<Self> {
        let bytes = Self::at(offsets.desc) + entries as usize * size_of::<T>();
        let mapped = Mapped::new(fd, page, bytes)?;
        let words = [offsets.producer, offsets.consumer, offsets.flags];
        if !words
            .iter()
            .all(|at| at.is_multiple_of(4) && Self::at(*at) + 4 <= bytes)
        {
            return Err(io::Error::from_raw_os_error(libc::EPROTO));
        }
        Ok(Self {
            mapped,
            offsets,
            entries,
        })
    }

    fn at(offset: u64) -> usize {
        usize::try_from(offset).unwrap_or(usize::MAX / 2)
    }

    fn word(&self, offset: u64) -> &AtomicU32 {
        // SAFETY: `map` checked that the word is inside the mapping and aligned (mappings start at
        // pages), and both sides access it as an atomic.
        unsafe {
            &*self
                .mapped
                .start()
                .add(Self::at(offset))
                .cast::<AtomicU32>()
        }
    }

    /// Returns the number of entries that the producer has put in so far, modulo 2^32.
    pub(super) fn produced(&self) -> u32 {
        self.word(self.offsets.producer).load(Ordering::Acquire)
    }

    /// Tells the consumer that `count` entries were put in so far.
    pub(super) fn set_produced(&self, count: u32) {
        self.word(self.offsets.producer)
            .store(count, Ordering::Release);
    }

    /// Tells the producer that `count` entries were taken so far.
    pub(super) fn set_consumed(&self, count: u32) {
        self.word(self.offsets.consumer)
            .store(count, Ordering::Release);
    }

    /// Returns whether the driver sleeps until it is woken by a system call.
    pub(super) fn needs_wakeup(&self) -> bool {
        self.word(self.offsets.flags).load(Ordering::Relaxed) & libc::XDP_RING_NEED_WAKEUP != 0
    }

    fn entry<T>(&self, number: u32) -> *mut T {
        let index = (number & (self.entries - 1)) as usize;
        // SAFETY: `map` mapped `entries` entries of type `T` behind this offset.
        unsafe {
            self.mapped
                .start()
                .add(Self::at(self.offsets.desc))
                .cast::<T>()
                .add(index)
        }
    }
}

/// The receive ring.
#[derive(Debug)]
pub(super) struct ReceiveRing(pub(super) SharedRing);

impl ReceiveRing {
    /// Reads descriptor `number`, which must be between the two counters of the ring.
    pub(super) fn descriptor(&self, number: u32) -> libc::xdp_desc {
        // SAFETY: the entry is inside the mapping and aligned, its fields are integers, and the
        // kernel does not write to it before it was consumed.
        unsafe { self.0.entry::<libc::xdp_desc>(number).read() }
    }
}

/// The fill ring.
#[derive(Debug)]
pub(super) struct FillRing(pub(super) SharedRing);

impl FillRing {
    /// Writes entry `number`, which must not have been handed to the kernel yet.
    pub(super) fn put(&self, number: u32, chunk: u64) {
        // SAFETY: the entry is inside the mapping and aligned, and the kernel reads it only after
        // the producer's counter has passed it.
        unsafe { self.0.entry::<u64>(number).write(chunk) };
    }
}

/// An AF_XDP socket with memory and rings.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) receive: ReceiveRing,
    pub(super) fill: FillRing,
    fd: OwnedFd,
    // Dropped last, when the kernel does not use it any more.
    pub(super) memory: FrameMemory,
}

impl Socket {
    /// Opens a socket whose frames arrive in `memory`. It receives nothing before it is bound.
    pub(super) fn open(memory: FrameMemory) -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: `socket` accesses no memory of this process; the result is checked.
        let fd = unsafe { libc::socket(libc::AF_XDP, kind, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just opened, and nothing else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let registration = libc::xdp_umem_reg {
            addr: memory.mapped.start().addr() as u64,
            len: memory.mapped.bytes() as u64,
            chunk_size: memory.chunk_bytes,
            headroom: 0,
            flags: 0,
            tx_metadata_len: 0,
        };
        set(&fd, libc::XDP_UMEM_REG, &registration)?;
        let entries = memory.chunks;
        set(&fd, libc::XDP_UMEM_FILL_RING, &entries)?;
        set(&fd, libc::XDP_UMEM_COMPLETION_RING, &COMPLETION_ENTRIES)?;
        set(&fd, libc::XDP_RX_RING, &entries)?;
        // SAFETY: zero is a valid value of a structure of integers.
        let mut offsets: libc::xdp_mmap_offsets = unsafe { std::mem::zeroed() };
        get(&fd, libc::SOL_XDP, libc::XDP_MMAP_OFFSETS, &mut offsets)?;
        let fill_page = libc::off_t::try_from(libc::XDP_UMEM_PGOFF_FILL_RING).unwrap_or_default();
        Ok(Self {
            receive: ReceiveRing(SharedRing::map::<libc::xdp_desc>(
                fd.as_fd(),
                libc::XDP_PGOFF_RX_RING,
                offsets.rx,
                entries,
            )?),
            fill: FillRing(SharedRing::map::<u64>(
                fd.as_fd(),
                fill_page,
                offsets.fr,
                entries,
            )?),
            fd,
            memory,
        })
    }

    /// Binds the socket to queue `queue` of the interface with this index.
    pub(super) fn bind(
        &self,
        interface: u32,
        queue: u32,
        delivery: Delivery,
        several_buffers: bool,
    ) -> io::Result<()> {
        let delivery = match delivery {
            Delivery::ZeroCopy => libc::XDP_ZEROCOPY,
            Delivery::Copy => libc::XDP_COPY,
        };
        let several = if several_buffers { libc::XDP_USE_SG } else { 0 };
        let address = libc::sockaddr_xdp {
            sxdp_family: FAMILY,
            sxdp_flags: delivery | several | libc::XDP_USE_NEED_WAKEUP,
            sxdp_ifindex: interface,
            sxdp_queue_id: queue,
            sxdp_shared_umem_fd: 0,
        };
        let bytes = socklen::<libc::sockaddr_xdp>();
        // SAFETY: the address is a `sockaddr_xdp` of `bytes` bytes and outlives the call.
        match unsafe { libc::bind(self.fd.as_raw_fd(), (&raw const address).cast(), bytes) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Lets this process run the driver's poll function, instead of interrupts.
    pub(super) fn prefer_busy_poll(&self) -> io::Result<()> {
        const ON: c_int = 1;
        /// Time that the kernel may poll in one call, in microseconds.
        const POLL_US: c_int = 20;
        /// Frames that the kernel may handle in one call.
        const BUDGET: c_int = 64;
        for (option, value) in [
            (libc::SO_PREFER_BUSY_POLL, ON),
            (libc::SO_BUSY_POLL, POLL_US),
            (libc::SO_BUSY_POLL_BUDGET, BUDGET),
        ] {
            set_at(&self.fd, libc::SOL_SOCKET, option, &value)?;
        }
        Ok(())
    }

    /// Wakes the driver, which takes chunks from the fill ring; with busy polling, it also handles
    /// frames.
    pub(super) fn wake(&self) {
        // SAFETY: the call gets no memory. Its errors mean that there is nothing to do now.
        unsafe {
            libc::recvfrom(
                self.fd.as_raw_fd(),
                std::ptr::null_mut(),
                0,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
            )
        };
    }

    /// Returns the number of frames that the socket lost so far.
    ///
    /// `rx_fill_ring_empty_descs` is not added, because it counts attempts and not frames: a frame
    /// that the kernel found no chunk for is in `rx_dropped`, and a NIC that found none counts its
    /// losses itself.
    pub(super) fn drops(&self) -> io::Result<u64> {
        // SAFETY: zero is a valid value of a structure of integers.
        let mut statistics: libc::xdp_statistics = unsafe { std::mem::zeroed() };
        get(
            &self.fd,
            libc::SOL_XDP,
            libc::XDP_STATISTICS,
            &mut statistics,
        )?;
        Ok(statistics.rx_dropped + statistics.rx_ring_full)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn set<T>(fd: &OwnedFd, option: c_int, value: &T) -> io::Result<()> {
    set_at(fd, libc::SOL_XDP, option, value)
}
