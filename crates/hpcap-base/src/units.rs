//! Sizes, rates and durations as people write and read them.
//!
//! Sizes in memory and on disk have 1024-based units (`64M`, `64MiB`), unless the unit says otherwise
//! (`64MB`). Rates are 1000-based, as network equipment counts: bits a second, or frames a second.
//! Bits on a link are counted as in the data sheets of networks, with preamble, FCS and the gap between
//! frames. What a program prints with these types, people can type back, but it is rounded.
//!
//! ```
//! use hpcap_base::units::{Bytes, Rate, Si, parse_duration, parse_rate, parse_size};
//! use std::time::Duration;
//!
//! assert_eq!(parse_size("1.5G")?, 3 << 29);
//! assert_eq!(parse_size("2GB")?, 2_000_000_000);
//! assert_eq!(parse_duration("1h30m")?, Duration::from_secs(5400));
//! assert_eq!(parse_rate("10G")?, Rate::BitsPerSecond(10_000_000_000));
//! assert_eq!(Bytes(3 << 29).to_string(), "1.50 GiB");
//! assert_eq!(format!("{}pps", Si(14_880_952.0)), "14.9 Mpps");
//! // In 1h30, the 30 could mean minutes or seconds.
//! assert!(parse_duration("1h30").is_err());
//! # Ok::<(), hpcap_base::Error>(())
//! ```

use std::fmt;
use std::time::Duration;

use crate::error::{Error, Result};

const SIZE_HELP: &str = "expected bytes with an optional K, M, G or T (1024-based; KB, MB, GB, TB are 1000-based), such as 64M or 1.5G";
const RATE_HELP: &str =
    "expected bits or frames per second, such as 10G, 500M, 2.5Gb/s, 14.88Mpps or 1000pps";
const DURATION_HELP: &str =
    "expected a time such as 10s, 500ms, 5m, 2h, 1d, 1w or 1h30m (no unit: seconds)";

/// Splits `1.5G` into `1.5` and `G`.
fn split_number(text: &str) -> Option<(f64, &str)> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.is_empty() || number.starts_with('.') || number.ends_with('.') {
        return None;
    }
    Some((number.parse().ok()?, unit.trim()))
}

/// Returns `number * factor` as an integer if it fits into 64 bits; exact for integers in `text`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked"
)]
fn scaled(text: &str, number: f64, factor: u64) -> Option<u64> {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    if !text[digits.len()..].starts_with('.') {
        return digits.parse::<u64>().ok()?.checked_mul(factor);
    }
    let product = (number * factor as f64).round();
    (product < u64::MAX as f64).then_some(product as u64)
}

/// Parses a size in bytes: `4096`, `64K`, `2M`, `1.5G`, `1T`, `2GiB`; `2GB` is 2·10⁹.
///
/// # Errors
/// Returns [`Kind::Usage`](crate::Kind::Usage) for any other text, or for more than 64 bits.
pub fn parse_size(text: &str) -> Result<u64> {
    let bad = || Error::usage(format!("size {text:?}"), SIZE_HELP);
    let (number, unit) = split_number(text).ok_or_else(bad)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(bad()),
    };
    scaled(text, number, factor).ok_or_else(bad)
}

/// Parses a captured length: bytes stored of each frame, 0 for whole frames.
///
/// A length beyond that of a record also means whole frames: users of tcpdump and dumpcap write
/// 262144 for that.
///
/// # Errors
/// Returns [`Kind::Usage`](crate::Kind::Usage) for anything but a number.
pub fn parse_caplen(text: &str) -> Result<u32> {
    let bytes: u64 = text.parse().map_err(|_| {
        Error::usage(
            format!("captured length {text:?}"),
            "expected bytes of each frame to keep, such as 128; 0 keeps whole frames",
        )
    })?;
    Ok(u32::from(u16::try_from(bytes).unwrap_or(0)))
}

