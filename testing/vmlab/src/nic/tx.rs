//! A transmit ring, whose frames are sent at once.
//!
//! Datasheet, section 7.2.3. Segmentation (TSO) and checksum insertion are not modelled: a frame is
//! sent as it is in memory, padded, and with a VLAN tag if the driver requests one.

use super::registers::bits::TXDCTL_ENABLE;
use super::ring::DescriptorRing;
use crate::pci::memory::GuestMemory;

/// Shortest frame in bytes that a MAC sends, without FCS.
pub(super) const SHORTEST: usize = 60;
/// Largest size in bytes of one frame's chain of buffers, the limit of TSO.
const LONGEST: usize = 256 << 10;

// Bits of a descriptor's second word.
const EOP: u64 = 1 << 24;
const RS: u64 = 1 << 27;
const DEXT: u64 = 1 << 29;
const VLE: u64 = 1 << 30;
const DTYP_SHIFT: u32 = 20;
const DTYP_CONTEXT: u64 = 2;
const IDX_SHIFT: u32 = 36;
const DD: u64 = 1 << 32;
/// Position of the tag in a legacy descriptor.
const LEGACY_VLAN_SHIFT: u32 = 48;
/// Position of the tag in the first word of a context descriptor.
const CONTEXT_VLAN_SHIFT: u32 = 16;

/// A transmit ring with the settings of its registers.
#[derive(Debug, Clone, Default)]
pub(super) struct TxRing {
    pub(super) ring: DescriptorRing,
    /// The VLAN tags of the context descriptors.
    contexts: [u16; 8],
    /// The beginning of a frame that continues in the next descriptor.
    frame: Vec<u8>,
}

impl TxRing {
    /// Resets the ring: it is off, and without memory.
    pub(super) fn reset(&mut self) {
        *self = Self {
            ring: self.ring.fresh(),
            ..Self::default()
        };
    }

    /// Applies TXDCTL.
    pub(super) fn set_control(&mut self, txdctl: u32) {
        self.ring.set_enabled(txdctl & TXDCTL_ENABLE != 0);
    }

    /// Sends everything up to the tail. Returns whether the driver requested a report.
    pub(super) fn run(&mut self, memory: &GuestMemory, mut send: impl FnMut(&[u8])) -> bool {
        let mut report = false;
        if !self.ring.is_enabled() {
            return report;
        }
        for _ in 0..self.ring.available() {
            let at = self.ring.address();
            match (memory.load(at), memory.load(at + 8)) {
                (Ok(low), Ok(high)) => {
                    self.descriptor(memory, low, high, &mut send);
                    if high & RS != 0 {
                        report = true;
                        let _ = memory.store(at + 8, DD);
                    }
                }
                _ => self.ring.dma_errors += 1,
            }
            self.ring.advance();
        }
        report
    }

    fn descriptor(
        &mut self,
        memory: &GuestMemory,
        low: u64,
        high: u64,
        send: &mut impl FnMut(&[u8]),
    ) {
        let advanced = high & DEXT != 0;
        let context = (high >> IDX_SHIFT) as usize & 7;
        if advanced && high >> DTYP_SHIFT & 0xF == DTYP_CONTEXT {
            self.contexts[context] = (low >> CONTEXT_VLAN_SHIFT) as u16;
            return;
        }
        let start = self.frame.len();
        let bytes = (high & 0xFFFF) as usize;
        if start + bytes <= LONGEST {
            self.frame.resize(start + bytes, 0);
            if memory.read(low, &mut self.frame[start..]).is_err() {
                self.ring.dma_errors += 1;
            }
        }
        if high & EOP == 0 {
            return;
        }
        if high & VLE != 0 && self.frame.len() >= 12 {
            let tag = match advanced {
                true => self.contexts[context],
                false => (high >> LEGACY_VLAN_SHIFT) as u16,
            };
            let [first, second] = tag.to_be_bytes();
            self.frame.splice(12..12, [0x81, 0x00, first, second]);
        }
        if self.frame.len() < SHORTEST {
            self.frame.resize(SHORTEST, 0);
        }
        send(&self.frame);
        self.frame.clear();
    }
}
