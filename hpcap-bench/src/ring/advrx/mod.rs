//! The harvest of `kmod/core/advrx.h`, around which a test or a benchmark plays the NIC, and its
//! cost.

mod cost;
mod ffi;

pub(super) use cost::full_ring;
pub use cost::harvest_cost;
pub use hpcap_sys::advrx::Descriptor;

use hpcap_sys::advrx::{Receiver, bounce_bytes};

/// Length of a slot in bytes.
pub const SLOT_BYTES: usize = 2048;
/// The result of one harvest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Bytes and hash of each frame.
    pub frames: Vec<(Vec<u8>, u32)>,
    /// Number of damaged frames.
    pub errors: u64,
}

/// The result of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Released {
    /// New value of the tail register, if it must be written.
    pub tail: Option<u32>,
    /// Sum of the lengths of the released frames, in bytes.
    pub bytes: u64,
}

/// A ring of descriptors with its slots.
#[derive(Debug)]
pub struct Ring {
    rx: Receiver,
    descriptors: Box<[Descriptor]>,
    /// The memory that `rx` points to, as do the next fields.
    chunks: Vec<Box<[u8]>>,
    _pointers: Box<[*mut u8]>,
    dma: Box<[u64]>,
    _bounce: Box<[u8]>,
    chunk_slots: usize,
    tail: u32,
}

impl Ring {
    /// Creates a ring of `count` descriptors, with slots in chunks of `1 << chunk_shift`.
    ///
    /// # Panics
    /// When `count` is not a power of two, or is less than a chunk.
    #[must_use]
    pub fn new(count: usize, chunk_shift: u32) -> Self {
        let chunk_slots = 1_usize << chunk_shift;
        assert!(count.is_power_of_two() && count >= chunk_slots);
        let chunk = || vec![0_u8; chunk_slots * SLOT_BYTES].into_boxed_slice();
        let mut chunks: Vec<_> = (0..count / chunk_slots).map(|_| chunk()).collect();
        let pointers: Box<[_]> = chunks.iter_mut().map(|chunk| chunk.as_mut_ptr()).collect();
        // These bus addresses are far apart, so that a mistake cannot hit another chunk.
        let dma: Box<[_]> = (1..=chunks.len() as u64).map(|i| i << 32).collect();
        let mut descriptors = vec![Descriptor::default(); count].into_boxed_slice();
        let mut bounce = vec![0_u8; bounce_bytes()].into_boxed_slice();
        // SAFETY: the buffers have the sizes that go with `count` and `chunk_shift`, stay at their
        // addresses when the boxes move, and are only accessed through `rx` or while `self` is
        // borrowed mutably.
        let (rx, tail) = unsafe {
            Receiver::start(
                descriptors.as_mut_ptr(),
                u32::try_from(count).unwrap_or(0),
                pointers.as_ptr(),
                dma.as_ptr(),
                chunk_shift,
                bounce.as_mut_ptr(),
            )
        };
        Self {
            rx,
            descriptors,
            chunks,
            _pointers: pointers,
            dma,
            _bounce: bounce,
            chunk_slots,
            tail,
        }
    }

    /// Fills all slots with bytes that vary.
    fn fill(&mut self) {
        let byte = |i: usize| (i.wrapping_mul(0x9e37_79b9) >> 13).to_le_bytes()[0];
        for chunk in &mut self.chunks {
            for (i, to) in chunk.iter_mut().enumerate() {
                *to = byte(i);
            }
        }
    }

    /// Returns the first value of the tail register.
    #[must_use]
    pub fn tail(&self) -> u32 {
        self.tail
    }

    /// Returns the bus address at which the NIC must find slot `i`.
    #[must_use]
    pub fn address(&self, i: usize) -> u64 {
        self.dma[i / self.chunk_slots] + (i % self.chunk_slots * SLOT_BYTES) as u64
    }

    /// Returns the current content of descriptor `i`.
    #[must_use]
    pub fn descriptor(&self, i: usize) -> Descriptor {
        self.descriptors[i]
    }

    /// Acts as the NIC that writes descriptor `i` back, with `bytes` in its slot.
    pub fn write_back(&mut self, i: usize, bytes: &[u8], descriptor: Descriptor) {
        let at = i % self.chunk_slots * SLOT_BYTES;
        self.chunks[i / self.chunk_slots][at..][..bytes.len()].copy_from_slice(bytes);
        self.descriptors[i] = descriptor;
    }

    /// Advances an idle ring as if good frames had gone around it `turns` times.
    pub fn skip_turns(&mut self, turns: u32) {
        let count = u32::try_from(self.descriptors.len()).unwrap_or(0);
        self.rx.skip(turns.wrapping_mul(count));
    }

    /// Harvests up to `n` frames, stamped with the time 1 s, 2 ns.
    ///
    /// # Panics
    /// When a frame has another time, or its length on the wire differs from its captured length.
    pub fn harvest(&mut self, n: usize) -> Batch {
        let (lent, errors) = self.rx.harvest(n, 1, 2);
        let frames = lent.iter().map(|frame| {
            assert_eq!((frame.sec, frame.nsec), (1, 2));
            assert_eq!(frame.len as usize, frame.data().len());
            (frame.data().to_vec(), frame.hash())
        });
        Batch {
            frames: frames.collect(),
            errors,
        }
    }

    /// Releases the first `n` frames of the last harvest.
    pub fn release(&mut self, n: usize) -> Released {
        let (tail, bytes) = self.rx.release(n);
        Released { tail, bytes }
    }
}
