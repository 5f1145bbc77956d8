//! The producer of a queue (`kmod/core/ring.h`).
//!
//! The memory of a ring is mapped by the caller, which is why [`Ring::new`] is unsafe; `hpcap_engine::ring` wraps it
//! safely, and has the example. The sizes that follow from that of the ring are computed here:
//!
//! ```
//! use hpcap_sys::ring::{block_bytes, index_entries};
//!
//! // A quarter of a small ring, 4 MiB of a large one.
//! assert_eq!(block_bytes(1 << 20), 256 << 10);
//! assert_eq!(block_bytes(1 << 30), 4 << 20);
//! assert!(u64::from(index_entries(1 << 30)) >= (1 << 30) / block_bytes(1 << 30));
//! ```

use std::time::Duration;

use crate::abi::{HPCAP_LEDGER_REASONS, hpcap_listener, hpcap_queue, hpcap_slot};
use crate::{Count, Frame};

/// `struct hpcap_ring`. Rust knows only its size.
#[derive(Debug)]
#[repr(C)]
pub struct RawRing {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn hpcap_sys_ring_size() -> usize;
    fn hpcap_sys_block_bytes(ring_bytes: u64) -> u64;
    fn hpcap_sys_index_entries(ring_bytes: u64) -> u32;
    fn hpcap_sys_init(r: *mut RawRing, base: *mut u8, queue: *mut hpcap_queue) -> i32;
    fn hpcap_sys_push_batch(r: *mut RawRing, frames: *const Frame<'_>, n: u32) -> u32;
    fn hpcap_sys_push_marked(
        r: *mut RawRing,
        frames: *const Frame<'_>,
        marks: *const u8,
        n: u32,
    ) -> u32;
    fn hpcap_sys_account(r: *mut RawRing, reason: u32, frames: u64, bytes: u64);
    fn hpcap_sys_service(r: *mut RawRing, clock_ns: u64, wall_ns: u64) -> u32;
    fn hpcap_sys_note_pause(r: *mut RawRing, ns: u64);
    fn hpcap_sys_attach(
        r: *mut RawRing,
        shared: *mut hpcap_slot,
        listener: *const hpcap_listener,
        start: u32,
    ) -> i32;
    fn hpcap_sys_detach(r: *mut RawRing, slot: u32);
    fn hpcap_sys_kill(r: *mut RawRing, slot: u32);
    fn hpcap_sys_end(r: *mut RawRing, state: u32);
    fn hpcap_sys_listeners(r: *const RawRing) -> u32;
    fn hpcap_sys_service_in(r: *const RawRing, idle_ns: u64) -> u64;
    fn hpcap_sys_set_caplen(r: *mut RawRing, caplen: u32);
}

/// Size of a block of a ring of `ring_bytes` bytes: 4 MiB, or a quarter of a small ring.
#[must_use]
pub fn block_bytes(ring_bytes: u64) -> u64 {
    // SAFETY: the function only computes a value from its argument.
    unsafe { hpcap_sys_block_bytes(ring_bytes) }
}

/// Number of entries in the block index of a ring of `ring_bytes` bytes.
#[must_use]
pub fn index_entries(ring_bytes: u64) -> u32 {
    // SAFETY: the function only computes a value from its argument.
    unsafe { hpcap_sys_index_entries(ring_bytes) }
}

/// The producer's state. Functions that change it take `&mut self`, so only one thread at a time
/// does.
#[derive(Debug)]
pub struct Ring {
    /// `struct hpcap_ring`, in memory aligned to 8 bytes.
    words: Box<[u64]>,
}

impl Ring {
    /// Starts the queue whose queue page is filled in. Returns `None` when a ring cannot have the
    /// sizes in the queue page.
    ///
    /// # Safety
    /// `base` is the ring's memory, mapped twice back to back, and `queue` the queue page with its
    /// block index. Both are writable, have the sizes that the queue page states, stay mapped as
    /// long as the value that is returned, and no other producer writes to them.
    #[must_use]
    pub unsafe fn new(base: *mut u8, queue: *mut hpcap_queue) -> Option<Self> {
        // SAFETY: the function only returns a constant.
        let words = unsafe { hpcap_sys_ring_size() }.div_ceil(8);
        let mut ring = Self {
            words: vec![0; words].into_boxed_slice(),
        };
        // SAFETY: the first argument has the size that C asked for and is aligned to 8 bytes; the
        // caller guarantees the others.
        let result = unsafe { hpcap_sys_init(ring.as_mut_ptr(), base, queue) };
        (result == 0).then_some(ring)
    }

    /// The C structure, for a loop in C that uses `ring.h` directly.
    #[must_use]
    pub fn as_mut_ptr(&mut self) -> *mut RawRing {
        self.words.as_mut_ptr().cast()
    }

    fn as_ptr(&self) -> *const RawRing {
        self.words.as_ptr().cast()
    }

