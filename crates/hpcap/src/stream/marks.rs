//! What the records before a frame say about it.

use super::event::Frame;
use super::in_place::RingFrame;
use crate::raw::{Altered, Record};
use crate::time::Timestamp;

/// The marks of the next frame: that it is a duplicate, that this machine sent it, and the length and time with which it was
/// received if a record cannot hold them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Marks {
    is_duplicate: bool,
    is_sent: bool,
    altered: Option<Altered>,
}

impl Marks {
    pub(super) fn duplicate(&mut self) {
        self.is_duplicate = true;
    }

    pub(super) fn sent(&mut self) {
        self.is_sent = true;
    }

    pub(super) fn altered(&mut self, altered: Altered) {
        self.altered = Some(altered);
    }

    /// Returns the frame of `record`, with the marks applied.
    #[inline]
    pub(super) fn frame<'a>(&self, record: &Record<'a>, link_type: u32) -> Frame<'a> {
        let mut frame = Frame::of(record, link_type);
        frame.is_duplicate = self.is_duplicate;
        frame.is_sent = self.is_sent;
        if let Some(altered) = self.altered {
            frame.len = altered.len;
            frame.time = timestamp(altered.sec, altered.nsec);
        }
        frame
    }

    /// Applies the marks to `frame`.
    pub(super) fn apply(&self, frame: &mut RingFrame<'_>) {
        frame.is_duplicate = self.is_duplicate;
        frame.is_sent = self.is_sent;
        if let Some(altered) = self.altered {
            frame.len = altered.len;
            frame.time = timestamp(altered.sec, altered.nsec);
        }
    }
}

/// Returns a time, at most the latest one that a [`Timestamp`] can hold, in the year 2554.
pub(super) fn timestamp(sec: u64, nsec: u32) -> Timestamp {
    Timestamp::from_ns(
        sec.saturating_mul(1_000_000_000)
            .saturating_add(nsec.into()),
    )
}
