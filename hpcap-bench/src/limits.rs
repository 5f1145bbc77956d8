//! The theory for a link: what its rate leaves for each frame, by frame size.
//!
//! A frame takes more room on the wire than its bytes: preamble and start of frame (8 bytes), FCS (4)
//! and the gap to the next frame (12). In a RAW file, it takes its captured bytes and a header.

use std::fmt;

use hpcap::units::{Rate, Si};
use hpcap::{Error, Result};
use serde::Serialize;

use crate::report::table;

/// Bytes that a frame without FCS takes on the wire beyond its own.
pub(crate) const WIRE_BYTES: u32 = 8 + 4 + 12;
/// Bytes that a frame takes in a RAW file beyond its own.
pub(crate) const RECORD_BYTES: u32 = 12;
/// Shortest and longest frame in bytes, without FCS.
const FRAME_BYTES: std::ops::RangeInclusive<u32> = 60..=65_535;
/// Sizes that [`Limits`] has without others: those of RFC 2544 without FCS, and IMIX.
pub const USUAL_SIZES: [FrameSize; 8] = [
    FrameSize::Bytes(60),
    FrameSize::Bytes(124),
    FrameSize::Bytes(252),
    FrameSize::Bytes(508),
    FrameSize::Bytes(1020),
    FrameSize::Bytes(1276),
    FrameSize::Bytes(1514),
    FrameSize::Imix,
];

/// The size of the frames on a link, in bytes without FCS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameSize {
    /// All frames have this size.
    Bytes(u32),
    /// Seven frames of 60 bytes, four of 590 and one of 1514, in turn.
    Imix,
}

impl FrameSize {
    /// Sizes and numbers of the frames that come in turn.
    fn mix(self) -> Vec<(u32, u32)> {
        match self {
            Self::Bytes(bytes) => vec![(bytes, 1)],
            Self::Imix => vec![(60, 7), (590, 4), (1514, 1)],
        }
    }

    /// The mean of `of(size)` over the frames.
    pub(crate) fn mean(self, of: impl Fn(u32) -> u32) -> f64 {
        let mix = self.mix();
        let frames: u32 = mix.iter().map(|(_, n)| n).sum();
        let total: f64 = mix
            .iter()
            .map(|(b, n)| f64::from(of(*b)) * f64::from(*n))
            .sum();
        total / f64::from(frames)
    }
}

impl fmt::Display for FrameSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{bytes}"),
            Self::Imix => f.write_str("imix"),
        }
    }
}

/// Parses a size: a number of bytes without FCS, or `imix`.
///
/// # Errors
/// Returns a usage error for another text, and for a size that no frame has.
pub fn parse_frame_size(text: &str) -> Result<FrameSize> {
    if text == "imix" {
        return Ok(FrameSize::Imix);
    }
    let bytes = text
        .parse()
        .ok()
        .filter(|bytes| FRAME_BYTES.contains(bytes));
    bytes.map(FrameSize::Bytes).ok_or_else(|| {
        let why = "expected 60 to 65535 (bytes without FCS), or imix";
        Error::usage(format!("frame size {text:?}"), why)
    })
}

/// A link, and the machine that captures it.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    /// Bits per second.
    pub bits_per_second: u64,
    /// Clock of one processor in Hz, if it is known.
    pub clock_hz: Option<f64>,
    /// Captured bytes of each frame at most; 0 = all.
    pub caplen: u32,
}

/// What a link leaves for frames of one size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Limit {
    /// Size in bytes without FCS; the mean of IMIX.
    pub frame_bytes: f64,
    /// Bytes on the wire, with preamble, FCS and gap.
    pub wire_bytes: f64,
    /// Frames per second at line rate.
    pub frames_per_second: f64,
    /// Nanoseconds from one frame to the next.
    pub ns_per_frame: f64,
    /// Cycles of one processor in that time.
    pub cycles_per_frame: Option<f64>,
    /// Bytes of a RAW file per second.
    pub disk_bytes_per_second: f64,
}

impl Limit {
    fn of(link: &Link, size: FrameSize) -> Self {
        let captured = |len: u32| match link.caplen {
            0 => len,
            caplen => len.min(caplen),
        };
        let wire_bytes = size.mean(|len| len + WIRE_BYTES);
        let frames_per_second = link.bits_per_second as f64 / 8.0 / wire_bytes;
        let record_bytes = size.mean(captured) + f64::from(RECORD_BYTES);
        Self {
            frame_bytes: size.mean(|len| len),
            wire_bytes,
            frames_per_second,
            ns_per_frame: 1e9 / frames_per_second,
            cycles_per_frame: link.clock_hz.map(|hz| hz / frames_per_second),
            disk_bytes_per_second: frames_per_second * record_bytes,
        }
    }
}

