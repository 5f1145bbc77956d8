//! Interrupt causes: from queues and events to MSI-X vectors.
//!
//! Datasheet, sections 7.3 and 8.2.3.5. In MSI-X mode, bit n of the queue causes is vector n. EITR
//! can be written but has no effect: a vector is masked from its message until the driver has
//! polled, which already bounds the rate.

use super::registers::bits::{
    EICR_OTHER_CLEARABLE, EICR_RTXQ, GPIE_EIAME, GPIE_OCD, IVAR_ALLOC, IVAR_ALLOC_VAL,
};
use crate::pci::interrupts::Msix;

/// Pending causes and their masks: queue causes (one for each vector) and all other causes.
#[derive(Debug, Clone, Default)]
pub(super) struct Causes {
    queues: u64,
    other: u32,
    /// Causes that were raised since their last message.
    due_queues: u64,
    due_other: u32,
    queues_enabled: u64,
    other_enabled: u32,
    queues_auto_masked: u64,
    other_auto_masked: u32,
    /// EIAC for the first 16 vectors. The other vectors have no such bit and always clear
    /// themselves.
    auto_cleared: u32,
    gpie: u32,
    misc: u32,
}

impl Causes {
    /// EICS: raises causes by number, for the hardware or the driver.
    pub(super) fn raise(&mut self, queues: u64, other: u32) {
        self.queues |= queues;
        self.due_queues |= queues;
        self.other |= other & !EICR_RTXQ;
        self.due_other |= other & !EICR_RTXQ;
    }

    /// Raises the cause of a queue, which the queue's byte of IVAR names.
    pub(super) fn raise_queue(&mut self, allocation: u8) {
        if allocation & IVAR_ALLOC_VAL != 0 {
            self.raise(1 << (allocation & IVAR_ALLOC), 0);
        }
    }

    /// Returns the value of EICR.
    pub(super) fn eicr(&self) -> u32 {
        self.queues as u32 & EICR_RTXQ | self.other
    }

    /// Reads and clears EICR. Where GPIE.OCD is set, reading clears only the causes that are not of
    /// queues.
    pub(super) fn read_eicr(&mut self) -> u32 {
        let value = self.eicr();
        match self.gpie & GPIE_OCD != 0 {
            true => self.clear(value & EICR_OTHER_CLEARABLE),
            false => self.clear(value),
        }
        value
    }

    /// Clears the bits that the driver writes to EICR.
    pub(super) fn clear(&mut self, bits: u32) {
        self.queues &= !u64::from(bits & EICR_RTXQ);
        self.due_queues &= self.queues;
        self.other &= !(bits & !EICR_RTXQ);
        self.due_other &= self.other;
    }

    /// Returns the value of EIMS.
    pub(super) fn eims(&self) -> u32 {
        self.queues_enabled as u32 & EICR_RTXQ | self.other_enabled
    }

    /// Returns the value of EIMS_EX.
    pub(super) fn eims_ex(&self, n: usize) -> u32 {
        (self.queues_enabled >> (32 * n)) as u32
    }

    /// Enables causes. A cause that is pending sends a message again.
    pub(super) fn enable(&mut self, queues: u64, other: u32) {
        self.due_queues |= self.queues & queues;
        self.queues_enabled |= queues;
        self.due_other |= self.other & other;
        self.other_enabled |= other & !EICR_RTXQ;
    }

    pub(super) fn disable(&mut self, queues: u64, other: u32) {
        self.queues_enabled &= !queues;
        self.other_enabled &= !other;
    }

    /// Sets EIAM, whose low bits are those of `EIAM_EX[0]`.
    pub(super) fn set_eiam(&mut self, value: u32) {
        self.queues_auto_masked &= !u64::from(EICR_RTXQ);
        self.queues_auto_masked |= u64::from(value & EICR_RTXQ);
        self.other_auto_masked = value & !EICR_RTXQ;
    }

    pub(super) fn eiam(&self) -> u32 {
        self.queues_auto_masked as u32 & EICR_RTXQ | self.other_auto_masked
    }

