//! The ring in the memory of a listener.

use hpcap_ipc::memory::Mapping;

/// The ring, mapped twice in a row, so that no range of it wraps around.
#[derive(Debug)]
pub(super) struct Ring {
    pub(super) map: Mapping,
    pub(super) bytes: u64,
}

impl Ring {
    /// Returns `bytes` bytes of the stream from offset `off`, at most the size of the ring.
    pub(super) fn bytes(&self, off: u64, bytes: usize) -> &[u8] {
        assert!(
            bytes as u64 <= self.bytes,
            "{bytes} bytes of {}",
            self.bytes
        );
        #[expect(
            clippy::cast_possible_truncation,
            reason = "below the size of a mapping"
        )]
        let at = (off % self.bytes) as usize;
        // SAFETY: `at` is in the first copy of the ring and `bytes` is at most the size of the
        // ring, so the range is inside the double mapping. The range is published (callers stay
        // below `published`), and the producer does not write there while this listener holds it. A
        // listener that does not hold it (lossy, demoted, killed) only copies the bytes and checks
        // afterwards whether they were overwritten (`next_record`), or writes them elsewhere and
        // checks afterwards (`ack`).
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(at), bytes) }
    }
}
