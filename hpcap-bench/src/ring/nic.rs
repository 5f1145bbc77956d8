//! Descriptors of an imaginary NIC, with frames in their buffers.

use std::marker::PhantomData;

use hpcap_source::Frame;

use super::ffi;

/// Number of descriptors, which is the most that NICs have.
pub(super) const DESCRIPTORS: usize = 4096;
/// Length of the buffer of each descriptor, in bytes.
const BUFFER_BYTES: usize = 2048;

/// A buffer, which starts at a cache line, like a NIC's.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Buffer([u8; BUFFER_BYTES]);

/// The memory that the NIC writes its frames to.
pub(super) struct Buffers(Vec<Buffer>);

impl Buffers {
    /// Creates buffers whose bytes differ from frame to frame.
    pub(super) fn new() -> Self {
        let byte = |i: usize| (i.wrapping_mul(0x9e37_79b9) >> 13).to_le_bytes()[0];
        let buffer = |n: usize| Buffer(std::array::from_fn(|i| byte(n * BUFFER_BYTES + i)));
        Self((0..DESCRIPTORS).map(buffer).collect())
    }

    /// Creates buffers that all have the same bytes.
    pub(super) fn alike() -> Self {
        let mut all = Self::new();
        let first = all.0[0];
        all.0.fill(first);
        all
    }
}

/// Full descriptors, and the clock that stamps the frames taken from them.
pub(super) struct Nic<'a> {
    descriptors: Vec<ffi::Descriptor>,
    next: u32,
    clock: ffi::Clock,
    lent: PhantomData<&'a Buffers>,
}

impl<'a> Nic<'a> {
    /// Creates a NIC whose frames have `len` bytes (at most 2048) and get their time from a clock
    /// of `scale`.
    pub(super) fn new(buffers: &'a Buffers, len: u16, scale: u64) -> Self {
        assert!(usize::from(len) <= BUFFER_BYTES, "frames of {len} bytes");
        let descriptors = buffers.0.iter().map(|buffer| ffi::Descriptor {
            data: buffer.0.as_ptr(),
            length: len,
            status: 1,
            reserved: 0,
        });
        Self {
            descriptors: descriptors.collect(),
            next: 0,
            clock: ffi::Clock {
                scale,
                ..ffi::Clock::default()
            },
            lent: PhantomData,
        }
    }

    /// Like [`Nic::new`], for a loop that writes into the frames.
    pub(super) fn writable(buffers: &'a mut Buffers, len: u16, scale: u64) -> Self {
        let start = buffers.0.as_mut_ptr();
        let mut nic = Self::new(buffers, len, scale);
        for (i, descriptor) in nic.descriptors.iter_mut().enumerate() {
            // This pointer is derived from a mutable one, so the loop may write through it.
            descriptor.data = start.wrapping_add(i).cast();
        }
        nic
    }

    /// Calls `run` with the structures of the C loops, and keeps the position that the loop
    /// reaches.
    pub(super) fn with<T>(&mut self, run: impl FnOnce(*mut ffi::Nic, *mut ffi::Clock) -> T) -> T {
        #[expect(clippy::cast_possible_truncation, reason = "it is 4096")]
        let count = DESCRIPTORS as u32;
        let mut nic = ffi::Nic {
            descriptors: self.descriptors.as_ptr(),
            count,
            next: self.next,
        };
        let result = run(&raw mut nic, &raw mut self.clock);
        self.next = nic.next;
        result
    }

    /// Takes `frames.len()` frames and stamps them. Returns the time of the first frame, in ns.
    pub(super) fn harvest(&mut self, frames: &mut [Frame<'a>]) -> u64 {
        let n = u32::try_from(frames.len()).unwrap_or(0);
        let to = frames.as_mut_ptr();
        // SAFETY: a `Frame` is a `struct hpcap_frame`, and `frames` has `n` of them; the pointers
        // written into them point into the buffers, which are borrowed for longer than any frame
        // lives.
        self.with(|nic, clock| unsafe { ffi::hpcap_bench_harvest(nic, clock, to, n) });
        self.clock.sec * 1_000_000_000 + self.clock.nsec
    }
}
