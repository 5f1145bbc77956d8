//! A frame on its way into the ring.

use std::marker::PhantomData;

/// Largest number of frames in one harvest (`HPCAP_BATCH`).
pub const BATCH: usize = 256;

/// `HPCAP_FRAME_SENT` of `kmod/core/frame.h`.
const SENT: u32 = 1 << 0;

/// A frame in the form that the producer takes (`struct hpcap_frame` of `kmod/core/frame.h`).
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Frame<'a> {
    data: *const u8,
    /// Seconds since 1970. The producer limits the value to the 32 bits of a record.
    pub sec: u64,
    /// Nanoseconds past the second.
    pub nsec: u32,
    /// Number of bytes at `data`.
    caplen: u32,
    /// Bytes of the frame on the wire, without FCS.
    pub len: u32,
    hash: u32,
    flags: u32,
    unused: u32,
    lent: PhantomData<&'a [u8]>,
}

// SAFETY: a `Frame` consists of a shared slice of plain bytes and of numbers.
unsafe impl Send for Frame<'_> {}
// SAFETY: as for `Send`; nothing can be changed through a shared `Frame`.
unsafe impl Sync for Frame<'_> {}

impl<'a> Frame<'a> {
    /// `(field, offset, size)` of every field, for the comparison with the C header.
    pub const FIELDS: &'static [(&'static str, usize, usize)] = &[
        ("data", std::mem::offset_of!(Self, data), 8),
        ("sec", std::mem::offset_of!(Self, sec), 8),
        ("nsec", std::mem::offset_of!(Self, nsec), 4),
        ("caplen", std::mem::offset_of!(Self, caplen), 4),
        ("len", std::mem::offset_of!(Self, len), 4),
        ("hash", std::mem::offset_of!(Self, hash), 4),
        ("flags", std::mem::offset_of!(Self, flags), 4),
        ("unused", std::mem::offset_of!(Self, unused), 4),
    ];

    /// Creates a frame of `len` bytes on the wire, of which `data` (at most 4 GiB) was captured.
    #[must_use]
    pub fn new(data: &'a [u8], len: u32, sec: u64, nsec: u32) -> Self {
        Self {
            data: data.as_ptr(),
            sec,
            nsec,
            caplen: u32::try_from(data.len()).unwrap_or(u32::MAX),
            len,
            hash: 0,
            flags: 0,
            unused: 0,
            lent: PhantomData,
        }
    }

    /// Says that this machine sent the frame. The ring puts a tag before it ([`HPCAP_TAG_SENT`](crate::abi::HPCAP_TAG_SENT)).
    pub fn set_sent(&mut self) {
        self.flags |= SENT;
    }

    /// Whether this machine sent the frame. `false` if it received the frame, and if the source does not know.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        self.flags & SENT != 0
    }

    /// The captured bytes of the frame.
    #[must_use]
    pub fn data(&self) -> &'a [u8] {
        // SAFETY: `new`, or the C code that filled in this frame, took pointer and length from
        // bytes that live for `'a`, and the length only ever shrinks (`cut`).
        unsafe { std::slice::from_raw_parts(self.data, self.caplen as usize) }
    }

    /// Keeps at most the first `caplen` bytes.
    pub fn cut(&mut self, caplen: u32) {
        self.caplen = self.caplen.min(caplen);
    }

    /// Hash of the frame's flow as computed by the NIC; 0 = no hash.
    #[must_use]
    pub fn hash(&self) -> u32 {
        self.hash
    }
}
