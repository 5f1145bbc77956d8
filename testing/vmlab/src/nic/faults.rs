//! Faults on demand: what a NIC may do that a driver must survive.

use std::collections::VecDeque;

/// What is wrong with one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameFault {
    /// Its last descriptor is done, but does not say that it ends the frame.
    WithoutEop,
    /// Its last descriptor has these bits set among status and errors, its third word
    /// (`RXE` is bit 29). The frame is in memory.
    Status(u32),
    /// Its last descriptor says this length.
    Length(u16),
    /// Its check sequence is wrong: counted (CRCERRS) and dropped, as a MAC does.
    Crc,
}

/// The descriptor error for a frame that was received damaged.
pub const RXE: u32 = 1 << 29;

/// The faults that are set on a NIC.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// No descriptor is written back. Frames wait in the packet buffer until it is full.
    pub(super) stalled: bool,
    next: VecDeque<FrameFault>,
}

impl Faults {
    /// The fault that the next frame has; without one, none.
    pub(super) fn take(&mut self) -> Option<FrameFault> {
        self.next.pop_front()
    }

    /// Sets a fault for the first frame that has none yet and passes the filters.
    pub(super) fn add(&mut self, fault: FrameFault) {
        self.next.push_back(fault);
    }
}
