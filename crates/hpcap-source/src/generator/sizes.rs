//! The lengths of generated frames.

use std::fmt;
use std::ops::RangeInclusive;

use super::super::options::number;

/// Shortest frame in bytes: an Ethernet header.
pub const SIZE_MIN: u32 = 14;
/// Longest frame in bytes, which is more than a record can hold, so that tests can send such
/// frames.
pub const SIZE_MAX: u32 = 131_072;

/// One round of the mix: seven frames of 60 bytes, four of 590 and one of 1514.
const IMIX: [u32; 12] = [60, 590, 60, 60, 590, 60, 1514, 60, 590, 60, 60, 590];

/// Lengths of frames, in bytes without FCS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sizes {
    /// `size=60`: all frames have this length.
    Fixed(u32),
    /// `size=imix`: frames of 60, 590 and 1514 bytes as 7 : 4 : 1, exact in any twelve successive
    /// frames. A VLAN tag makes each frame 4 bytes longer.
    Imix,
    /// `size=60-1514`: lengths in this range, equally likely and determined by the seed.
    Range(RangeInclusive<u32>),
}

impl Sizes {
    /// The values that a specification may have, for error messages.
    pub(super) const ALLOWED: &'static str =
        "a frame length in bytes without FCS from 14 to 131072, a range such as 60-1514, or imix";

    /// Parses a value; `None` if it is not [`ALLOWED`](Self::ALLOWED).
    pub(super) fn parse(text: &str) -> Option<Self> {
        let size = |text: &str| number(text).filter(|n| (SIZE_MIN..=SIZE_MAX).contains(n));
        if text == "imix" {
            return Some(Self::Imix);
        }
        match text.split_once('-') {
            None => Some(Self::Fixed(size(text)?)),
            Some((min, max)) => {
                let (min, max) = (size(min)?, size(max)?);
                (min <= max).then_some(Self::Range(min..=max))
            }
        }
    }

    /// Returns the length of frame `seq`.
    #[inline]
    pub(super) fn of(&self, seq: u64, seed: u64, tag_bytes: u32) -> u32 {
        match self {
            Self::Fixed(size) => *size,
            #[expect(clippy::cast_possible_truncation, reason = "below 12")]
            Self::Imix => IMIX[(seq % IMIX.len() as u64) as usize] + tag_bytes,
            Self::Range(range) => {
                let width = u64::from(range.end() - range.start()) + 1;
                // The high half of a product with 32 random bits is uniform, except for a bias
                // below 2^-15.
                let offset = (((mix(seed ^ mix(seq)) >> 32) * width) >> 32) as u32;
                range.start() + offset
            }
        }
    }

    /// Returns the longest length that [`of`](Self::of) can return.
    pub(super) fn max(&self, tag_bytes: u32) -> u32 {
        match self {
            Self::Fixed(size) => *size,
            Self::Imix => 1514 + tag_bytes,
            Self::Range(range) => *range.end(),
        }
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => size.fmt(f),
            Self::Imix => f.write_str("imix"),
            Self::Range(range) => write!(f, "{}-{}", range.start(), range.end()),
        }
    }
}

/// Maps numbers one to one to numbers that look random (the finalizer of SplitMix64, by Sebastiano
/// Vigna, public domain).
#[inline]
pub(super) const fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imix_is_exact_in_any_twelve_frames() {
        for start in [0u64, 5, 1_000_003] {
            let mut counts = [0; 3];
            for seq in start..start + 12 {
                match Sizes::Imix.of(seq, 7, 0) {
                    60 => counts[0] += 1,
                    590 => counts[1] += 1,
                    1514 => counts[2] += 1,
                    other => panic!("{other}"),
                }
            }
            assert_eq!(counts, [7, 4, 1]);
        }
        assert_eq!(Sizes::Imix.of(6, 0, 4), 1518);
    }

    #[test]
    fn range_is_covered_evenly() {
        let sizes = Sizes::parse("60-69").unwrap();
        let mut counts = [0u32; 10];
        for seq in 0..100_000 {
            counts[sizes.of(seq, 1, 0) as usize - 60] += 1;
        }
        assert!(
            counts.iter().all(|n| (9_000..11_000).contains(n)),
            "{counts:?}"
        );
        assert_eq!(Sizes::parse("99-99").unwrap().of(3, 1, 0), 99);
    }

    #[test]
    fn seed_decides_the_sizes() {
        let sizes = Sizes::parse("60-1514").unwrap();
        let run = |seed| {
            (0..50)
                .map(|seq| sizes.of(seq, seed, 0))
                .collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "", "13", "131073", "60-", "-60", "90-60", "IMIX", "6e1", "+60", "60-61-62",
        ] {
            assert_eq!(Sizes::parse(text), None, "{text}");
        }
    }
}
