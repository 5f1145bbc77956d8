//! The measured loops: the producer in C, a bare loop, and the producer as the engine calls it.

use std::hint::black_box;
use std::mem::offset_of;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use hpcap::abi::{HPCAP_LOSSLESS, HPCAP_SLOT_BYTES, hpcap_listener, hpcap_slot};
use hpcap::{Error, Kind, Result, Start, Timestamp};
use hpcap_engine::ring::Producer;
use hpcap_engine::ring::memory::{Pages, QueueMemory, new_slot};
use hpcap_ipc::memory::{Access, Mapping};
use hpcap_source::Frame;
use hpcap_sys::abi::HPCAP_START_NEWEST;
use hpcap_sys::ring::{RawRing, Ring};

use super::ffi;
use super::nic::Nic;

/// Allocates the memory of a queue of `ring_bytes`. Returns it with the kind of its pages.
fn memory(ring_bytes: u64) -> Result<(QueueMemory, &'static str)> {
    let (mut memory, note) = QueueMemory::allocate(ring_bytes, Pages::Auto)?;
    let pages = match note {
        Some(_) => "ordinary pages",
        None => "hugepages",
    };
    memory.describe(|page| {
        page.link_type = 1;
        page.start_ns = Timestamp::now().as_ns();
    });
    Ok((memory, pages))
}

/// Returns the description of a lossless listener.
fn listener(id: u64) -> hpcap_listener {
    hpcap_listener {
        id,
        contract: HPCAP_LOSSLESS,
        ..hpcap_listener::zeroed()
    }
}

/// Measures the processor time of this thread, so that the time of other threads does not count.
pub(crate) struct Stopwatch(u64);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(thread_ns())
    }

    /// Processor time in ns since the start.
    pub(crate) fn elapsed_ns(&self) -> u64 {
        thread_ns() - self.0
    }

    pub(super) fn ns_per_frame(&self, frames: u64) -> f64 {
        self.elapsed_ns() as f64 / frames as f64
    }
}

fn thread_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is valid for writing.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut now) };
    #[expect(clippy::cast_sign_loss, reason = "never negative")]
    let ns = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
    ns
}

pub(super) fn full(taken: u64, frames: u64) -> Result<()> {
    if taken == frames {
        return Ok(());
    }
    let why = format!("it took {taken} of {frames} frames");
    Err(Error::new(Kind::Full, "fill the ring", why))
}

/// The producer of `kmod/core/ring.h` in a loop in C.
pub(super) struct InC {
    ring: Ring,
    ring_bytes: u64,
    pages: &'static str,
    ack_bytes: u64,
    /// The memory that the ring points to.
    memory: QueueMemory,
    _slots: Vec<Mapping>,
}

impl InC {
    /// Creates a queue with `listeners` listeners, which acknowledge everything after every
    /// `ack_bytes` of the stream.
    pub(super) fn new(ring_bytes: u64, listeners: u64, ack_bytes: u64) -> Result<Self> {
        let (memory, pages) = memory(ring_bytes)?;
        // SAFETY: the memory is writable, nothing else uses it, and it lives as long as the ring.
        let ring = unsafe { Ring::new(memory.ring_base(), memory.queue_page()) };
        let Some(mut ring) = ring else {
            let why = "the sizes of ring, blocks and files do not fit each other";
            return Err(Error::new(Kind::Usage, "start a queue", why));
        };
        let mut slots = Vec::new();
        for id in 1..=listeners {
            let (_, slot) = new_slot()?;
            let listener = listener(id);
            // SAFETY: `_slots` keeps the slot mapped as long as the ring.
            let attached =
                unsafe { ring.attach(slot.as_ptr().cast(), &listener, HPCAP_START_NEWEST) };
            assert!(attached.is_some(), "listener {id} has no slot");
            slots.push(slot);
        }
        Ok(Self {
            ring,
            ring_bytes,
            pages,
            ack_bytes,
            memory,
            _slots: slots,
        })
    }

