//! The producer of a queue: `kmod/core/ring.h`, compiled for userspace, and the queue's memory.
//!
//! ```
//! use hpcap::Count;
//! use hpcap_engine::ring::Producer;
//! use hpcap_engine::ring::memory::{Pages, QueueMemory};
//! use hpcap_sys::Frame;
//!
//! # fn main() -> hpcap::Result<()> {
//! let (memory, _) = QueueMemory::allocate(1 << 20, Pages::Ordinary)?;
//! let mut producer = Producer::new(memory)?;
//! let frames = [Frame::new(&[0xab; 60], 60, 1_700_000_000, 0); 10];
//! assert_eq!(producer.push(&frames), 10);
//! // Listeners see the frames after this call.
//! producer.service(1, 1_700_000_000_000_000_000);
//! assert_eq!(producer.listeners(), 0);
//! # Ok(())
//! # }
//! ```

mod ahead;
pub mod memory;

use std::mem::offset_of;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hpcap::abi::{self, hpcap_listener, hpcap_queue, hpcap_slot};
use hpcap::queue::QueueEnd;
use hpcap::{Count, Error, Kind, Reason, Result, Start};
use hpcap_ipc::memory::Mapping;
use hpcap_sys::ring::Ring;

use crate::server::WakeupSocket;
use ahead::Ahead;
use hpcap_source::Frame;
use memory::QueueMemory;

pub use hpcap_sys::ring::block_bytes;

/// The producer of a queue. One thread at a time uses it, so its methods take `&mut self`.
#[derive(Debug)]
pub struct Producer {
    /// Declared before `memory`, so that it is dropped before the memory that it points to.
    ring: Ring,
    memory: QueueMemory,
    ahead: Ahead,
    slots: [Option<Mapping>; abi::HPCAP_SLOTS],
    /// The sockets of the listeners that asked for wake-ups over a socket.
    wakeups: [Option<WakeupSocket>; abi::HPCAP_SLOTS],
    ended: bool,
}

/// A producer that is dropped without an end, because its thread panics, ends the queue as failed,
/// so that no listener waits for it.
impl Drop for Producer {
    fn drop(&mut self) {
        if !self.ended {
            self.end(QueueEnd::Failed);
        }
    }
}

