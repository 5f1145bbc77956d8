//! Times in pcapng, whose units each interface defines.

/// The unit and the offset of an interface's times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// `if_tsresol`: units of 10⁻ⁿ s, or of 2⁻ⁿ s when the highest bit is set.
    pub(super) resolution: u8,
    /// `if_tsoffset`: seconds to add to each time.
    pub(super) offset: i64,
}

impl Clock {
    /// Converts a time to seconds since 1970 and nanoseconds; times before 1970 become second 0.
    pub(super) fn time(self, units: u64) -> (u64, u32) {
        let units = u128::from(units);
        let power = u32::from(self.resolution & 0x7f);
        let per_second = if self.resolution & 0x80 != 0 {
            1_u128.checked_shl(power)
        } else {
            10_u128.checked_pow(power)
        };
        // The units are so small that 64 bits of them do not make one nanosecond.
        let per_second = per_second.unwrap_or(u128::MAX);
        let sec = u64::try_from(units / per_second).unwrap_or(u64::MAX);
        let rest = units % per_second;
        let nsec = if per_second <= u128::from(u64::MAX) {
            u32::try_from(rest * 1_000_000_000 / per_second).unwrap_or(0)
        } else {
            u32::try_from(rest / (per_second / 1_000_000_000)).unwrap_or(0)
        };
        (
            sec.saturating_add_signed(self.offset),
            nsec.min(999_999_999),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(resolution: u8, offset: i64, units: u64) -> (u64, u32) {
        Clock { resolution, offset }.time(units)
    }

    #[test]
    fn resolutions_of_ten_and_of_two() {
        assert_eq!(time(6, 0, 1_000_002), (1, 2000));
        assert_eq!(time(9, 0, 1_000_000_002), (1, 2));
        assert_eq!(time(0, 0, 7), (7, 0));
        assert_eq!(time(12, 0, 1_000_000_002_999), (1, 2));
        assert_eq!(time(0x80 | 10, 0, 1024 + 512), (1, 500_000_000));
        assert_eq!(time(0x80 | 64, 0, u64::MAX), (0, 999_999_999));
        for resolution in 0..=u8::MAX {
            let (_, nsec) = time(resolution, 0, u64::MAX);
            assert!(nsec < 1_000_000_000);
        }
    }

    #[test]
    fn offsets_move_whole_seconds() {
        assert_eq!(time(6, 100, 1_000_002), (101, 2000));
        assert_eq!(time(6, -1, 1_000_002), (0, 2000));
        assert_eq!(time(6, i64::MIN, 5_000_000).0, 0);
        assert_eq!(time(0, i64::MAX, u64::MAX).0, u64::MAX);
    }
}
