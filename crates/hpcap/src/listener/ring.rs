//! The ring in the memory of a listener.

use hpcap_ipc::memory::Mapping;

/// The ring, mapped twice in a row, so that no range of it wraps around.
#[derive(Debug)]
pub(super) struct Ring {
    pub(super) map: Mapping,
    pub(super) bytes: u64,
}

impl Ring {
    /// Returns the index in the first copy of the ring of the byte at stream offset `off`.
    #[inline]
    pub(super) fn index(&self, off: u64) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "below the size of a mapping"
        )]
        let index = (off % self.bytes) as usize;
        index
    }

    /// Returns `bytes` bytes of the stream from offset `off`, at most the size of the ring.
    pub(super) fn bytes(&self, off: u64, bytes: usize) -> &[u8] {
        self.bytes_at(self.index(off), bytes)
    }

    /// Returns `bytes` bytes, at most the size of the ring, from `index` on, which
    /// [`Ring::index`] has returned.
    #[inline]
    pub(super) fn bytes_at(&self, index: usize, bytes: usize) -> &[u8] {
        assert!(
            bytes as u64 <= self.bytes && (index as u64) < self.bytes,
            "{bytes} bytes of {} from {index}",
            self.bytes
        );
        // SAFETY: `index` is in the first copy of the ring and `bytes` is at most the size of the
        // ring, so the range is inside the double mapping. The range is published (callers stay
        // below `published`), and the producer does not write there while this listener holds it. A
        // listener that does not hold it (lossy, demoted, killed) only copies the bytes and checks
        // afterwards whether they were overwritten (`next_record`), or writes them elsewhere and
        // checks afterwards (`ack`).
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(index), bytes) }
    }
}
