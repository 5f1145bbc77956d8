//! Faults of a NIC that a driver must survive, injected on demand.

use std::collections::VecDeque;

/// A fault of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameFault {
    /// The last descriptor is done, but does not have the end-of-packet bit.
    WithoutEop,
    /// The last descriptor has these bits set in its status and error word, the third one (`RXE` is
    /// bit 29). The frame is in memory.
    Status(u32),
    /// The last descriptor has this length.
    Length(u16),
    /// The frame check sequence is wrong. The frame is counted (CRCERRS) and dropped, as a MAC
    /// does.
    Crc,
}

/// The descriptor error for a frame that was received damaged.
pub const RXE: u32 = 1 << 29;

/// The faults that are set on a NIC.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// While set, no descriptor is written back, and frames wait in the packet buffer until it is
    /// full.
    pub(super) stalled: bool,
    next: VecDeque<FrameFault>,
}

impl Faults {
    /// Returns the fault of the next frame, if it has one.
    pub(super) fn take(&mut self) -> Option<FrameFault> {
        self.next.pop_front()
    }

    /// Sets a fault for the first frame that has none yet and passes the filters.
    pub(super) fn add(&mut self, fault: FrameFault) {
        self.next.push_back(fault);
    }
}
