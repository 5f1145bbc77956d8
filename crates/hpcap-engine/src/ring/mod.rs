//! The producer of a queue: `kmod/core/ring.h`, compiled for userspace, behind a safe face.

pub mod memory;

use std::mem::offset_of;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hpcap::abi::{self, hpcap_listener, hpcap_queue, hpcap_slot};
use hpcap::memory::Mapping;
use hpcap::queue::QueueEnd;
use hpcap::{Count, Error, Kind, Reason, Result, Start};

use hpcap_source::Frame;
use memory::QueueMemory;

/// `struct hpcap_ring`, of which Rust knows only the size.
#[repr(C)]
pub(crate) struct CRing {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn hpcap_user_ring_size() -> usize;
    fn hpcap_user_block_bytes(ring_bytes: u64) -> u64;
    fn hpcap_user_index_entries(ring_bytes: u64) -> u32;
    fn hpcap_user_init(r: *mut CRing, base: *mut u8, queue: *mut hpcap_queue) -> i32;
    fn hpcap_user_push_batch(r: *mut CRing, frames: *const Frame<'_>, n: u32) -> u32;
    fn hpcap_user_push_marked(
        r: *mut CRing,
        frames: *const Frame<'_>,
        marks: *const u8,
        n: u32,
    ) -> u32;
    fn hpcap_user_account(r: *mut CRing, reason: u32, frames: u64, bytes: u64);
    fn hpcap_user_service(r: *mut CRing, clock_ns: u64, wall_ns: u64) -> u32;
    fn hpcap_user_attach(
        r: *mut CRing,
        shared: *mut hpcap_slot,
        listener: *const hpcap_listener,
        start: u32,
    ) -> i32;
    fn hpcap_user_detach(r: *mut CRing, slot: u32);
    fn hpcap_user_kill(r: *mut CRing, slot: u32);
    fn hpcap_user_end(r: *mut CRing, state: u32);
    fn hpcap_user_listeners(r: *const CRing) -> u32;
    fn hpcap_user_service_in(r: *const CRing, idle_ns: u64) -> u64;
    fn hpcap_user_set_caplen(r: *mut CRing, caplen: u32);
}

/// Size of a block of a ring of `ring_bytes`: 4 MiB, or a quarter of a small ring.
#[must_use]
pub fn block_bytes(ring_bytes: u64) -> u64 {
    // SAFETY: arithmetic on its argument.
    unsafe { hpcap_user_block_bytes(ring_bytes) }
}

/// Entries in the block index of a ring of `ring_bytes`.
pub(crate) fn index_entries(ring_bytes: u64) -> u32 {
    // SAFETY: arithmetic on its argument.
    unsafe { hpcap_user_index_entries(ring_bytes) }
}

/// The producer. It belongs to one thread at a time: everything takes `&mut self`.
#[derive(Debug)]
pub struct Producer {
    /// `struct hpcap_ring`, in memory aligned to 8 bytes. Not moved after `init`.
    ring: Box<[u64]>,
    memory: QueueMemory,
    slots: [Option<Mapping>; abi::HPCAP_SLOTS],
    ended: bool,
}

/// A producer that ends without having said how, because its thread panics, has failed: no
/// listener waits for it.
impl Drop for Producer {
    fn drop(&mut self) {
        if !self.ended {
            self.end(QueueEnd::Failed);
        }
    }
}

impl Producer {
    /// Starts a queue in `memory`, whose queue page is filled in.
    ///
    /// # Errors
    /// When the sizes in the queue page do not make a ring.
    pub fn new(memory: QueueMemory) -> Result<Self> {
        // SAFETY: returns a constant.
        let words = unsafe { hpcap_user_ring_size() }.div_ceil(8);
        let mut producer = Self {
            ring: vec![0; words].into_boxed_slice(),
            memory,
            slots: [const { None }; abi::HPCAP_SLOTS],
            // There is nothing to end yet.
            ended: true,
        };
        let (base, queue) = (producer.memory.ring_base(), producer.memory.queue_page());
        // SAFETY: the first argument points to memory of the size that C asked for, aligned to 8
        // bytes; `base` is the double mapping and `queue` the queue page, both writable, and both
        // live as long as `self`, which is the only one to call the producer.
        match unsafe { hpcap_user_init(producer.c_ring(), base, queue) } {
            0 => {
                producer.ended = false;
                Ok(producer)
            }
            _ => Err(Error::new(
                Kind::Usage,
                "start the queue",
                "the sizes of ring, blocks and files do not fit each other",
            )
            .advise("a ring has at least 512 KiB, a multiple of 4 KiB; files are whole blocks, 2 GiB at most")),
        }
    }

