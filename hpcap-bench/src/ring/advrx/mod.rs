//! The harvest of `kmod/core/advrx.h`, with memory around it that a test or a benchmark plays
//! the NIC in, and what it costs.

mod cost;
mod ffi;

pub use cost::harvest_cost;

/// Bytes of a slot.
pub const SLOT_BYTES: usize = 2048;
/// The tail register need not be written.
const KEEP_TAIL: u32 = u32::MAX;

/// A descriptor: what the driver writes for the NIC (address, 0), or the NIC for the driver
/// (type and hash; status, error and length).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// The lower eight bytes.
    pub low: u64,
    /// The upper eight bytes.
    pub high: u64,
}

/// What one look at the ring brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Bytes and hash of each frame.
    pub frames: Vec<(Vec<u8>, u32)>,
    /// Frames that were damaged.
    pub errors: u64,
}

/// What was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Released {
    /// For the tail register, when it is to be written.
    pub tail: Option<u32>,
    /// Of the frames.
    pub bytes: u64,
}

/// A ring of descriptors with its slots.
#[derive(Debug)]
pub struct Ring {
    rx: Box<[u64]>,
    descriptors: Box<[ffi::Descriptor]>,
    /// What `rx` points to.
    chunks: Vec<Box<[u8]>>,
    _pointers: Box<[*mut u8]>,
    dma: Box<[u64]>,
    _bounce: Box<[u8]>,
    chunk_slots: usize,
    tail: u32,
}

impl Ring {
    /// `count` descriptors, and slots in chunks of `1 << chunk_shift`.
    ///
    /// # Panics
    /// When `count` is no power of two, or less than a chunk.
    #[must_use]
    pub fn new(count: usize, chunk_shift: u32) -> Self {
        let chunk_slots = 1_usize << chunk_shift;
        assert!(count.is_power_of_two() && count >= chunk_slots);
        let chunk = || vec![0_u8; chunk_slots * SLOT_BYTES].into_boxed_slice();
        let mut chunks: Vec<_> = (0..count / chunk_slots).map(|_| chunk()).collect();
        let pointers: Box<[_]> = chunks.iter_mut().map(|chunk| chunk.as_mut_ptr()).collect();
        // The NIC sees the chunks where nothing else is.
        let dma: Box<[_]> = (1..=chunks.len() as u64).map(|i| i << 32).collect();
        let mut descriptors = vec![ffi::Descriptor::default(); count].into_boxed_slice();
        // SAFETY: these return constants.
        let (bytes, bounce) =
            unsafe { (ffi::hpcap_advrx_size_of(), ffi::hpcap_advrx_bounce_bytes()) };
        let mut bounce = vec![0_u8; bounce].into_boxed_slice();
        let mut rx = vec![0_u64; bytes.div_ceil(8)].into_boxed_slice();
        // SAFETY: `rx` is zeroed memory of the size that C asked for; what it gets pointers to
        // has the sizes that go with `count` and `chunk_shift`, stays where it is when the boxes
        // move, and is only reached through `rx` or while `self` is borrowed mutably.
        let tail = unsafe {
            ffi::hpcap_advrx_start(
                rx.as_mut_ptr().cast(),
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

    /// Bytes in all slots that differ from one to the next.
    fn fill(&mut self) {
        let byte = |i: usize| (i.wrapping_mul(0x9e37_79b9) >> 13).to_le_bytes()[0];
        for chunk in &mut self.chunks {
            for (i, to) in chunk.iter_mut().enumerate() {
                *to = byte(i);
            }
        }
    }

    /// What the tail register was told first.
    #[must_use]
    pub fn tail(&self) -> u32 {
        self.tail
    }

    /// Where the NIC must find slot `i`.
    #[must_use]
    pub fn address(&self, i: usize) -> u64 {
        self.dma[i / self.chunk_slots] + (i % self.chunk_slots * SLOT_BYTES) as u64
    }

    /// What stands in descriptor `i`.
    #[must_use]
    pub fn descriptor(&self, i: usize) -> Descriptor {
        let ffi::Descriptor { low, high } = self.descriptors[i];
        Descriptor { low, high }
    }

    /// The NIC's write-back of descriptor `i`, with these bytes in its slot.
    pub fn write_back(&mut self, i: usize, bytes: &[u8], descriptor: Descriptor) {
        let at = i % self.chunk_slots * SLOT_BYTES;
        self.chunks[i / self.chunk_slots][at..][..bytes.len()].copy_from_slice(bytes);
        let Descriptor { low, high } = descriptor;
        self.descriptors[i] = ffi::Descriptor { low, high };
    }

    /// As if good frames had gone around an idle ring so many times.
    pub fn skip_turns(&mut self, turns: u32) {
        let count = u32::try_from(self.descriptors.len()).unwrap_or(0);
        // SAFETY: `rx` was started in `new`; positions are all that changes.
        unsafe { ffi::hpcap_advrx_skip(self.rx.as_mut_ptr().cast(), turns.wrapping_mul(count)) };
    }

    /// Up to `n` frames, stamped with the time 1 s, 2 ns.
    ///
    /// # Panics
    /// When a frame has another time, or other bytes on the wire than here.
    pub fn harvest(&mut self, n: usize) -> Batch {
        let mut lent = Vec::<ffi::Frame>::with_capacity(n);
        let mut errors = 0;
        let wanted = u32::try_from(n).unwrap_or(u32::MAX);
        // SAFETY: started in `new`; `lent` has room for `n`.
        let found = unsafe {
            ffi::hpcap_advrx_take(
                self.rx.as_mut_ptr().cast(),
                lent.as_mut_ptr(),
                wanted,
                1,
                2,
                &raw mut errors,
            )
        };
        // SAFETY: C has written so many.
        unsafe { lent.set_len(found as usize) };
        let frames = lent.iter().map(|frame| {
            assert_eq!((frame.sec, frame.nsec), (1, 2));
            assert_eq!(frame.len, frame.caplen);
            // SAFETY: the bytes are in the chunks or in the bounce buffer, which live as long as
            // `self` and are not written to meanwhile.
            let bytes = unsafe { std::slice::from_raw_parts(frame.data, frame.caplen as usize) };
            (bytes.to_vec(), frame.hash)
        });
        Batch {
            frames: frames.collect(),
            errors,
        }
    }

    /// The first `n` of the last harvest's frames were used.
    pub fn release(&mut self, n: usize) -> Released {
        let mut bytes = 0;
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        // SAFETY: started in `new`; `bytes` is valid for reading and writing.
        let tail = unsafe { ffi::hpcap_advrx_give(self.rx.as_mut_ptr().cast(), n, &raw mut bytes) };
        Released {
            tail: (tail != KEEP_TAIL).then_some(tail),
            bytes,
        }
    }
}