/// The limits of a link by frame size.
#[derive(Debug, Clone, Serialize)]
pub struct Limits {
    /// Bits per second of the link.
    pub bits_per_second: u64,
    /// Clock of one processor in Hz, if it is known.
    pub clock_hz: Option<f64>,
    /// Captured bytes of each frame at most; 0 = all.
    pub caplen: u32,
    /// One line for each size.
    pub sizes: Vec<SizeLimit>,
}

/// The limit for one size, and the name of the size.
#[derive(Debug, Clone, Serialize)]
pub struct SizeLimit {
    /// The size as `--size` takes it.
    pub size: String,
    /// The limit.
    #[serde(flatten)]
    pub limit: Limit,
}

impl Limits {
    /// Computes the limits of `link` for frames of `sizes`.
    #[must_use]
    pub fn new(link: &Link, sizes: &[FrameSize]) -> Self {
        let limit = |size: &FrameSize| SizeLimit {
            size: size.to_string(),
            limit: Limit::of(link, *size),
        };
        Self {
            bits_per_second: link.bits_per_second,
            clock_hz: link.clock_hz,
            caplen: link.caplen,
            sizes: sizes.iter().map(limit).collect(),
        }
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "A link of {}", Rate::BitsPerSecond(self.bits_per_second))?;
        match self.clock_hz {
            Some(hz) => write!(f, ", processors of {}Hz", Si(hz))?,
            None => f.write_str(", processors of unknown clock (--clock)")?,
        }
        match self.caplen {
            0 => f.write_str(", whole frames")?,
            caplen => write!(f, ", {caplen} bytes of each frame")?,
        }
        f.write_str("\n\n")?;
        let head = [
            "frame bytes",
            "on the wire",
            "frames/s",
            "ns/frame",
            "cycles/frame",
            "to disk",
        ];
        let rows = self.sizes.iter().map(|SizeLimit { size, limit }| {
            [
                size.clone(),
                format!("{:.0}", limit.wire_bytes),
                format!("{:.0}", limit.frames_per_second),
                format!("{:.1}", limit.ns_per_frame),
                limit
                    .cycles_per_frame
                    .map_or_else(|| "-".into(), |c| format!("{c:.0}")),
                format!("{}B/s", Si(limit.disk_bytes_per_second)),
            ]
        });
        table(f, head, rows)?;
        f.write_str(
            "\nFrame bytes are without FCS. To disk: RAW, 12 bytes for each frame besides its own.",
        )
    }
}

/// Returns the clock of the first processor in Hz, as the kernel reports it now.
#[must_use]
pub fn clock_here() -> Option<f64> {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = cpuinfo.lines().find(|line| line.starts_with("cpu MHz"))?;
    let mhz: f64 = line.split_once(':')?.1.trim().parse().ok()?;
    Some(mhz * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN_GIGABITS: Link = Link {
        bits_per_second: 10_000_000_000,
        clock_hz: Some(3e9),
        caplen: 0,
    };

    #[test]
    fn line_rate_of_60_bytes_is_the_known_one() {
        let limit = Limit::of(&TEN_GIGABITS, FrameSize::Bytes(60));
        assert_eq!(limit.wire_bytes, 84.0);
        assert_eq!(limit.frames_per_second.round(), 14_880_952.0);
        assert!((limit.ns_per_frame - 67.2).abs() < 1e-9);
        assert!((limit.cycles_per_frame.unwrap() - 201.6).abs() < 1e-6);
        assert_eq!(limit.disk_bytes_per_second.round(), 1_071_428_571.0);
    }

    #[test]
    fn imix_is_weighted_by_frames() {
        let limit = Limit::of(&TEN_GIGABITS, FrameSize::Imix);
        let mean = f64::from(7 * 60 + 4 * 590 + 1514) / 12.0;
        assert!((limit.frame_bytes - mean).abs() < 1e-9);
        assert!((limit.wire_bytes - mean - 24.0).abs() < 1e-9);
    }

    #[test]
    fn caplen_reduces_only_the_disk() {
        let cut = Link {
            caplen: 96,
            ..TEN_GIGABITS
        };
        let whole = Limit::of(&TEN_GIGABITS, FrameSize::Bytes(1514));
        let limit = Limit::of(&cut, FrameSize::Bytes(1514));
        assert_eq!(limit.frames_per_second, whole.frames_per_second);
        assert_eq!(limit.disk_bytes_per_second, limit.frames_per_second * 108.0);
    }

    #[test]
    fn sizes_that_no_frame_has_are_refused() {
        assert_eq!(parse_frame_size("imix").unwrap(), FrameSize::Imix);
        assert_eq!(parse_frame_size("60").unwrap(), FrameSize::Bytes(60));
        for text in ["59", "65536", "-1", "mix", ""] {
            assert!(parse_frame_size(text).is_err(), "{text}");
        }
    }
}