    pub(super) fn set_eiam_ex(&mut self, n: usize, value: u32) {
        self.queues_auto_masked &= !(0xFFFF_FFFF << (32 * n));
        self.queues_auto_masked |= u64::from(value) << (32 * n);
    }

    pub(super) fn eiam_ex(&self, n: usize) -> u32 {
        (self.queues_auto_masked >> (32 * n)) as u32
    }

    pub(super) fn set_eiac(&mut self, value: u32) {
        self.auto_cleared = value;
    }

    pub(super) fn set_gpie(&mut self, value: u32) {
        self.gpie = value;
    }

    /// Sets IVAR_MISC, whose second byte is the vector of all other causes.
    pub(super) fn set_ivar_misc(&mut self, value: u32) {
        self.misc = value;
    }

    /// Sends the interrupts that are pending and enabled.
    pub(super) fn fire(&mut self, msix: &mut Msix) {
        if !msix.is_enabled() {
            return;
        }
        let mut queues = self.due_queues & self.queues_enabled;
        self.due_queues &= !queues;
        self.queues &= !(queues & (u64::from(self.auto_cleared & EICR_RTXQ) | !0xFFFF));
        if self.gpie & GPIE_EIAME != 0 {
            self.queues_enabled &= !(queues & self.queues_auto_masked);
        }
        while queues != 0 {
            msix.fire(queues.trailing_zeros() as usize);
            queues &= queues - 1;
        }
        let other = self.due_other & self.other_enabled;
        let allocation = (self.misc >> 8) as u8;
        if other != 0 && allocation & IVAR_ALLOC_VAL != 0 {
            self.due_other &= !other;
            self.other &= !(other & self.auto_cleared);
            if self.gpie & GPIE_EIAME != 0 {
                self.other_enabled &= !(other & self.other_auto_masked);
            }
            msix.fire(usize::from(allocation & IVAR_ALLOC));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::registers::bits::EICR_LSC;
    use super::*;
    use crate::pci::interrupts::sent;

    /// Returns causes set up as ixgbe does it: vector n has data n.
    fn ixgbe() -> (Causes, Msix, impl Fn() -> Vec<u32>) {
        let (msix, sent) = sent::enabled(64);
        let mut causes = Causes::default();
        causes.set_gpie(GPIE_EIAME | GPIE_OCD);
        causes.set_eiam_ex(0, 0xFFFF_FFFF);
        causes.set_eiam_ex(1, 0xFFFF_FFFF);
        causes.set_eiac(0xFFFF);
        causes.set_ivar_misc(0x8300);
        causes.enable(!0, EICR_LSC);
        (causes, msix, sent)
    }

    #[test]
    fn queue_stays_masked_until_enabled() {
        let (mut causes, mut msix, sent) = ixgbe();
        causes.raise_queue(0x80 | 2);
        causes.fire(&mut msix);
        causes.raise_queue(0x80 | 2);
        causes.raise_queue(0x80 | 40);
        causes.raise_queue(5);
        causes.fire(&mut msix);
        assert_eq!(sent(), [2, 40], "2 once, 5 has no vector");
        causes.enable(1 << 2, 0);
        causes.fire(&mut msix);
        assert_eq!(sent(), [2], "what came meanwhile");
        causes.enable(1 << 2, 0);
        causes.fire(&mut msix);
        assert!(sent().is_empty(), "nothing new");
    }

    #[test]
    fn other_causes_stay_until_cleared() {
        let (mut causes, mut msix, sent) = ixgbe();
        causes.raise(0, EICR_LSC);
        causes.fire(&mut msix);
        causes.fire(&mut msix);
        assert_eq!(sent(), [3]);
        assert_eq!(causes.eicr(), EICR_LSC);
        causes.clear(EICR_LSC);
        causes.enable(0, EICR_LSC);
        causes.fire(&mut msix);
        assert!(sent().is_empty());
        causes.raise(1, EICR_LSC);
        assert_eq!(causes.read_eicr(), EICR_LSC | 1);
        assert_eq!(causes.read_eicr(), 1, "OCD: queues stay");
        causes.disable(1, 0);
        causes.fire(&mut msix);
        assert!(sent().is_empty());
        assert_eq!(causes.eims_ex(0), !1);
    }
}
