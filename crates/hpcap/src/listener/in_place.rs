//! Looks at frames where they are in the ring, whatever the contract of the listener is.

use std::marker::PhantomData;

use super::Listener;
use crate::abi::{self, hpcap_record};
use crate::ledger::{Count, Reason};

/// Bytes of a frame in the ring.
///
/// The ring does not wait for a lossy listener, so the producer may overwrite the bytes while they are
/// looked at. Each access therefore reads the memory once and returns a value, and no slice of the
/// memory is handed out. Whether the values were those of the frame is known only after the look.
#[derive(Debug, Clone, Copy)]
pub struct RingBytes<'a> {
    start: *const u8,
    len: usize,
    ring: PhantomData<&'a [u8]>,
}

impl<'a> From<&'a [u8]> for RingBytes<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self {
            start: bytes.as_ptr(),
            len: bytes.len(),
            ring: PhantomData,
        }
    }
}

impl<'a> RingBytes<'a> {
    /// Number of the bytes.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads `N` bytes from `at` on; `None` if there are fewer.
    #[must_use]
    #[inline]
    pub fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let end = at.checked_add(N)?;
        if end > self.len {
            return None;
        }
        // SAFETY: the range was checked, and the memory is mapped as long as 'a. Another process may
        // write it, hence the volatile read. An array of bytes has no alignment, and any bytes are
        // a valid value.
        Some(unsafe { self.start.add(at).cast::<[u8; N]>().read_volatile() })
    }

    /// Reads the byte at `at`.
    #[must_use]
    #[inline]
    pub fn u8(&self, at: usize) -> Option<u8> {
        self.array(at).map(u8::from_be_bytes)
    }

    /// Reads a number of 16 bits in the byte order of the network.
    #[must_use]
    #[inline]
    pub fn u16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    /// Reads a number of 32 bits in the byte order of the network.
    #[must_use]
    #[inline]
    pub fn u32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_be_bytes)
    }

    /// Appends the bytes to `out`, for a program that keeps a frame.
    pub fn copy_to(&self, out: &mut Vec<u8>) {
        let mut at = 0;
        while let Some(word) = self.array::<8>(at) {
            out.extend_from_slice(&word);
            at += word.len();
        }
        while let Some(byte) = self.u8(at) {
            out.push(byte);
            at += 1;
        }
    }

    /// The address of the first byte, for the interpreter of filters.
    #[cfg(feature = "filter")]
    pub(crate) fn as_ptr(&self) -> *const u8 {
        self.start
    }
}

/// A frame in the ring that was found but not yet consumed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FoundInPlace {
    off: u64,
    index: usize,
    /// Read once, and found whole afterwards.
    pub(crate) header: hpcap_record,
}

impl FoundInPlace {
    /// Stream offset of the record.
    pub(crate) fn offset(&self) -> u64 {
        self.off
    }

    fn bytes(&self) -> usize {
        abi::HPCAP_RECORD_BYTES + usize::from(self.header.caplen)
    }
}

impl Listener {
    /// Finds the next record if it is a whole frame, and copies nothing but its header. `None` means
    /// that [`Listener::fetch`] must find out what comes next.
    #[inline(always)]
    pub(crate) fn find_in_place(&mut self) -> Option<FoundInPlace> {
        let off = self.position;
        let mut available = self.readable.saturating_sub(off);
        if available < abi::HPCAP_RECORD_BYTES as u64 {
            self.readable = self.published();
            available = self.readable.saturating_sub(off);
        }
        if available < abi::HPCAP_RECORD_BYTES as u64 {
            return None;
        }
        let index = self.ring.index(off);
        let header = RingBytes::from(self.ring.bytes_at(index, abi::HPCAP_RECORD_BYTES));
        let header = hpcap_record::from_bytes(&header.array::<{ abi::HPCAP_RECORD_BYTES }>(0)?)?;
        let found = FoundInPlace { off, index, header };
        let is_whole = found.bytes() as u64 <= available && !header.is_padding();
        // The check comes after the header was read, so that its lengths are those of a frame.
        (is_whole && !self.is_overtaken(off)).then_some(found)
    }

    /// The bytes of the frame that [`Listener::find_in_place`] found.
    #[inline(always)]
    pub(crate) fn bytes_in_place(&self, found: &FoundInPlace) -> RingBytes<'_> {
        let record = self.ring.bytes_at(found.index, found.bytes());
        RingBytes::from(&record[abi::HPCAP_RECORD_BYTES..])
    }

    /// Consumes the frame that was looked at. Returns `false`, and consumes nothing, if the producer may have
    /// overwritten the frame meanwhile: then what the program saw may be wrong.
    #[inline(always)]
    pub(crate) fn take_in_place(&mut self, found: &FoundInPlace) -> bool {
        if self.is_overtaken(found.off) {
            return false;
        }
        self.position = found.off + found.bytes() as u64;
        self.mark.off = self.position;
        self.mark.told[Reason::Captured] += Count::new(1, u64::from(found.header.len));
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn ring_bytes_end_where_the_frame_ends() {
        let bytes = RingBytes::from(&[1, 2, 3, 4, 5][..]);
        assert_eq!((bytes.u8(4), bytes.u8(5)), (Some(5), None));
        assert_eq!((bytes.u16(3), bytes.u16(4)), (Some(0x0405), None));
        assert_eq!((bytes.u32(1), bytes.u32(2)), (Some(0x0203_0405), None));
        assert_eq!(bytes.array::<2>(usize::MAX), None);
        assert!(!bytes.is_empty() && RingBytes::from(&[][..]).is_empty());
    }

    #[test]
    fn ring_bytes_are_copied_whole() {
        for len in 0..40_u8 {
            let bytes: Vec<u8> = (0..len).collect();
            let mut copy = Vec::new();
            RingBytes::from(&bytes[..]).copy_to(&mut copy);
            assert_eq!(copy, bytes);
        }
    }
}
