//! Start and end of a listener, as its producer fixed them.

use std::mem::offset_of;
use std::sync::atomic::Ordering;

use super::Listener;
use crate::abi::{self, hpcap_block, hpcap_moment, hpcap_slot};
use crate::ledger::{Ledger, Reason};
use crate::queue::LedgerSnapshot;

/// The ledger at a position of the stream. The difference of two moments is the time and the losses between them:
/// captured frames as records, and losses as gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// The position, as a stream offset.
    pub off: u64,
    /// Frames captured before the position, losses reported by gaps before it, and the counts of
    /// the other reasons until that time.
    pub ledger: Ledger,
    /// Frames longer than 65,535 bytes, whose stored data is cut.
    pub frames_cut: u64,
    /// Frames stored with an adjusted time, because a record cannot hold the original one.
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
    /// The position of the end, and everything counted until then.
    pub at: Moment,
    /// Losses in `at` that no gap before the end reports, because the ring had no space for the
    /// gap.
    pub untold: Ledger,
    /// Whether the listener was killed; it then no longer holds the ring back.
    pub killed: bool,
}

/// The losses that gaps report.
pub const TOLD_LOSSES: [Reason; 3] = [Reason::RingFull, Reason::NicMissed, Reason::NicError];

impl Listener {
    /// The position at which the listener started.
    #[must_use]
    pub fn start(&self) -> &Moment {
        &self.start
    }

    /// Asks the producer to fix the end of this listener. Everything published until then can still
    /// be read; later frames are not captured for this listener. A running producer takes a few
    /// milliseconds, after which [`Listener::end`] returns the end.
    pub fn request_end(&self) {
        self.slot_u32(offset_of!(hpcap_slot, finish))
            .store(1, Ordering::Release);
    }

    /// The end, once the producer has fixed it: because it was requested, the queue ended, or the
    /// listener was killed.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        let ended = self.end_state()?;
        // SAFETY: both fields are inside the slot's page and aligned, and any bytes are a valid
        // value. The producer wrote both before `ended` and does not change them afterwards.
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

    /// How the listener ended: `HPCAP_SLOT_FINISHED` or `HPCAP_SLOT_KILLED`; `None` while it runs.
    pub(super) fn end_state(&self) -> Option<u32> {
        let ended = self
            .slot_u32(offset_of!(hpcap_slot, ended))
            .load(Ordering::Acquire);
        (ended != 0).then_some(ended)
    }

    /// Stream offset of the end; `None` while it is not fixed.
    pub(super) fn end_off(&self) -> Option<u64> {
        self.end_state()?;
        let at = offset_of!(hpcap_slot, end) + offset_of!(hpcap_moment, off);
        Some(self.slot_u64(at).load(Ordering::Relaxed))
    }

    /// The ledger according to the stream read so far: the ledger at the start, the frames and gaps
    /// since then, and everything skipped when the listener was overtaken.
    #[must_use]
    pub fn told(&self) -> &Ledger {
        &self.mark.told
    }
}
