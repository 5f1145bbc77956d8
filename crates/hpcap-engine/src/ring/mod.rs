//! The producer of a queue: `kmod/core/ring.h`, compiled for userspace, with the memory of its queue.

pub mod memory;

use std::mem::offset_of;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hpcap::abi::{self, hpcap_listener, hpcap_queue, hpcap_slot};
use hpcap::memory::Mapping;
use hpcap::queue::QueueEnd;
use hpcap::{Count, Error, Kind, Reason, Result, Start};
use hpcap_sys::ring::Ring;

use hpcap_source::Frame;
use memory::QueueMemory;

pub use hpcap_sys::ring::block_bytes;

/// The producer. It belongs to one thread at a time: everything takes `&mut self`.
#[derive(Debug)]
pub struct Producer {
    /// Declared, and so dropped, before the memory that it points to.
    ring: Ring,
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
        let (base, queue) = (memory.ring_base(), memory.queue_page());
        // SAFETY: `base` is the double mapping and `queue` the queue page, both writable; `memory`
        // keeps them mapped as long as the producer, which is the only one to write to them.
        match unsafe { Ring::new(base, queue) } {
            Some(ring) => Ok(Self {
                ring,
                memory,
                slots: [const { None }; abi::HPCAP_SLOTS],
                ended: false,
            }),
            None => Err(Error::new(
                Kind::Usage,
                "start the queue",
                "the sizes of ring, blocks and files do not fit each other",
            )
            .advise("a ring has at least 512 KiB, a multiple of 4 KiB; files are whole blocks, 2 GiB at most")),
        }
    }

    /// The producer's state, for the pipeline.
    pub(crate) fn ring(&mut self) -> &mut Ring {
        &mut self.ring
    }

    /// The shared memory.
    #[must_use]
    pub fn memory(&self) -> &QueueMemory {
        &self.memory
    }

    /// Frames into the ring, not visible before [`Producer::service`]. Returns how many were
    /// taken: fewer than given only when the ring is full.
    pub fn push(&mut self, frames: &[Frame<'_>]) -> usize {
        self.ring.push_batch(frames)
    }

    /// As [`Producer::push`]; a frame whose mark is not 0 is a duplicate, and the stream says so.
    pub fn push_marked(&mut self, frames: &[Frame<'_>], marks: &[u8]) -> usize {
        self.ring.push_marked(frames, marks)
    }

    /// Frames that are not in the ring, and why.
    pub fn account(&mut self, reason: Reason, count: Count) {
        assert!(
            (reason as usize) < abi::HPCAP_LEDGER_REASONS,
            "{reason} is a listener's own loss"
        );
        self.ring.account(reason as u32, count);
    }

    /// Publishes, starts files, watches and wakes listeners: after each batch, and at least
    /// every few milliseconds. `clock_ns` is monotonic, `wall_ns` since 1970.
    pub fn service(&mut self, clock_ns: u64, wall_ns: u64) {
        let mut wake = self.ring.service(clock_ns, wall_ns);
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
        // SAFETY: the page is writable and stays mapped until `detach`, because it goes into
        // `self.slots` below.
        match unsafe { self.ring.attach(map.as_ptr().cast(), listener, start) } {
            Some(slot) => {
                self.slots[slot] = Some(map);
                Ok(slot)
            }
            None => Err(Error::new(
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
        // The page goes last: the producer reads it until then.
        self.ring.detach(slot);
        self.slots[slot] = None;
    }

    /// The listener in `slot` gets nothing more. It is woken to see so.
    pub fn kill(&mut self, slot: usize) {
        if self.slots[slot].is_some() {
            self.ring.kill(slot);
            self.wake(slot);
        }
    }

    /// Ends the queue; everybody is woken to see so.
    pub fn end(&mut self, end: QueueEnd) {
        self.ended = true;
        self.ring.end(end.to_abi());
        for slot in 0..self.slots.len() {
            self.wake(slot);
        }
    }

    /// Listeners that are active.
    #[must_use]
    pub fn listeners(&self) -> u32 {
        self.ring.listeners()
    }

    /// How long [`Producer::service`] may wait when nothing else happens: `idle` at most, and
    /// less while somebody waits for a file to start, or for a wake-up.
    #[must_use]
    pub fn service_in(&self, idle: Duration) -> Duration {
        self.ring.service_in(idle)
    }

    /// Keeps `caplen` bytes of each frame from now on; 0 = whole frames.
    pub fn set_caplen(&mut self, caplen: u32) {
        self.ring.set_caplen(caplen);
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
