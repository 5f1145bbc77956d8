//! What a sender is asked for.

use std::time::Duration;

/// Bytes that a frame has on the wire beside those of [`Load::size`]: preamble (8), check sequence (4) and the gap between
/// frames (12); IEEE 802.3, clauses 3 and 4.
const WIRE_OVERHEAD_BYTES: u64 = 24;

/// Frames of one size at one rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Bytes of each frame, without its check sequence: 60 to 9,014.
    pub size: u16,
    /// Number of frames; at least 1.
    pub frames: u64,
    /// Frames a second; at least 1.
    pub pps: u64,
}

impl Load {
    /// The time that the frames take at their rate.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.frames as f64 / self.pps.max(1) as f64)
    }

    /// Bits a second on the wire, with preamble, check sequence and gap.
    #[must_use]
    pub fn bits_per_second(&self) -> u64 {
        (u64::from(self.size) + WIRE_OVERHEAD_BYTES)
            .saturating_mul(8)
            .saturating_mul(self.pps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smallest_frames_fill_ten_gigabits_at_fifteen_million() {
        let load = Load {
            size: 60,
            frames: 14_880_952,
            pps: 14_880_952,
        };
        assert_eq!(load.bits_per_second(), 9_999_999_744);
        assert_eq!(load.duration(), Duration::from_secs(1));
    }
}
