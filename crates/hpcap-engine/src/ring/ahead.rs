//! Pages for the part of the ring that the producer writes next.
//!
//! The kernel puts a page under the memory of a ring when the page is first touched, and interrupts the producer for each page.
//! Pages that the producer asks for together cost less. The pages of the whole ring are not asked for at the start, because a ring
//! may never fill.

use std::sync::atomic::{AtomicU64, Ordering};

use super::memory::QueueMemory;

/// Bytes behind the published ones that have pages: more than most batches of frames need.
const LEAST: u64 = 512 << 10;
/// Bytes that get their pages together.
const STEP: u64 = 1 << 20;

/// How much of the ring has pages.
#[derive(Debug)]
pub(super) struct Ahead {
    /// Stream offset up to which it has.
    until: u64,
    /// Stream offset at which the ring begins to be used again.
    end: u64,
    ring_bytes: u64,
    step: u64,
}

impl Ahead {
    /// A ring of which nothing was touched.
    pub(super) fn of(memory: &QueueMemory) -> Self {
        // SAFETY: the page is mapped as long as `memory`, and nobody changes these fields any more.
        let (ring_bytes, page_bytes, start) = unsafe {
            let page = memory.queue_page();
            (
                (&raw const (*page).ring_bytes).read(),
                (&raw const (*page).page_bytes).read(),
                (&raw const (*page).start_off).read(),
            )
        };
        Self {
            until: start / page_bytes.max(1) * page_bytes,
            end: start.saturating_add(ring_bytes),
            ring_bytes,
            step: STEP.max(page_bytes),
        }
    }

    /// Asks for more pages if the producer comes near the end of those that it has.
    #[inline]
    pub(super) fn follow(&mut self, memory: &QueueMemory) {
        if self.until < self.end {
            self.extend(memory);
        }
    }

    fn extend(&mut self, memory: &QueueMemory) {
        // SAFETY: the word is aligned and mapped as long as `memory`; all processes access it with atomics.
        let published = unsafe {
            let word = &raw mut (*memory.queue_page()).published;
            AtomicU64::from_ptr(word).load(Ordering::Relaxed)
        };
        while self.until < self.end && self.until < published.saturating_add(LEAST) {
            let at = self.until % self.ring_bytes;
            let bytes = self
                .step
                .min(self.ring_bytes - at)
                .min(self.end - self.until);
            let range = usize::try_from(at).ok().zip(usize::try_from(bytes).ok());
            let done = range.is_some_and(|(at, bytes)| memory.populate(at, bytes));
            // Without this help, the ring gets its pages one by one.
            self.until = if done { self.until + bytes } else { self.end };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Producer;
    use super::super::memory::{Pages, QueueMemory};
    use hpcap::abi::HPCAP_QUEUE_LOOK_BACK;
    use hpcap_sys::Frame;

    /// Number of pages in memory of the first `bytes` bytes of the ring.
    fn pages_in_memory(producer: &Producer, bytes: usize) -> usize {
        let mut pages = vec![0_u8; bytes / 4096];
        let base = producer.memory().ring_base();
        // SAFETY: the range is inside the ring, and the kernel writes one byte for each of its pages.
        let result = unsafe { libc::mincore(base.cast(), bytes, pages.as_mut_ptr()) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
        pages.iter().filter(|page| **page & 1 != 0).count()
    }

    #[test]
    fn ring_has_pages_before_frames_come() {
        let ring = 4 << 20;
        let (mut memory, _) = QueueMemory::allocate(ring as u64, Pages::Ordinary).unwrap();
        // Frames are kept without a listener, too.
        memory.describe(|page| page.flags = HPCAP_QUEUE_LOOK_BACK);
        let mut producer = Producer::new(memory).unwrap();
        assert!(pages_in_memory(&producer, ring) < 128);
        producer.service(1, 1);
        let few = pages_in_memory(&producer, ring);
        assert_eq!(pages_in_memory(&producer, 512 << 10), 128);
        assert!(
            few < 1024,
            "{few}: the memory of the whole ring is not taken at once"
        );
        // Twice the ring, so that its end and its second use are included.
        let frames = [Frame::new(&[7; 1500], 1500, 1_700_000_000, 0); 10];
        for round in 0..600_u64 {
            producer.push(&frames);
            producer.service(round, 1_700_000_000_000_000_000 + round);
        }
        assert_eq!(pages_in_memory(&producer, ring), 1024);
    }
}