    /// The producer as C takes it.
    pub(crate) fn c_ring(&mut self) -> *mut CRing {
        self.ring.as_mut_ptr().cast()
    }

    /// The shared memory.
    #[must_use]
    pub fn memory(&self) -> &QueueMemory {
        &self.memory
    }

    /// Frames into the ring, not visible before [`Producer::service`]. Returns how many were
    /// taken: fewer than given only when the ring is full.
    pub fn push(&mut self, frames: &[Frame<'_>]) -> usize {
        let n = u32::try_from(frames.len()).unwrap_or(u32::MAX);
        // SAFETY: an initialised ring, used by nobody else meanwhile; `frames` are `n`
        // `struct hpcap_frame` (same layout) whose data are readable.
        unsafe { hpcap_user_push_batch(self.c_ring(), frames.as_ptr(), n) as usize }
    }

    /// As [`Producer::push`]; a frame whose mark is not 0 is a duplicate, and the stream says so.
    pub fn push_marked(&mut self, frames: &[Frame<'_>], marks: &[u8]) -> usize {
        let n = u32::try_from(frames.len().min(marks.len())).unwrap_or(u32::MAX);
        // SAFETY: as in `push`; there are at least `n` marks.
        unsafe {
            hpcap_user_push_marked(self.c_ring(), frames.as_ptr(), marks.as_ptr(), n) as usize
        }
    }

    /// Frames that are not in the ring, and why.
    pub fn account(&mut self, reason: Reason, count: Count) {
        assert!(
            (reason as usize) < abi::HPCAP_LEDGER_REASONS,
            "{reason} is a listener's own loss"
        );
        // SAFETY: an initialised ring; the reason is one of the ledger's.
        unsafe { hpcap_user_account(self.c_ring(), reason as u32, count.frames, count.bytes) }
    }

    /// Publishes, starts files, watches and wakes listeners: after each batch, and at least
    /// every few milliseconds. `clock_ns` is monotonic, `wall_ns` since 1970.
    pub fn service(&mut self, clock_ns: u64, wall_ns: u64) {
        // SAFETY: an initialised ring; the slots in use are mapped (`self.slots`).
        let mut wake = unsafe { hpcap_user_service(self.c_ring(), clock_ns, wall_ns) };
        while wake != 0 {
            let slot = wake.trailing_zeros() as usize;
            wake &= wake - 1;
            self.wake(slot);
        }
    }

    fn wake(&self, slot: usize) {
        let Some(map) = &self.slots[slot] else { return };
        // SAFETY: the word lies inside the slot's page and is aligned; `map` lives on.
        unsafe {
            let word: *mut u32 = map.as_ptr().add(offset_of!(hpcap_slot, waiting)).cast();
            libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE, i32::MAX);
        }
    }

    /// A new listener with its page `map`. Returns its slot; it may still wait for its start
    /// ([`Producer::is_active`]).
    ///
    /// # Errors
    /// [`Kind::Full`] when all slots are taken.
    pub fn attach(
        &mut self,
        map: Mapping,
        listener: &hpcap_listener,
        start: Start,
    ) -> Result<usize> {
        let start = match start {
            Start::File => abi::HPCAP_START_FILE,
            Start::Newest => abi::HPCAP_START_NEWEST,
            Start::Oldest => abi::HPCAP_START_OLDEST,
        };
        // SAFETY: an initialised ring; the page is writable and stays mapped until `detach`,
        // because it goes into `self.slots` below; `listener` is only read.
        let slot =
            unsafe { hpcap_user_attach(self.c_ring(), map.as_ptr().cast(), listener, start) };
        match usize::try_from(slot) {
            Ok(slot) => {
                self.slots[slot] = Some(map);
                Ok(slot)
            }
            Err(_) => Err(Error::new(
                Kind::Full,
                "attach a listener",
                format!("all {} slots of the queue are taken", abi::HPCAP_SLOTS),
            )),
        }
    }

    /// Whether the listener in `slot` has its start, and perhaps its end already.
    #[must_use]
    pub fn is_active(&self, slot: usize) -> bool {
        let state = self.memory.listener_state(slot).load(Ordering::Acquire);
        [abi::HPCAP_SLOT_ACTIVE, abi::HPCAP_SLOT_FINISHED].contains(&state)
    }

    /// The listener in `slot` has gone.
    pub fn detach(&mut self, slot: usize) {
        if self.slots[slot].is_none() {
            return;
        }
        // SAFETY: an initialised ring; the slot is in use, and its page still mapped.
        unsafe { hpcap_user_detach(self.c_ring(), slot as u32) }
        self.slots[slot] = None;
    }

    /// The listener in `slot` gets nothing more. It is woken to see so.
    pub fn kill(&mut self, slot: usize) {
        if self.slots[slot].is_some() {
            // SAFETY: an initialised ring; the slot is in use.
            unsafe { hpcap_user_kill(self.c_ring(), slot as u32) }
            self.wake(slot);
        }
    }

    /// Ends the queue; everybody is woken to see so.
    pub fn end(&mut self, end: QueueEnd) {
        self.ended = true;
        // SAFETY: an initialised ring.
        unsafe { hpcap_user_end(self.c_ring(), end.to_abi()) }
        for slot in 0..self.slots.len() {
            self.wake(slot);
        }
    }

    /// Listeners that are active.
    #[must_use]
    pub fn listeners(&self) -> u32 {
        // SAFETY: an initialised ring, only read.
        unsafe { hpcap_user_listeners(self.ring.as_ptr().cast()) }
    }

    /// How long [`Producer::service`] may wait when nothing else happens: `idle` at most, and
    /// less while somebody waits for a file to start, or for a wake-up.
    #[must_use]
    pub fn service_in(&self, idle: Duration) -> Duration {
        let idle_ns = u64::try_from(idle.as_nanos()).unwrap_or(u64::MAX);
        // SAFETY: an initialised ring, only read.
        let ns = unsafe { hpcap_user_service_in(self.ring.as_ptr().cast(), idle_ns) };
        Duration::from_nanos(ns)
    }

    /// Keeps `caplen` bytes of each frame from now on; 0 = whole frames.
    pub fn set_caplen(&mut self, caplen: u32) {
        // SAFETY: an initialised ring.
        unsafe { hpcap_user_set_caplen(self.c_ring(), caplen) }
    }
}

impl QueueMemory {
    /// The state word of the listener in `slot`.
    fn listener_state(&self, slot: usize) -> &AtomicU32 {
        let at = offset_of!(hpcap_queue, listeners)
            + slot * size_of::<hpcap_listener>()
            + offset_of!(hpcap_listener, state);
        assert!(slot < abi::HPCAP_SLOTS, "slot {slot}");
        // SAFETY: inside the queue page, aligned, mapped as long as `self`.
        unsafe { AtomicU32::from_ptr(self.queue_page().cast::<u8>().add(at).cast()) }
    }
}
