//! Harvests the receive descriptors of an 82599 (`kmod/core/advrx.h`).
//!
//! ```
//! use hpcap_sys::advrx::{Descriptor, Receiver, bounce_bytes};
//!
//! // Four descriptors, and one chunk of memory with a slot of 2 KiB for each.
//! let mut ring = [Descriptor::default(); 4];
//! let mut chunk = vec![0_u8; 4 * 2048];
//! let mut bounce = vec![0_u8; bounce_bytes()];
//! let (chunks, dma) = ([chunk.as_mut_ptr()], [0x10_0000]);
//! // SAFETY: all of this memory lives until the end of the example, and only the lines below change it.
//! let (mut receiver, _) = unsafe {
//!     Receiver::start(ring.as_mut_ptr(), 4, chunks.as_ptr(), dma.as_ptr(), 2, bounce.as_mut_ptr())
//! };
//!
//! // The NIC has written a frame of 60 bytes into the first slot (82599 datasheet, 7.1.6.2).
//! let (descriptor_done, end_of_packet) = (1, 1 << 1);
//! let written = Descriptor { low: 0, high: 60 << 32 | end_of_packet | descriptor_done };
//! // SAFETY: `ring` is valid, and the receiver reads it only in `harvest`.
//! unsafe { ring.as_mut_ptr().write_volatile(written) };
//! let (frames, damaged) = receiver.harvest(16, 1_700_000_000, 0);
//! assert_eq!((frames.len(), frames[0].len, damaged), (1, 60, 0));
//! let (_, bytes) = receiver.release(1);
//! assert_eq!(bytes, 60);
//! ```

use crate::frame::{BATCH, Frame};

/// A receive descriptor (`struct hpcap_advrx_desc`).
///
/// The driver writes an address and 0 for the NIC; the NIC writes type and hash, then status, error
/// and length for the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Descriptor {
    /// The lower eight bytes.
    pub low: u64,
    /// The upper eight bytes.
    pub high: u64,
}

impl Descriptor {
    /// `(field, offset, size)` of every field, for the comparison with the C header.
    pub const FIELDS: &'static [(&'static str, usize, usize)] = &[
        ("low", std::mem::offset_of!(Self, low), 8),
        ("high", std::mem::offset_of!(Self, high), 8),
    ];
}

/// `struct hpcap_advrx`. Rust knows only its size.
#[derive(Debug)]
#[repr(C)]
pub struct RawReceiver {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn hpcap_sys_advrx_size() -> usize;
    fn hpcap_sys_advrx_bounce_bytes() -> usize;
    fn hpcap_sys_advrx_start(
        rx: *mut RawReceiver,
        ring: *mut Descriptor,
        count: u32,
        chunks: *const *mut u8,
        chunk_dma: *const u64,
        chunk_shift: u32,
        bounce: *mut u8,
    ) -> u32;
    fn hpcap_sys_advrx_harvest(
        rx: *mut RawReceiver,
        frames: *mut Frame<'_>,
        n: u32,
        sec: u64,
        nsec: u32,
        errors: *mut u64,
    ) -> u32;
    fn hpcap_sys_advrx_release(rx: *mut RawReceiver, n: u32, bytes: *mut u64) -> u32;
    fn hpcap_sys_advrx_skip(rx: *mut RawReceiver, descriptors: u32);
}

/// Value of the tail register that means "do not write the register".
const KEEP_TAIL: u32 = u32::MAX;

/// Length in bytes of the buffer in which a frame of several descriptors is assembled.
#[must_use]
pub fn bounce_bytes() -> usize {
    // SAFETY: the function only returns a constant.
    unsafe { hpcap_sys_advrx_bounce_bytes() }
}

/// The receiving side of one ring of descriptors.
#[derive(Debug)]
pub struct Receiver {
    /// `struct hpcap_advrx`, in memory aligned to 8 bytes.
    words: Box<[u64]>,
}

impl Receiver {
    /// Arms all `count` descriptors of `ring`. Returns the receiver and the first value of the tail
    /// register.
    ///
    /// # Safety
    /// `ring` points to `count` descriptors, a power of two. `chunks` points to
    /// `count >> chunk_shift` chunks of `1 << chunk_shift` slots each, `chunk_dma` to the addresses
    /// of the chunks as the NIC sees them, and `bounce` to [`bounce_bytes`] bytes. This memory
    /// outlives the returned value, and no other code changes it while a frame of
    /// [`Receiver::harvest`] is borrowed.
    #[must_use]
    pub unsafe fn start(
        ring: *mut Descriptor,
        count: u32,
        chunks: *const *mut u8,
        chunk_dma: *const u64,
        chunk_shift: u32,
        bounce: *mut u8,
    ) -> (Self, u32) {
        // SAFETY: the function only returns a constant.
        let words = unsafe { hpcap_sys_advrx_size() }.div_ceil(8);
        let mut receiver = Self {
            words: vec![0; words].into_boxed_slice(),
        };
        let rx = receiver.as_mut_ptr();
        // SAFETY: `rx` is zeroed memory of the size that C asked for; the caller guarantees the
        // rest.
        let tail = unsafe {
            hpcap_sys_advrx_start(rx, ring, count, chunks, chunk_dma, chunk_shift, bounce)
        };
        (receiver, tail)
    }

    /// The C structure, for a loop in C that uses `advrx.h` directly.
    #[must_use]
    pub fn as_mut_ptr(&mut self) -> *mut RawReceiver {
        self.words.as_mut_ptr().cast()
    }

    /// Takes up to `n` frames (at most [`BATCH`]) from the descriptors and stamps them with `sec`
    /// and `nsec`. Returns them with the number of damaged frames.
    pub fn harvest(&mut self, n: usize, sec: u64, nsec: u32) -> (Vec<Frame<'_>>, u64) {
        let mut frames = Vec::with_capacity(n.min(BATCH));
        #[expect(clippy::cast_possible_truncation, reason = "at most a batch")]
        let most = n.min(BATCH) as u32;
        let mut errors = 0;
        // SAFETY: `start` initialised the receiver, and `frames` has capacity for the requested
        // number.
        let found = unsafe {
            hpcap_sys_advrx_harvest(
                self.as_mut_ptr(),
                frames.as_mut_ptr(),
                most,
                sec,
                nsec,
                &raw mut errors,
            )
        };
        // SAFETY: C wrote `found` frames, which is at most the capacity.
        unsafe { frames.set_len(found as usize) };
        (frames, errors)
    }

    /// Gives the descriptors of the first `n` harvested frames back to the NIC. Returns the next
    /// value of the tail register, or `None` when the register must not be written, and the bytes
    /// of those frames.
    pub fn release(&mut self, n: usize) -> (Option<u32>, u64) {
        let mut bytes = 0;
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        // SAFETY: `start` initialised the receiver; `bytes` is valid for reading and writing.
        let tail = unsafe { hpcap_sys_advrx_release(self.as_mut_ptr(), n, &raw mut bytes) };
        ((tail != KEEP_TAIL).then_some(tail), bytes)
    }

    /// Advances an idle ring by `descriptors`, which must be a multiple of the ring's size. Tests
    /// use this to reach positions near their overflow without receiving four billion frames.
    pub fn skip(&mut self, descriptors: u32) {
        // SAFETY: `start` initialised the receiver; only its positions change.
        unsafe { hpcap_sys_advrx_skip(self.as_mut_ptr(), descriptors) }
    }
}
