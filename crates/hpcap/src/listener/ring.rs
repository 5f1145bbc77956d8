//! The ring as a listener sees it.

use crate::memory::Mapping;

/// The ring, mapped twice.
#[derive(Debug)]
pub(super) struct Ring {
    pub(super) map: Mapping,
    pub(super) bytes: u64,
}

impl Ring {
    /// `bytes` bytes of the stream from offset `off`; at most a ring.
    pub(super) fn bytes(&self, off: u64, bytes: usize) -> &[u8] {
        assert!(
            bytes as u64 <= self.bytes,
            "{bytes} bytes of {}",
            self.bytes
        );
        #[allow(
            clippy::cast_possible_truncation,
            reason = "below the size of a mapping"
        )]
        let at = (off % self.bytes) as usize;
        // SAFETY: `at` is in the first copy of the ring and `bytes` at most a ring, so the range
        // is inside the double mapping. It is published (callers stay below `published`), and
        // the producer does not write there as long as this listener holds it. A listener that
        // does not hold it (lossy, demoted, killed) gets its bytes only to copy and to check
        // afterwards (`next_record`), or to write elsewhere and to check afterwards (`ack`).
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(at), bytes) }
    }
}
