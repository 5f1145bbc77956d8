//! A ring of descriptors in the guest's memory: the common part of reception and transmission.
//!
//! Datasheet, sections 8.2.3.8 and 8.2.3.9. Head and tail are equal when the NIC has no descriptor.

/// Size of a descriptor in bytes.
const DESCRIPTOR: u64 = 16;

/// A ring with the settings of its registers.
#[derive(Debug, Clone, Default)]
pub(super) struct DescriptorRing {
    base: u64,
    /// Number of descriptors.
    size: u32,
    head: u32,
    tail: u32,
    enabled: bool,
    /// Number of accesses to addresses without memory. On a real bus they have no effect either.
    pub(super) dma_errors: u64,
}

impl DescriptorRing {
    /// Returns the ring after a reset: off, and without memory.
    pub(super) fn fresh(&self) -> Self {
        Self {
            dma_errors: self.dma_errors,
            ..Self::default()
        }
    }

    /// Sets the base address: RDBAL and RDBAH, or TDBAL and TDBAH.
    pub(super) fn set_base(&mut self, low: u32, high: u32) {
        self.base = u64::from(high) << 32 | u64::from(low & !0x7F);
    }

    /// Sets the length in bytes: RDLEN or TDLEN.
    pub(super) fn set_bytes(&mut self, bytes: u32) {
        self.size = (bytes & 0xF_FF80) / DESCRIPTOR as u32;
    }

    /// Sets RDH or TDH.
    pub(super) fn set_head(&mut self, head: u32) {
        self.head = head & 0xFFFF;
    }

    /// Returns RDH or TDH.
    pub(super) fn head(&self) -> u32 {
        self.head
    }

    /// Sets RDT or TDT.
    pub(super) fn set_tail(&mut self, tail: u32) {
        self.tail = tail & 0xFFFF;
    }

    pub(super) fn set_enabled(&mut self, enabled: bool) {
        self.enabled = enabled;
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Returns the number of descriptors that the NIC may use; 0 if the registers are inconsistent.
    pub(super) fn available(&self) -> u32 {
        if self.head >= self.size || self.tail >= self.size {
            return 0;
        }
        (self.tail + self.size - self.head) % self.size
    }

    /// Returns the address of the descriptor at the head.
    pub(super) fn address(&self) -> u64 {
        self.base + u64::from(self.head) * DESCRIPTOR
    }

    /// Moves the head to the next descriptor.
    pub(super) fn advance(&mut self) {
        self.head = if self.head + 1 == self.size {
            0
        } else {
            self.head + 1
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_counts_descriptors_past_its_end() {
        let mut ring = DescriptorRing::default();
        assert_eq!(ring.available(), 0, "without memory");
        ring.set_base(0x1000 | 0x7F, 1);
        ring.set_bytes(8 * 16);
        ring.set_head(6);
        ring.set_tail(1);
        assert_eq!(ring.available(), 3);
        let addresses = [6, 7, 0].map(|n| 0x1_0000_1000 + 16 * n);
        for (left, address) in [3, 2, 1].into_iter().zip(addresses) {
            assert_eq!((ring.available(), ring.address()), (left, address));
            ring.advance();
        }
        assert_eq!((ring.available(), ring.head()), (0, 1));
        for (head, tail) in [(8, 0), (0, 8)] {
            ring.set_head(head);
            ring.set_tail(tail);
            assert_eq!(ring.available(), 0, "{head} to {tail} of 8");
        }
    }

    #[test]
    fn reset_keeps_counters() {
        let mut ring = DescriptorRing::default();
        ring.set_bytes(8 * 16);
        ring.set_tail(3);
        ring.set_enabled(true);
        ring.dma_errors = 5;
        let ring = ring.fresh();
        assert!(!ring.is_enabled());
        assert_eq!((ring.available(), ring.dma_errors), (0, 5));
    }
}
