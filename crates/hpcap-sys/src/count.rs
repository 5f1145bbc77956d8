//! Counts of frames together with their bytes.

use std::ops::{Add, AddAssign, Sub};

use serde::Serialize;

/// A number of frames and their bytes on the wire (`len`, without FCS; 0 when only frames are
/// known).
///
/// This is `struct hpcap_count` of the C header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize)]
#[repr(C)]
pub struct Count {
    /// Number of frames.
    pub frames: u64,
    /// Sum of the frames' lengths on the wire.
    pub bytes: u64,
}

impl Count {
    /// A count of `frames` frames with `bytes` bytes in total.
    #[must_use]
    pub const fn new(frames: u64, bytes: u64) -> Self {
        Self { frames, bytes }
    }

    /// Whether both numbers are zero.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }
}

impl Add for Count {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        Self::new(
            self.frames.wrapping_add(o.frames),
            self.bytes.wrapping_add(o.bytes),
        )
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, o: Self) {
        *self = *self + o;
    }
}

impl Sub for Count {
    type Output = Self;
    /// The increase between two snapshots of a counter that only grows; never negative.
    fn sub(self, o: Self) -> Self {
        Self::new(
            self.frames.saturating_sub(o.frames),
            self.bytes.saturating_sub(o.bytes),
        )
    }
}