/// A rate of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// Bits per second on an Ethernet link, where preamble, FCS and gap add 24 bytes to each frame.
    BitsPerSecond(u64),
    /// Frames per second.
    FramesPerSecond(u64),
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BitsPerSecond(n) => write!(f, "{}b/s", Si(*n as f64)),
            Self::FramesPerSecond(n) => write!(f, "{}pps", Si(*n as f64)),
        }
    }
}

/// Parses a rate: `10G`, `500M`, `2.5Gb/s`, `10Gbps` (bits, 1000-based), `1000pps`, `14.88Mpps`.
///
/// # Errors
/// Returns [`Kind::Usage`](crate::Kind::Usage) for any other text, or for zero.
pub fn parse_rate(text: &str) -> Result<Rate> {
    let bad = || Error::usage(format!("rate {text:?}"), RATE_HELP);
    let (number, unit) = split_number(text).ok_or_else(bad)?;
    let unit = unit.to_ascii_lowercase();
    let (prefix, frames) = if let Some(p) = unit.strip_suffix("pps") {
        (p, true)
    } else {
        let p = ["bit/s", "bps", "b/s"]
            .iter()
            .find_map(|s| unit.strip_suffix(s));
        (p.unwrap_or(&unit), false)
    };
    let factor = match prefix {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        "t" => 1_000_000_000_000,
        _ => return Err(bad()),
    };
    match scaled(text, number, factor) {
        None | Some(0) => Err(bad()),
        Some(n) if frames => Ok(Rate::FramesPerSecond(n)),
        Some(n) => Ok(Rate::BitsPerSecond(n)),
    }
}

/// Parses a duration: `10s`, `500ms`, `10us`, `5m`, `2h`, `1d`, `1w`, `1.5s`, or several of them in
/// a row, such as `1h30m`. A number without a unit means seconds.
///
/// # Errors
/// Returns [`Kind::Usage`](crate::Kind::Usage) for any other text, or for more than 64 bits of
/// nanoseconds.
pub fn parse_duration(text: &str) -> Result<Duration> {
    let bad = || Error::usage(format!("duration {text:?}"), DURATION_HELP);
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let mut rest = text.trim_end();
    let mut sum = 0_u64;
    let mut smallest = None;
    while !rest.is_empty() || smallest.is_none() {
        let digits = rest.find(|c| !is_number(c)).unwrap_or(rest.len());
        let end = rest[digits..]
            .find(is_number)
            .map_or(rest.len(), |at| digits + at);
        let (part, further) = rest.split_at(end);
        let (number, unit) = split_number(part).ok_or_else(bad)?;
        let factor = match unit {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            // After minutes or hours, seconds need their unit: in `1h30`, the 30 could mean
            // minutes.
            "" if smallest.is_none() => 1_000_000_000,
            "s" => 1_000_000_000,
            "m" | "min" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            "w" => 604_800_000_000_000,
            _ => return Err(bad()),
        };
        // Larger units must come first, each at most once.
        if smallest.is_some_and(|smallest| factor >= smallest) {
            return Err(bad());
        }
        smallest = Some(factor);
        let ns = scaled(part, number, factor).ok_or_else(bad)?;
        sum = sum.checked_add(ns).ok_or_else(bad)?;
        rest = further;
    }
    Ok(Duration::from_nanos(sum))
}

/// Prints a number with an SI prefix and a space, such as `1.49 M` or `640 `; the caller adds the
/// unit.
#[derive(Debug, Clone, Copy)]
pub struct Si(pub f64);

impl fmt::Display for Si {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        scale(f, self.0, 1000.0, &["", "k", "M", "G", "T", "P"])
    }
}