    /// Copies frames into the ring; [`Ring::service`] publishes them. Returns the number of copied
    /// frames, which is less than that of `frames` only when the ring is full.
    #[inline]
    pub fn push_batch(&mut self, frames: &[Frame<'_>]) -> usize {
        let n = u32::try_from(frames.len()).unwrap_or(u32::MAX);
        // SAFETY: `new` initialised the ring; `frames` are `n` `struct hpcap_frame` whose bytes
        // are readable.
        unsafe { hpcap_sys_push_batch(self.as_mut_ptr(), frames.as_ptr(), n) as usize }
    }

    /// As [`Ring::push_batch`]; the stream tags a frame whose mark is not 0 as a duplicate.
    #[inline]
    pub fn push_marked(&mut self, frames: &[Frame<'_>], marks: &[u8]) -> usize {
        let n = u32::try_from(frames.len().min(marks.len())).unwrap_or(u32::MAX);
        // SAFETY: as in `push_batch`; there are at least `n` marks.
        unsafe {
            hpcap_sys_push_marked(self.as_mut_ptr(), frames.as_ptr(), marks.as_ptr(), n) as usize
        }
    }

    /// Adds frames that are not in the ring to the ledger.
    ///
    /// # Panics
    /// When the ledger of a queue does not have `reason` (`HPCAP_LEDGER_REASONS` and above).
    pub fn account(&mut self, reason: u32, count: Count) {
        assert!(
            (reason as usize) < HPCAP_LEDGER_REASONS,
            "reason {reason} is not in a queue's ledger"
        );
        // SAFETY: `new` initialised the ring, and the ledger has this reason.
        unsafe { hpcap_sys_account(self.as_mut_ptr(), reason, count.frames, count.bytes) }
    }

    /// Publishes frames, starts files and watches listeners. `clock_ns` is CLOCK_MONOTONIC,
    /// `wall_ns` nanoseconds since 1970. Returns a bit for each slot whose listener the caller must
    /// wake.
    #[must_use]
    pub fn service(&mut self, clock_ns: u64, wall_ns: u64) -> u32 {
        // SAFETY: `new` initialised the ring, and the slots in use are mapped (`attach`).
        unsafe { hpcap_sys_service(self.as_mut_ptr(), clock_ns, wall_ns) }
    }

    /// Notes that the producer has not looked for frames for a time.
    pub fn note_pause(&mut self, ns: u64) {
        // SAFETY: `new` initialised the ring.
        unsafe { hpcap_sys_note_pause(self.as_mut_ptr(), ns) }
    }

    /// Attaches a listener and returns its slot, or `None` when all slots are taken. `start` is an
    /// `HPCAP_START_` value.
    ///
    /// # Safety
    /// `shared` is the listener's page: HPCAP_SLOT_BYTES bytes, writable, and mapped until
    /// [`Ring::detach`] or as long as `self`.
    #[must_use]
    pub unsafe fn attach(
        &mut self,
        shared: *mut hpcap_slot,
        listener: &hpcap_listener,
        start: u32,
    ) -> Option<usize> {
        // SAFETY: `new` initialised the ring, C only reads `listener`, and the caller guarantees
        // that `shared` is valid.
        let slot = unsafe { hpcap_sys_attach(self.as_mut_ptr(), shared, listener, start) };
        usize::try_from(slot).ok()
    }

    /// Frees `slot`. Does nothing when the slot is free.
    pub fn detach(&mut self, slot: usize) {
        let slot = u32::try_from(slot).unwrap_or(u32::MAX);
        // SAFETY: `new` initialised the ring; C checks the slot, whose page is still mapped.
        unsafe { hpcap_sys_detach(self.as_mut_ptr(), slot) }
    }

    /// Ends the listener in `slot`: it gets no further records and no longer holds the ring back.
    /// Does nothing when the slot is free.
    pub fn kill(&mut self, slot: usize) {
        let slot = u32::try_from(slot).unwrap_or(u32::MAX);
        // SAFETY: as in `detach`.
        unsafe { hpcap_sys_kill(self.as_mut_ptr(), slot) }
    }

    /// Ends the queue. `state` is an `HPCAP_QUEUE_` value.
    pub fn end(&mut self, state: u32) {
        // SAFETY: `new` initialised the ring.
        unsafe { hpcap_sys_end(self.as_mut_ptr(), state) }
    }

    /// Number of active listeners. A listener that still waits for its start is not active.
    #[must_use]
    pub fn listeners(&self) -> u32 {
        // SAFETY: `new` initialised the ring, which C only reads.
        unsafe { hpcap_sys_listeners(self.as_ptr()) }
    }

    /// Longest time until the next [`Ring::service`]: `idle`, or less while a listener waits for
    /// a file to start or for a wake-up.
    #[must_use]
    pub fn service_in(&self, idle: Duration) -> Duration {
        let idle_ns = u64::try_from(idle.as_nanos()).unwrap_or(u64::MAX);
        // SAFETY: `new` initialised the ring, which C only reads.
        Duration::from_nanos(unsafe { hpcap_sys_service_in(self.as_ptr(), idle_ns) })
    }

    /// Keeps `caplen` bytes of each later frame; 0 keeps whole frames.
    pub fn set_caplen(&mut self, caplen: u32) {
        // SAFETY: `new` initialised the ring.
        unsafe { hpcap_sys_set_caplen(self.as_mut_ptr(), caplen) }
    }
}
