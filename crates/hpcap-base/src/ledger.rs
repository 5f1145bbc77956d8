//! The ledger counts every frame that was on the wire by what became of it.
//!
//! `on the wire = captured + duplicate + filtered + no_listener + ring_full + nic_missed +
//! nic_error`. The names are the same in files, JSON, sysfs, Prometheus and documentation.
//!
//! A [`Ledger`] has a [`Count`] for each [`Reason`]: a number of frames, and their bytes on the wire without FCS. Where
//! the length of a lost frame is not known, it counts as 0 bytes. Counts only grow while a queue runs, so that the
//! difference of two ledgers ([`Ledger::since`]) counts the frames between them. Two reasons belong to one listener and
//! not to the queue: `overrun`, for what a lossy listener was too slow for, and `storage`, for what a recorder could
//! not write.
//!
//! ```
//! use hpcap_base::ledger::{Count, Ledger, Reason};
//!
//! let earlier = Ledger::default();
//! let mut now = earlier;
//! now[Reason::Captured] += Count::new(990, 990 * 60); // frames, bytes
//! now[Reason::RingFull] += Count::new(10, 10 * 60);
//!
//! let second = now.since(&earlier);
//! assert_eq!(second.on_the_wire().frames, 1000);
//! assert_eq!(second.lost(), Count::new(10, 600));
//! // What a filter rejects is not lost: the user wanted that.
//! assert!(Reason::RingFull.is_loss() && !Reason::Filtered.is_loss());
//! ```

use std::fmt;
use std::ops::{AddAssign, Index, IndexMut};

use serde::Serialize;
use serde::ser::SerializeMap;

use hpcap_sys::abi;

pub use hpcap_sys::Count;

/// The fate of a frame (`enum hpcap_reason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Reason {
    /// Stored in the ring.
    Captured = abi::HPCAP_CAPTURED,
    /// Removed because the frame is a copy of an earlier one.
    Duplicate = abi::HPCAP_DUPLICATE,
    /// Rejected by the filter.
    Filtered = abi::HPCAP_FILTERED,
    /// Not stored because no listener was attached.
    NoListener = abi::HPCAP_NO_LISTENER,
    /// Lost because a lossless listener held the ring back.
    RingFull = abi::HPCAP_RING_FULL,
    /// Lost in the NIC or the kernel, before the producer saw the frame.
    NicMissed = abi::HPCAP_NIC_MISSED,
    /// Received damaged, according to the NIC.
    NicError = abi::HPCAP_NIC_ERROR,
    /// Missed by one slow lossy listener (only in that listener's files).
    Overrun = abi::HPCAP_OVERRUN,
    /// Not written by one recorder, because of its storage (only in that recorder's files).
    Storage = abi::HPCAP_STORAGE,
}

impl Reason {
    /// All reasons, in the order of the ABI.
    pub const ALL: [Self; abi::HPCAP_REASONS] = [
        Self::Captured,
        Self::Duplicate,
        Self::Filtered,
        Self::NoListener,
        Self::RingFull,
        Self::NicMissed,
        Self::NicError,
        Self::Overrun,
        Self::Storage,
    ];

    /// The reasons that the ledger of a queue counts.
    #[must_use]
    pub fn ledger() -> &'static [Self] {
        &Self::ALL[..abi::HPCAP_LEDGER_REASONS]
    }

    /// The name of the reason, such as `ring_full`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Captured => "captured",
            Self::Duplicate => "duplicate",
            Self::Filtered => "filtered",
            Self::NoListener => "no_listener",
            Self::RingFull => "ring_full",
            Self::NicMissed => "nic_missed",
            Self::NicError => "nic_error",
            Self::Overrun => "overrun",
            Self::Storage => "storage",
        }
    }

    /// Whether the reason means that a frame was lost although the user wanted it.
    #[must_use]
    pub fn is_loss(self) -> bool {
        matches!(
            self,
            Self::RingFull | Self::NicMissed | Self::NicError | Self::Overrun | Self::Storage
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Counts of frames for every reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ledger {
    counts: [Count; abi::HPCAP_REASONS],
}

impl Ledger {
    /// Creates a ledger from counts in the order of the ABI; missing ones are zero.
    #[must_use]
    pub fn from_counts(counts: &[Count]) -> Self {
        let mut ledger = Self::default();
        for (to, from) in ledger.counts.iter_mut().zip(counts) {
            *to = *from;
        }
        ledger
    }

    /// The counts in the order of the ABI.
    #[must_use]
    pub fn counts(&self) -> &[Count; abi::HPCAP_REASONS] {
        &self.counts
    }

    /// Returns every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, Count)> + '_ {
        Reason::ALL.into_iter().map(|r| (r, self[r]))
    }

    /// Frames on the wire: the sum of the counts of the queue's reasons.
    #[must_use]
    pub fn on_the_wire(&self) -> Count {
        Reason::ledger()
            .iter()
            .fold(Count::default(), |sum, r| sum + self[*r])
    }

    /// Frames that were lost although the user wanted them ([`Reason::is_loss`]).
    #[must_use]
    pub fn lost(&self) -> Count {
        self.iter()
            .filter(|(r, _)| r.is_loss())
            .fold(Count::default(), |sum, (_, c)| sum + c)
    }

    /// Returns the difference to `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut d = Self::default();
        for r in Reason::ALL {
            d[r] = self[r] - earlier[r];
        }
        d
    }
}

impl Index<Reason> for Ledger {
    type Output = Count;
    fn index(&self, r: Reason) -> &Count {
        &self.counts[r as usize]
    }
}

impl IndexMut<Reason> for Ledger {
    fn index_mut(&mut self, r: Reason) -> &mut Count {
        &mut self.counts[r as usize]
    }
}

impl AddAssign<&Ledger> for Ledger {
    fn add_assign(&mut self, o: &Self) {
        for r in Reason::ALL {
            self[r] += o[r];
        }
    }
}

/// Serializes as `{"captured": {"frames": 1, "bytes": 60}, ...}`. The reasons of a queue are always
/// present, those of a single listener only when they are not zero.
impl Serialize for Ledger {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        for (reason, count) in self.iter() {
            if (reason as usize) < abi::HPCAP_LEDGER_REASONS || !count.is_zero() {
                map.serialize_entry(reason.name(), &count)?;
            }
        }
        map.end()
    }
}