/// Prints a size in bytes with a 1024-based prefix: `1.5 GiB`, `640 B`.
#[derive(Debug, Clone, Copy)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PREFIXES: [&str; 6] = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];
        // Sizes of pages, blocks and rings are multiples of a unit and print without fraction,
        // such as `4 KiB`.
        let power = match self.0 {
            0 => 0,
            n => (n.trailing_zeros() / 10).min(5) as usize,
        };
        let whole = self.0 >> (10 * power);
        if whole < 1024 {
            return write!(f, "{whole} {}B", PREFIXES[power]);
        }
        scale(f, self.0 as f64, 1024.0, &PREFIXES)?;
        f.write_str("B")
    }
}

fn scale(f: &mut fmt::Formatter<'_>, value: f64, base: f64, prefixes: &[&str]) -> fmt::Result {
    let mut value = value;
    let mut prefix = 0;
    while value.abs() >= base && prefix + 1 < prefixes.len() {
        value /= base;
        prefix += 1;
    }
    let digits = match value {
        v if prefix == 0 && v.fract() == 0.0 => 0,
        v if v.abs() < 10.0 => 2,
        v if v.abs() < 100.0 => 1,
        _ => 0,
    };
    write!(f, "{value:.digits$} {}", prefixes[prefix])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caplen_beyond_a_record_is_whole() {
        for (text, bytes) in [
            ("0", 0),
            ("1", 1),
            ("65535", 65_535),
            ("65536", 0),
            ("262144", 0),
        ] {
            assert_eq!(parse_caplen(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "-1", "1K", "all", "1.5"] {
            assert!(parse_caplen(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_parsed() {
        for (text, bytes) in [
            ("1048576", 1 << 20),
            ("64K", 64 << 10),
            ("2M", 2 << 20),
            ("1g", 1 << 30),
            ("1.5G", 3 << 29),
            ("2GB", 2_000_000_000),
            ("1T", 1 << 40),
            ("20GiB", 20 << 30),
        ] {
            assert_eq!(parse_size(text).unwrap(), bytes, "{text}");
        }
        for text in [
            "",
            "G",
            "1X",
            "-1",
            "1..5G",
            "99999999999T",
            "1e9",
            ".5G",
            "0x10",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_parsed() {
        assert_eq!(
            parse_rate("10G").unwrap(),
            Rate::BitsPerSecond(10_000_000_000)
        );
        assert_eq!(
            parse_rate("2.5Gb/s").unwrap(),
            Rate::BitsPerSecond(2_500_000_000)
        );
        assert_eq!(
            parse_rate("14.88Mpps").unwrap(),
            Rate::FramesPerSecond(14_880_000)
        );
        assert_eq!(parse_rate("1000pps").unwrap(), Rate::FramesPerSecond(1000));
        for text in ["", "0", "10X", "fast", "pps", "-5M"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_parsed() {
        assert_eq!(parse_duration("10").unwrap(), Duration::from_secs(10));
        assert_eq!(parse_duration("500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(parse_duration("1.5h").unwrap(), Duration::from_secs(5400));
        assert_eq!(parse_duration("1h30m").unwrap(), Duration::from_secs(5400));
        assert_eq!(parse_duration("1w").unwrap(), Duration::from_secs(604_800));
        assert_eq!(
            parse_duration("1m30s500ms").unwrap(),
            Duration::from_millis(90_500)
        );
        for text in [
            "",
            "s",
            "10y",
            "1 week",
            "99999999999d",
            "1h30",
            "30m1h",
            "1h1h",
            "1..5s",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_print_with_three_digits() {
        assert_eq!(format!("{}b/s", Si(1_490_000.0)), "1.49 Mb/s");
        assert_eq!(format!("{}pps", Si(0.0)), "0 pps");
        assert_eq!(Bytes((3 << 29) + 1).to_string(), "1.50 GiB");
        assert_eq!(Bytes(4 << 10).to_string(), "4 KiB");
        assert_eq!(Bytes(64 << 20).to_string(), "64 MiB");
        assert_eq!(Bytes(1536).to_string(), "1.50 KiB");
        assert_eq!(Bytes(0).to_string(), "0 B");
        assert_eq!(Bytes(640).to_string(), "640 B");
    }
}
