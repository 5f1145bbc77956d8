//! The packet buffer, in which frames wait for descriptors.
//!
//! Datasheet, section 7.1.2. It is one first-in, first-out store in front of the rings: a frame
//! whose ring has no descriptor holds up those behind it, unless its ring drops (SRRCTL.DROP_EN).

use std::collections::VecDeque;

use super::rx::Arrival;

/// Frames that wait, each with what the NIC knows about it.
#[derive(Debug, Default)]
pub(super) struct PacketBuffer {
    frames: VecDeque<(Vec<u8>, Arrival)>,
    bytes: usize,
    /// Size in bytes, from `RXPBSIZE[0]`.
    size: usize,
    /// Limit in bytes set by a test, to make the buffer smaller than the driver sets it.
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

    /// Returns the oldest frame.
    pub(super) fn front(&self) -> Option<(&[u8], &Arrival)> {
        self.frames
            .front()
            .map(|(frame, arrival)| (&frame[..], arrival))
    }

    /// Removes the oldest frame.
    pub(super) fn pop(&mut self) {
        if let Some((frame, _)) = self.frames.pop_front() {
            self.bytes -= frame.len();
        }
    }

    /// Removes all frames, and returns the queue of each.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = u16> {
        self.bytes = 0;
        std::mem::take(&mut self.frames)
            .into_iter()
            .map(|(_, arrival)| arrival.queue)
    }
}