    /// Returns the kind of pages that the ring is in.
    pub(super) fn pages(&self) -> &'static str {
        self.pages
    }

    /// Returns the ring's memory and its length in bytes, for a loop that only writes there.
    pub(super) fn memory(&mut self) -> (*mut u8, u64) {
        (self.memory.ring_base(), self.ring_bytes)
    }

    /// Returns the producer, for a loop of another module.
    pub(super) fn as_ptr(&mut self) -> *mut RawRing {
        self.ring.as_mut_ptr()
    }

    /// Runs the producer. Returns nanoseconds per frame.
    ///
    /// # Errors
    /// When the ring did not take all frames.
    pub(super) fn run(&mut self, nic: &mut Nic<'_>, frames: u64, batch: u32) -> Result<f64> {
        let ring = self.ring.as_mut_ptr();
        let ack_bytes = self.ack_bytes;
        let watch = Stopwatch::start();
        // SAFETY: the ring is initialised, and `self` owns its memory and slots.
        let taken = nic.with(|nic, clock| unsafe {
            ffi::hpcap_bench_ring(ring, nic, clock, frames, batch, ack_bytes)
        });
        full(taken, frames)?;
        Ok(watch.ns_per_frame(frames))
    }

    /// Runs the bare loop of timestamp and memcpy, into the same memory, because the kind of pages
    /// matters. Returns nanoseconds per frame.
    pub(super) fn run_bare(&mut self, nic: &mut Nic<'_>, frames: u64, batch: u32) -> f64 {
        let (to, bytes) = (self.memory.ring_base(), self.ring_bytes);
        let watch = Stopwatch::start();
        // SAFETY: `to` is the start of (twice) `bytes` writable bytes that nothing else uses: no
        // listener reads what the producer had written there.
        let sum = nic.with(|nic, clock| unsafe {
            ffi::hpcap_bench_bare(nic, clock, to, bytes, frames, batch)
        });
        let ns = watch.ns_per_frame(frames);
        black_box(sum);
        ns
    }
}

/// The producer as the engine's poll thread calls it.
pub(super) struct InEngine {
    producer: Producer,
    slot: Mapping,
}

impl InEngine {
    /// Creates a queue with one listener, which acknowledges everything after each batch.
    pub(super) fn new(ring_bytes: u64) -> Result<Self> {
        let (memory, _) = memory(ring_bytes)?;
        let mut producer = Producer::new(memory)?;
        let (fd, map) = new_slot()?;
        producer.attach(map, &listener(1), Start::Newest)?;
        let slot = Mapping::of(fd.as_fd(), HPCAP_SLOT_BYTES, Access::Write, "the slot")?;
        Ok(Self { producer, slot })
    }

    /// Pushes frames in batches that the source has stamped. Returns nanoseconds per frame.
    ///
    /// # Errors
    /// When the ring did not take all frames.
    pub(super) fn run(&mut self, nic: &mut Nic<'_>, frames: u64, batch: u32) -> Result<f64> {
        // SAFETY: the word is inside the slot's page, aligned, and mapped as long as `self` lives;
        // all accesses to it are atomic.
        let read_off = unsafe {
            let at = self.slot.as_ptr().add(offset_of!(hpcap_slot, read_off));
            AtomicU64::from_ptr(at.cast())
        };
        let mut lent = vec![Frame::new(&[], 0, 0, 0); batch as usize];
        let (watch, started) = (Stopwatch::start(), Instant::now());
        let mut left = frames;
        while left > 0 {
            let n = usize::try_from(left).unwrap_or(usize::MAX).min(lent.len());
            let wall_ns = nic.harvest(&mut lent[..n]);
            let taken = self.producer.push(&lent[..n]);
            left -= taken as u64;
            if taken < n {
                break;
            }
            let clock_ns = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.producer.service(clock_ns, wall_ns);
            read_off.store(u64::MAX, Ordering::Release);
        }
        full(frames - left, frames)?;
        Ok(watch.ns_per_frame(frames))
    }
}