impl Producer {
    /// Starts a queue in `memory`, whose queue page must be filled in.
    ///
    /// # Errors
    /// [`Kind::Usage`] when the sizes in the queue page do not fit each other.
    pub fn new(memory: QueueMemory) -> Result<Self> {
        let (base, queue) = (memory.ring_base(), memory.queue_page());
        // SAFETY: `base` is the double mapping and `queue` the queue page, both writable; `memory`
        // keeps them mapped as long as the producer, which is the only one to write to them.
        match unsafe { Ring::new(base, queue) } {
            Some(ring) => Ok(Self {
                ring,
                ahead: Ahead::of(&memory),
                memory,
                slots: [const { None }; abi::HPCAP_SLOTS],
                wakeups: [const { None }; abi::HPCAP_SLOTS],
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

    /// Returns the producer's state, for the pipeline.
    pub(crate) fn ring(&mut self) -> &mut Ring {
        &mut self.ring
    }

    /// Returns the shared memory.
    #[must_use]
    pub fn memory(&self) -> &QueueMemory {
        &self.memory
    }

    /// Puts frames into the ring; [`Producer::service`] makes them visible. Returns how many frames
    /// it took, which is less than `frames.len()` only if the ring is full.
    pub fn push(&mut self, frames: &[Frame<'_>]) -> usize {
        self.ring.push_batch(frames)
    }

    /// Like [`Producer::push`], but tags the frames whose mark is not 0 as duplicates in the
    /// stream.
    pub fn push_marked(&mut self, frames: &[Frame<'_>], marks: &[u8]) -> usize {
        self.ring.push_marked(frames, marks)
    }

    /// Accounts for frames that are not in the ring, with the reason.
    pub fn account(&mut self, reason: Reason, count: Count) {
        assert!(
            (reason as usize) < abi::HPCAP_LEDGER_REASONS,
            "{reason} is a listener's own loss"
        );
        self.ring.account(reason as u32, count);
    }

    /// Publishes frames, starts files, supervises listeners and wakes them. Call it after each
    /// batch and at least every few milliseconds. `clock_ns` is monotonic, `wall_ns` counts from
    /// 1970.
    pub fn service(&mut self, clock_ns: u64, wall_ns: u64) {
        let mut wake = self.ring.service(clock_ns, wall_ns);
        self.ahead.follow(&self.memory);
        while wake != 0 {
            let slot = wake.trailing_zeros() as usize;
            wake &= wake - 1;
            self.wake(slot);
        }
    }

    /// Notes that nobody has looked for frames for a time.
    pub(crate) fn note_pause(&mut self, ns: u64) {
        self.ring.note_pause(ns);
    }

    fn wake(&self, slot: usize) {
        let Some(map) = &self.slots[slot] else { return };
        // One thread, because a listener is one thread: a process that lets a thousand of its threads
        // sleep on the word must not keep the poll thread busy with waking them.
        // SAFETY: the word lies inside the slot's page and is aligned; `self.slots` keeps the page
        // mapped.
        unsafe {
            let word: *mut u32 = map.as_ptr().add(offset_of!(hpcap_slot, waiting)).cast();
            libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE, 1);
        }
        if let Some(socket) = &self.wakeups[slot] {
            socket.wake();
        }
    }

    /// Wakes the listener in `slot` over `socket`, too, until it is detached.
    pub(crate) fn set_wakeup(&mut self, slot: usize, socket: WakeupSocket) {
        self.wakeups[slot] = Some(socket);
    }

    /// Attaches a listener whose slot page is `map`. Returns its slot. The listener may still have
    /// to wait for its start ([`Producer::is_active`]).
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

    /// Returns whether the listener in `slot` has started; it may have finished since.
    #[must_use]
    pub fn is_active(&self, slot: usize) -> bool {
        let state = self.memory.listener_state(slot).load(Ordering::Acquire);
        [abi::HPCAP_SLOT_ACTIVE, abi::HPCAP_SLOT_FINISHED].contains(&state)
    }

    /// Frees `slot`, whose listener has gone or was killed.
    pub fn detach(&mut self, slot: usize) {
        if self.slots[slot].is_none() {
            return;
        }
        // The ring reads the page until `detach` returns, so the page is unmapped only afterwards.
        self.ring.detach(slot);
        self.slots[slot] = None;
        self.wakeups[slot] = None;
    }

    /// Gives no more frames to the listener in `slot`, and wakes it so that it notices.
    pub fn kill(&mut self, slot: usize) {
        if self.slots[slot].is_some() {
            self.ring.kill(slot);
            self.wake(slot);
        }
    }

    /// Ends the queue, and wakes all listeners so that they notice.
    pub fn end(&mut self, end: QueueEnd) {
        self.ended = true;
        self.ring.end(end.to_abi());
        for slot in 0..self.slots.len() {
            self.wake(slot);
        }
    }

    /// Returns the number of active listeners.
    #[must_use]
    pub fn listeners(&self) -> u32 {
        self.ring.listeners()
    }

    /// Returns how long the next call of [`Producer::service`] may wait if no frame arrives: at
    /// most `idle`, and less while a listener waits for a file to start or for a delayed wake-up.
    #[must_use]
    pub fn service_in(&self, idle: Duration) -> Duration {
        self.ring.service_in(idle)
    }

    /// Keeps at most `caplen` bytes of each later frame; 0 keeps whole frames.
    pub fn set_caplen(&mut self, caplen: u32) {
        self.ring.set_caplen(caplen);
    }
}

impl QueueMemory {
    /// Returns the state word of the listener in `slot`.
    fn listener_state(&self, slot: usize) -> &AtomicU32 {
        let at = offset_of!(hpcap_queue, listeners)
            + slot * size_of::<hpcap_listener>()
            + offset_of!(hpcap_listener, state);
        assert!(slot < abi::HPCAP_SLOTS, "slot {slot}");
        // SAFETY: the word is inside the queue page, aligned, and mapped as long as `self` lives.
        unsafe { AtomicU32::from_ptr(self.queue_page().cast::<u8>().add(at).cast()) }
    }
}
