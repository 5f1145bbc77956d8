//! The packet buffer: where frames wait for descriptors.
//!
//! Datasheet, section 7.1.2. It is one first-in, first-out store in front of the rings: a frame
//! whose ring has no descriptor holds up those behind it, unless its ring drops (SRRCTL.DROP_EN).

use std::collections::VecDeque;

use super::rx::Arrival;

/// Frames that wait, each with what the NIC found out about it.
#[derive(Debug, Default)]
pub(super) struct PacketBuffer {
    frames: VecDeque<(Vec<u8>, Arrival)>,
    bytes: usize,
    /// `RXPBSIZE[0]`.
    size: usize,
    /// What a test may make smaller than any driver sets it.
    limit: Option<usize>,
}

impl PacketBuffer {
    pub(super) fn set_size(&mut self, bytes: usize) {
        self.size = bytes;
    }

    pub(super) fn set_limit(&mut self, bytes: Option<usize>) {
        self.limit = bytes;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Stores a frame if there is room.
    pub(super) fn push(&mut self, frame: &[u8], arrival: Arrival) -> bool {
        let size = self.limit.map_or(self.size, |limit| limit.min(self.size));
        if self.bytes + frame.len() > size {
            return false;
        }
        self.bytes += frame.len();
        self.frames.push_back((frame.to_vec(), arrival));
        true
    }

    /// The oldest frame.
    pub(super) fn front(&self) -> Option<(&[u8], &Arrival)> {
        self.frames
            .front()
            .map(|(frame, arrival)| (&frame[..], arrival))
    }

    /// The oldest frame has been dealt with.
    pub(super) fn pop(&mut self) {
        if let Some((frame, _)) = self.frames.pop_front() {
            self.bytes -= frame.len();
        }
    }

    /// Forgets all frames, and says which queues they were for.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = u16> {
        self.bytes = 0;
        std::mem::take(&mut self.frames)
            .into_iter()
            .map(|(_, arrival)| arrival.queue)
    }
}
