//! Interrupt causes of a virtual function: three vectors with one bit each.
//!
//! Datasheet, section 8.3. When a vector fires, it is masked if VTEIAM has its bit, and its cause
//! is cleared if VTEIAC has its bit. Enabling a pending cause fires its vector again.

use crate::nic::registers::bits::{IVAR_ALLOC, IVAR_ALLOC_VAL};
use crate::pci::interrupts::Msix;

/// Number of vectors.
pub(super) const VECTORS: u16 = 3;
const ALL: u32 = (1 << VECTORS) - 1;

#[derive(Debug, Clone, Default)]
pub(super) struct Causes {
    pending: u32,
    /// Causes that were raised since their last message.
    due: u32,
    pub(super) enabled: u32,
    pub(super) auto_masked: u32,
    pub(super) auto_cleared: u32,
}

impl Causes {
    /// VTEICS: raises causes.
    pub(super) fn raise(&mut self, causes: u32) {
        self.pending |= causes & ALL;
        self.due |= causes & ALL;
    }

    /// Raises the cause of a queue or of the mailbox, which its byte of VTIVAR names.
    pub(super) fn raise_by(&mut self, allocation: u8) {
        if allocation & IVAR_ALLOC_VAL != 0 {
            self.raise(1 << (allocation & IVAR_ALLOC & 3));
        }
    }

    /// Reads VTEICR, which clears it.
    pub(super) fn take(&mut self) -> u32 {
        self.due = 0;
        std::mem::take(&mut self.pending)
    }

    /// Clears the bits that the driver writes to VTEICR.
    pub(super) fn clear(&mut self, causes: u32) {
        self.pending &= !causes;
        self.due &= self.pending;
    }

    /// VTEIMS: enables causes.
    pub(super) fn enable(&mut self, causes: u32) {
        self.due |= self.pending & causes;
        self.enabled |= causes & ALL;
    }

    /// VTEIMC: disables causes.
    pub(super) fn disable(&mut self, causes: u32) {
        self.enabled &= !causes;
    }

    /// Sends the interrupts that are pending and enabled.
    pub(super) fn fire(&mut self, msix: &mut Msix) {
        if !msix.is_enabled() {
            return;
        }
        let now = self.due & self.enabled;
        self.due &= !now;
        self.pending &= !(now & self.auto_cleared);
        self.enabled &= !(now & self.auto_masked);
        for vector in (0..usize::from(VECTORS)).filter(|n| now & 1 << n != 0) {
            msix.fire(vector);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pci::interrupts::sent;

    /// Returns causes set up as ixgbevf does it.
    fn ixgbevf() -> (Causes, Msix, impl Fn() -> Vec<u32>) {
        let (msix, sent) = sent::enabled(VECTORS);
        let mut causes = Causes {
            auto_masked: 0b11,
            auto_cleared: 0b11,
            ..Causes::default()
        };
        causes.enable(0b11);
        (causes, msix, sent)
    }

    #[test]
    fn vector_stays_silent_until_enabled() {
        let (mut causes, mut msix, sent) = ixgbevf();
        causes.raise_by(0x80);
        causes.raise_by(0x81);
        causes.raise_by(2);
        causes.fire(&mut msix);
        assert_eq!(sent(), [0, 1]);
        causes.raise_by(0x80);
        causes.fire(&mut msix);
        assert!(sent().is_empty());
        causes.enable(1);
        causes.fire(&mut msix);
        assert_eq!(sent(), [0], "what came meanwhile");
        causes.enable(1);
        causes.fire(&mut msix);
        assert!(sent().is_empty(), "nothing new");
    }

    #[test]
    fn cleared_cause_raises_no_interrupt() {
        let (mut causes, mut msix, sent) = ixgbevf();
        causes.disable(0b111);
        causes.raise(0b111);
        assert_eq!(causes.take(), 0b111);
        causes.raise(0b101);
        causes.clear(0b001);
        causes.enable(0b111);
        causes.fire(&mut msix);
        assert_eq!(sent(), [2]);
    }
}
