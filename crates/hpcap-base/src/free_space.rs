//! How much of a disk stays free.
//!
//! A recorder deletes its oldest files, or stops, before the disk has less room than this. A user writes the room as a
//! size or as a part of the disk.
//!
//! ```
//! use hpcap_base::free_space::FreeSpace;
//!
//! let tenth: FreeSpace = "10%".parse()?;
//! assert_eq!(tenth.bytes_of(500 << 30), 50 << 30);
//! assert!("100%".parse::<FreeSpace>().is_err());
//! # Ok::<(), hpcap_base::Error>(())
//! ```

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::units::{Bytes, parse_size};

/// Room that stays free on a disk of any size.
///
/// ```
/// use hpcap_base::free_space::FreeSpace;
///
/// let tenth: FreeSpace = "10%".parse()?;
/// assert_eq!(tenth.bytes_of(500 << 30), 50 << 30);
/// let fixed: FreeSpace = "20G".parse()?;
/// assert_eq!(fixed.bytes_of(500 << 30), 20 << 30);
/// # Ok::<(), hpcap_base::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreeSpace {
    /// This many bytes.
    Bytes(u64),
    /// This part of the disk, 1 to 99 per cent.
    Percent(u8),
}

impl FreeSpace {
    /// Returns the bytes that stay free on a disk of `disk` bytes.
    #[must_use]
    pub fn bytes_of(self, disk: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Percent(percent) => disk / 100 * u64::from(percent),
        }
    }
}

impl FromStr for FreeSpace {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some(percent) = text.strip_suffix('%') else {
            return parse_size(text).map(Self::Bytes);
        };
        let digits = percent.bytes().all(|b| b.is_ascii_digit());
        match percent.parse() {
            Ok(percent @ 1..=99) if digits => Ok(Self::Percent(percent)),
            _ => Err(Error::usage(
                format!("part of a disk {text:?}"),
                "expected 1% to 99%, or a size such as 20G",
            )),
        }
    }
}

impl fmt::Display for FreeSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => Bytes(*bytes).fmt(f),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_disk_are_whole_per_cents() {
        for (text, wanted) in [("1%", 1), ("99%", 99), ("05%", 5)] {
            assert_eq!(
                text.parse::<FreeSpace>().unwrap(),
                FreeSpace::Percent(wanted)
            );
        }
        for text in ["%", "0%", "100%", "+5%", "5.5%", "5 %", "-1%", "half"] {
            assert!(text.parse::<FreeSpace>().is_err(), "{text}");
        }
        // A huge disk does not overflow.
        assert!(FreeSpace::Percent(99).bytes_of(u64::MAX) < u64::MAX);
    }
}
