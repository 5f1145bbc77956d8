//! A receive ring: descriptors in the guest's memory, filled one after the other.
//!
//! Datasheet, section 7.1.6 (advanced descriptors). Legacy descriptors and header split are not
//! modelled: every descriptor is treated as an advanced one with one buffer, which is what ixgbe
//! and ixgbevf use.

use super::faults::FrameFault;
use super::registers::bits::{RXDCTL_ENABLE, RXDCTL_VME, SRRCTL_BSIZEPACKET, SRRCTL_DROP_EN};
use super::ring::DescriptorRing;
use crate::pci::memory::GuestMemory;

const STATUS_DD: u64 = 1 << 0;
const STATUS_EOP: u64 = 1 << 1;
const STATUS_VP: u64 = 1 << 3;
const LENGTH_SHIFT: u32 = 32;
const VLAN_SHIFT: u32 = 48;
const PACKET_TYPE_SHIFT: u32 = 4;
const HASH_SHIFT: u32 = 32;

/// Offset of the VLAN tag in a frame, and its size in bytes.
const TAG_AT: usize = 12;
const TAG: usize = 4;

/// What the NIC knows about a frame when the frame reaches a ring.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arrival {
    pub(super) queue: u16,
    pub(super) hash: u32,
    pub(super) rss_type: u8,
    pub(super) packet_type: u16,
    /// The tag of a tagged frame.
    pub(super) vlan: Option<u16>,
    pub(super) fault: Option<FrameFault>,
}

/// The error that a ring has too few descriptors for a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoDescriptors;

/// A receive ring with the settings of its registers.
#[derive(Debug, Clone, Default)]
pub(super) struct RxRing {
    pub(super) ring: DescriptorRing,
    /// Size of each buffer in bytes.
    buffer: usize,
    drops: bool,
    strips_vlan: bool,
}

impl RxRing {
    /// Resets the ring: it is off, and without memory.
    pub(super) fn reset(&mut self) {
        *self = Self {
            ring: self.ring.fresh(),
            ..Self::default()
        };
    }

    /// Applies RXDCTL.
    pub(super) fn set_control(&mut self, rxdctl: u32) {
        self.ring.set_enabled(rxdctl & RXDCTL_ENABLE != 0);
        self.strips_vlan = rxdctl & RXDCTL_VME != 0;
    }

    /// Applies SRRCTL.
    pub(super) fn set_buffers(&mut self, srrctl: u32) {
        self.buffer = (srrctl & SRRCTL_BSIZEPACKET) as usize * 1024;
        self.drops = srrctl & SRRCTL_DROP_EN != 0;
    }

    /// Returns whether frames without a descriptor are dropped rather than kept in the packet
    /// buffer.
    pub(super) fn drops(&self) -> bool {
        self.drops
    }

    /// Returns whether there are enough descriptors for a frame of `len` bytes.
    pub(super) fn has_room(&self, len: usize) -> bool {
        let free = self.ring.available() as usize;
        self.buffer != 0 && len.div_ceil(self.buffer).max(1) <= free
    }

    /// Writes a frame to memory, and writes its descriptors back.
    pub(super) fn deliver(
        &mut self,
        memory: &GuestMemory,
        frame: &[u8],
        arrival: &Arrival,
    ) -> Result<(), NoDescriptors> {
        let without_tag;
        let mut rest = frame;
        if self.strips_vlan && arrival.vlan.is_some() && frame.len() >= TAG_AT + TAG {
            without_tag = [&frame[..TAG_AT], &frame[TAG_AT + TAG..]].concat();
            rest = &without_tag;
        }
        if !self.has_room(rest.len()) {
            return Err(NoDescriptors);
        }
        loop {
            let (piece, more) = rest.split_at(rest.len().min(self.buffer));
            let at = self.ring.address();
            match memory
                .load(at)
                .and_then(|buffer| memory.write(buffer, piece))
            {
                Ok(()) => {}
                Err(_) => self.ring.dma_errors += 1,
            }
            let (low, high) = write_back(piece.len(), more.is_empty().then_some(arrival));
            // The second word, which has the status, is stored last with release order.
            if memory
                .store(at, low)
                .and_then(|()| memory.store(at + 8, high))
                .is_err()
            {
                self.ring.dma_errors += 1;
            }
            self.ring.advance();
            rest = more;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }
}

/// Returns the two words of a completed descriptor. Only the last descriptor of a frame has the
/// information on the frame.
fn write_back(len: usize, last: Option<&Arrival>) -> (u64, u64) {
    let mut high = STATUS_DD | (len as u64) << LENGTH_SHIFT;
    let Some(arrival) = last else {
        return (0, high);
    };
    let low = u64::from(arrival.rss_type)
        | u64::from(arrival.packet_type) << PACKET_TYPE_SHIFT
        | u64::from(arrival.hash) << HASH_SHIFT;
    high |= STATUS_EOP;
    if let Some(tag) = arrival.vlan {
        high |= STATUS_VP | u64::from(tag) << VLAN_SHIFT;
    }
    match arrival.fault {
        Some(FrameFault::WithoutEop) => high &= !STATUS_EOP,
        Some(FrameFault::Status(bits)) => high |= u64::from(bits),
        Some(FrameFault::Length(wrong)) => {
            high = high & !(0xFFFF << LENGTH_SHIFT) | u64::from(wrong) << LENGTH_SHIFT;
        }
        Some(FrameFault::Crc) | None => {}
    }
    (low, high)
}
