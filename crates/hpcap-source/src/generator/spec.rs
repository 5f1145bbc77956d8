//! The specification `gen:key=value,...`.

use std::fmt;
use std::time::Duration;

use hpcap::units::{self, Rate};
use hpcap::{Error, Result};

use super::super::options::{self, Options, number};
use super::content::{HEADER_BYTES, TAG_BYTES};
use super::sizes::Sizes;

const FORM: &str = "gen";
const KEYS: [&str; 9] = [
    "size", "rate", "count", "duration", "seed", "flows", "vlan", "start", "late",
];
const FLOWS_MAX: u32 = 65_536;

/// What happens to frames that are due for longer than [`BACKLOG`](super::BACKLOG) because their
/// reader was late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// They are skipped and counted as `nic_missed`, like the frames that a NIC with a full queue
    /// misses.
    Miss,
    /// They and all later frames are delayed: no frame is missing, but the rate is not reached.
    Delay,
}

/// Generated frames: their content, number and rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratorSpec {
    /// `size=`: lengths in bytes without FCS. A frame of 60 bytes (64 with a VLAN tag), which is
    /// the default, or more carries a whole [`Stamp`](super::Stamp); shorter frames are cut.
    pub sizes: Sizes,
    /// `rate=`: bits per second on the wire, including 24 bytes of preamble, FCS and gap for each
    /// frame, or frames per second. Without a rate, frames come as fast as their reader takes them.
    pub rate: Option<Rate>,
    /// `count=`: number of frames, missed ones included; unlimited by default.
    pub count: Option<u64>,
    /// `duration=`: only frames that are due within this time; unlimited by default.
    pub duration: Option<Duration>,
    /// `seed=`: determines addresses and the order of sizes; 0 by default.
    pub seed: u64,
    /// `flows=`: number of different flows, which take turns; 1 to 65536, 256 by default.
    pub flows: u32,
    /// `vlan=`: the number in an 802.1Q tag, 0 to 4095; no tag by default.
    pub vlan: Option<u16>,
    /// `start=`: time of the first frame in nanoseconds since 1970, instead of the current time.
    /// Later frames follow at `rate`, or at 10 Gb/s without a rate.
    pub start_ns: Option<u64>,
    /// `late=miss` or `late=delay`, which needs a rate. By default, a capture misses late frames
    /// and a sender delays them.
    pub late: Option<Late>,
}

fn default_sizes(vlan: Option<u16>) -> Sizes {
    Sizes::Fixed(if vlan.is_some() { 64 } else { 60 })
}

impl Default for GeneratorSpec {
    fn default() -> Self {
        Self {
            sizes: default_sizes(None),
            rate: None,
            count: None,
            duration: None,
            seed: 0,
            flows: 256,
            vlan: None,
            start_ns: None,
            late: None,
        }
    }
}

impl GeneratorSpec {
    /// Returns whether the source waits while the ring is full, which it does without a rate.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.rate.is_none()
    }

    /// Parses the text after `gen:`.
    ///
    /// # Errors
    /// [`Kind::Usage`](hpcap::Kind::Usage), with the key, its value and the values that are
    /// allowed.
    pub fn parse(text: &str) -> Result<Self> {
        let mut o = Options::without_name(FORM, text)?;
        let default = Self::default();
        let vlan = o.take("vlan", "a VLAN number from 0 to 4095", |v| {
            number(v).filter(|n: &u16| *n < 4096)
        })?;
        let spec = Self {
            sizes: o
                .take("size", Sizes::ALLOWED, Sizes::parse)?
                .unwrap_or_else(|| default_sizes(vlan)),
            rate: o.take(
                "rate",
                "a rate such as 10G, 2.5Gb/s, 14.88Mpps or 1000pps",
                |v| units::parse_rate(v).ok(),
            )?,
            count: o.take("count", "a number of frames", number)?,
            duration: o.take("duration", "a time such as 10s, 500ms or 5m", |v| {
                units::parse_duration(v).ok()
            })?,
            seed: o.take("seed", "a number", number)?.unwrap_or(default.seed),
            flows: o
                .take("flows", "a number from 1 to 65536", |v| {
                    number(v).filter(|n| (1..=FLOWS_MAX).contains(n))
                })?
                .unwrap_or(default.flows),
            vlan,
            start_ns: o.take("start", "a time in nanoseconds since 1970", number)?,
            late: o.take("late", "miss or delay", |v| match v {
                "miss" => Some(Late::Miss),
                "delay" => Some(Late::Delay),
                _ => None,
            })?,
        };
        if spec.late.is_some() && spec.rate.is_none() {
            return Err(Error::usage(
                "source gen: late",
                "means nothing without a rate: without one, no frame is ever late",
            ));
        }
        o.finish(&KEYS)?;
        Ok(spec)
    }

    /// Returns the length of the VLAN tag in bytes; 0 without one.
    #[expect(clippy::cast_possible_truncation, reason = "it is 4")]
    pub(super) fn tag_bytes(&self) -> u32 {
        if self.vlan.is_some() {
            TAG_BYTES as u32
        } else {
            0
        }
    }

    /// Returns whether every frame is long enough to carry a whole [`Stamp`](super::Stamp).
    #[must_use]
    pub fn is_verifiable(&self) -> bool {
        let min = match &self.sizes {
            Sizes::Fixed(size) => *size,
            Sizes::Imix => return true,
            Sizes::Range(range) => *range.start(),
        };
        min as usize >= HEADER_BYTES + self.tag_bytes() as usize + 18
    }
}

impl fmt::Display for GeneratorSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = Self::default();
        let mut words = Vec::new();
        if self.sizes != default_sizes(self.vlan) {
            words.push(format!("size={}", self.sizes));
        }
        if let Some(rate) = self.rate {
            words.push(format!("rate={}", options::exact_rate(rate)));
        }
        if let Some(count) = self.count {
            words.push(format!("count={count}"));
        }
        if let Some(duration) = self.duration {
            words.push(format!("duration={}", options::exact_duration(duration)));
        }
        if self.seed != default.seed {
            words.push(format!("seed={}", self.seed));
        }
        if self.flows != default.flows {
            words.push(format!("flows={}", self.flows));
        }
        if let Some(vlan) = self.vlan {
            words.push(format!("vlan={vlan}"));
        }
        if let Some(start_ns) = self.start_ns {
            words.push(format!("start={start_ns}"));
        }
        match self.late {
            None => {}
            Some(Late::Miss) => words.push("late=miss".into()),
            Some(Late::Delay) => words.push("late=delay".into()),
        }
        write!(f, "{FORM}:{}", words.join(","))
    }
}
