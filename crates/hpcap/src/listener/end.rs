//! Where a listener starts and ends, as its producer fixed it.

use std::mem::offset_of;
use std::sync::atomic::Ordering;

use super::Listener;
use crate::abi::{self, hpcap_block, hpcap_moment, hpcap_slot};
use crate::ledger::{Ledger, Reason};
use crate::queue::LedgerSnapshot;

/// The ledger at a place of the stream. What is between two of them has, of captured frames and
/// of losses, their difference: in its frames and in its gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// The place: a stream offset.
    pub off: u64,
    /// Frames captured before it, the losses that gaps before it tell, and what was counted
    /// for the other reasons until then.
    pub ledger: Ledger,
    /// Frames longer than 65,535 bytes, stored cut.
    pub frames_cut: u64,
    /// Frames stored with another time than theirs.
    pub times_adjusted: u64,
}

impl From<&hpcap_moment> for Moment {
    fn from(m: &hpcap_moment) -> Self {
        Self {
            off: m.off,
            ledger: Ledger::from_counts(&m.ledger),
            frames_cut: m.frames_cut,
            times_adjusted: m.times_adjusted,
        }
    }
}

impl From<&LedgerSnapshot> for Moment {
    fn from(s: &LedgerSnapshot) -> Self {
        Self {
            off: s.published,
            ledger: s.ledger,
            frames_cut: s.frames_cut,
            times_adjusted: s.times_adjusted,
        }
    }
}

impl From<&hpcap_block> for Moment {
    fn from(b: &hpcap_block) -> Self {
        Self {
            off: b.first_off,
            ledger: Ledger::from_counts(&b.ledger),
            frames_cut: b.frames_cut,
            times_adjusted: b.times_adjusted,
        }
    }
}

/// The end of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct End {
    /// Where it ends, and everything that was counted until then.
    pub at: Moment,
    /// Losses among that which no gap before the end tells: the ring had no room for one.
    pub untold: Ledger,
    /// Whether it was killed: it holds nothing of the ring any more.
    pub killed: bool,
}

/// The losses that gaps tell.
pub const TOLD_LOSSES: [Reason; 3] = [Reason::RingFull, Reason::NicMissed, Reason::NicError];

impl Listener {
    /// Where it started.
    #[must_use]
    pub fn start(&self) -> &Moment {
        &self.start
    }

    /// Asks the producer to fix the end of this listener. Everything published until then can
    /// still be read; what comes later is not captured for it. [`Listener::end`] has the answer,
    /// a few milliseconds later where the producer lives.
    pub fn request_end(&self) {
        self.slot_u32(offset_of!(hpcap_slot, finish))
            .store(1, Ordering::Release);
    }

    /// The end, once it is fixed: it was asked for, the queue has ended, or the listener was
    /// killed.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        let ended = self.end_state()?;
        // SAFETY: inside the slot's page, aligned, and any bytes are a valid value. The producer
        // wrote both before `ended`, and does not change them any more.
        let (end, untold) = unsafe {
            let slot = self.slot.as_ptr().cast::<hpcap_slot>();
            (
                (&raw const (*slot).end).read_volatile(),
                (&raw const (*slot).untold).read_volatile(),
            )
        };
        Some(End {
            at: Moment::from(&end),
            untold: Ledger::from_counts(&untold),
            killed: ended == abi::HPCAP_SLOT_KILLED,
        })
    }

    /// How it ended: `HPCAP_SLOT_FINISHED` or `HPCAP_SLOT_KILLED`.
    pub(super) fn end_state(&self) -> Option<u32> {
        let ended = self
            .slot_u32(offset_of!(hpcap_slot, ended))
            .load(Ordering::Acquire);
        (ended != 0).then_some(ended)
    }

    /// Stream offset of the end; that of what is published where it is not fixed.
    pub(super) fn end_off(&self) -> Option<u64> {
        self.end_state()?;
        let at = offset_of!(hpcap_slot, end) + offset_of!(hpcap_moment, off);
        Some(self.slot_u64(at).load(Ordering::Relaxed))
    }

    /// The ledger as everything read so far tells it: that of the start, the frames and the gaps
    /// since, and what was skipped because the listener was overtaken.
    #[must_use]
    pub fn told(&self) -> &Ledger {
        &self.mark.told
    }
}
