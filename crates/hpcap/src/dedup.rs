//! Settings of the duplicate filter, as `hpcapd --dedup` takes them and a queue reports them.
//!
//! ```
//! use std::time::Duration;
//!
//! use hpcap::dedup::{Action, DedupSettings};
//!
//! let settings: DedupSettings = "age=500ms,ignore=ttl,action=mark".parse()?;
//! assert_eq!(settings.age, Duration::from_millis(500));
//! assert_eq!(settings.action, Action::Mark);
//! assert_eq!(
//!     settings.to_string(),
//!     "window=32768,bytes=auto,age=500ms,ignore=ttl,action=mark"
//! );
//! # Ok::<(), hpcap::Error>(())
//! ```

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::units::parse_duration;
use crate::{Error, Result};

/// What the filter does with duplicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Action {
    /// Removes and counts duplicates.
    #[default]
    Drop,
    /// Counts duplicates and writes a tag before each of them into the stream.
    Mark,
}

/// Fields of Ethernet frames in which duplicates may differ. Frames of other links have no such
/// fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ignore {
    /// TTL of IPv4 and hop limit of IPv6.
    pub ttl: bool,
    /// Checksum of the IPv4 header.
    pub ip_sum: bool,
    /// VLAN tags; one of two duplicates may also have none.
    pub vlan: bool,
    /// Both MAC addresses, which a router changes.
    pub mac: bool,
}

impl Ignore {
    const NAMES: [&'static str; 4] = ["ttl", "ipsum", "vlan", "mac"];

    fn fields(&mut self) -> [&mut bool; 4] {
        [
            &mut self.ttl,
            &mut self.ip_sum,
            &mut self.vlan,
            &mut self.mac,
        ]
    }

    /// Encodes the fields as bits of `enum hpcap_dedup_ignore`.
    #[must_use]
    pub fn bits(mut self) -> u32 {
        let mut bits = 0;
        for (i, field) in self.fields().into_iter().enumerate() {
            bits |= u32::from(*field) << i;
        }
        bits
    }

    /// Whether no field is ignored.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.bits() == 0
    }
}

/// Definition of a duplicate, and what the filter does with duplicates.
///
/// A frame is a duplicate when the filter remembers an earlier frame of the same length that was
/// seen at most `age` before and whose first `bytes` bytes are equal, except for the fields in
/// `ignore`. The filter remembers about `window` frames. Without `bytes`, it compares as many bytes
/// as distinguish a frame from others of its flow, beyond the headers of tunnels. A frame for which
/// that number cannot be determined is never a duplicate (`kmod/core/extent.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DedupSettings {
    /// Number of frames that the filter remembers; rounded up to a power of two, at least 16.
    pub window: u32,
    /// Bytes of each frame that are compared, at most 2048; `None` compares as many as distinguish
    /// frames of a flow.
    pub bytes: Option<u32>,
    /// Longest time between a frame and its duplicate.
    pub age: Duration,
    /// Whether a duplicate restarts the age. Then each copy in a series counts as a duplicate as
    /// long as consecutive copies are at most `age` apart.
    pub renew: bool,
    /// Fields in which duplicates may differ.
    pub ignore: Ignore,
    /// What the filter does with duplicates.
    pub action: Action,
}

impl Default for DedupSettings {
    fn default() -> Self {
        Self {
            window: 32_768,
            bytes: None,
            age: Duration::from_secs(2),
            renew: true,
            ignore: Ignore::default(),
            action: Action::Drop,
        }
    }
}

const FORM: &str = "window=32768,bytes=auto|70,age=2s,renew=on|off,ignore=ttl+ipsum+vlan+mac,\
                    action=drop|mark, or `on` for window=32768,bytes=auto,age=2s,action=drop";

impl FromStr for DedupSettings {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut settings = Self::default();
        if text == "on" {
            return Ok(settings);
        }
        let mut seen = Vec::new();
        for piece in text.split(',') {
            let bad = || Error::usage(format!("duplicates: {piece:?}"), format!("expected {FORM}"));
            let (key, value) = piece.split_once('=').ok_or_else(bad)?;
            if seen.contains(&key) {
                return Err(Error::usage(format!("duplicates: {key}"), "given twice"));
            }
            seen.push(key);
            let number = |range: std::ops::RangeInclusive<u32>| {
                let number = value.parse().ok().filter(|n| range.contains(n));
                number.ok_or_else(|| {
                    let (low, high) = (range.start(), range.end());
                    Error::usage(
                        format!("duplicates: {piece:?}"),
                        format!("expected a number from {low} to {high}"),
                    )
                })
            };
            match key {
                "window" => settings.window = number(1..=1 << 24)?,
                "bytes" if value == "auto" => settings.bytes = None,
                "bytes" => settings.bytes = Some(number(1..=2048)?),
                "renew" => {
                    settings.renew = match value {
                        "on" => true,
                        "off" => false,
                        _ => return Err(bad()),
                    }
                }
                "age" => settings.age = parse_duration(value)?,
                "ignore" => {
                    for name in value.split('+') {
                        let at = Ignore::NAMES.iter().position(|n| *n == name);
                        *settings.ignore.fields()[at.ok_or_else(bad)?] = true;
                    }
                }
                "action" => {
                    settings.action = match value {
                        "drop" => Action::Drop,
                        "mark" => Action::Mark,
                        _ => return Err(bad()),
                    }
                }
                _ => return Err(bad()),
            }
        }
        Ok(settings)
    }
}

impl fmt::Display for DedupSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (window, age_ns) = (self.window, self.age.as_nanos());
        let bytes = self.bytes.map_or("auto".to_owned(), |n| n.to_string());
        let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1000, "us")];
        let exact = units.into_iter().find(|(ns, _)| age_ns.is_multiple_of(*ns));
        let (ns, unit) = exact.unwrap_or((1, "ns"));
        write!(f, "window={window},bytes={bytes},age={}{unit}", age_ns / ns)?;
        if !self.renew {
            f.write_str(",renew=off")?;
        }
        let mut ignore = self.ignore;
        let mut separator = ",ignore=";
        for (name, field) in Ignore::NAMES.iter().zip(ignore.fields()) {
            if *field {
                write!(f, "{separator}{name}")?;
                separator = "+";
            }
        }
        f.write_str(match self.action {
            Action::Drop => ",action=drop",
            Action::Mark => ",action=mark",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_settings_are_parsed() {
        let all = DedupSettings {
            window: 1024,
            bytes: Some(128),
            age: Duration::from_millis(1500),
            renew: false,
            ignore: Ignore {
                ttl: true,
                ip_sum: true,
                vlan: true,
                mac: true,
            },
            action: Action::Mark,
        };
        let text =
            "window=1024,bytes=128,age=1500ms,renew=off,ignore=ttl+ipsum+vlan+mac,action=mark";
        assert_eq!(text.parse::<DedupSettings>().unwrap(), all);
        assert_eq!(all.to_string(), text);
        assert_eq!(all.ignore.bits(), 0xf);
        for age in ["0s", "1ns", "1001us", "86400s", "18446744073709551615ns"] {
            let aged = DedupSettings {
                age: parse_duration(age).unwrap(),
                ..all
            };
            let written = aged.to_string();
            assert!(written.contains(&format!("age={age},")), "{written}");
            assert!(!written.contains("auto"), "{written}");
            assert_eq!(written.parse::<DedupSettings>().unwrap(), aged);
        }
        let auto: DedupSettings = "bytes=auto,renew=on".parse().unwrap();
        assert_eq!(auto, DedupSettings::default());
        let on: DedupSettings = "on".parse().unwrap();
        assert_eq!(on, DedupSettings::default());
        assert_eq!(on.to_string().parse::<DedupSettings>().unwrap(), on);
    }

    #[test]
    fn error_names_the_wrong_setting() {
        for (text, why) in [
            ("", "expected"),
            ("window", "expected"),
            ("window=0", "1 to 16777216"),
            ("bytes=2049", "1 to 2048"),
            ("renew=perhaps", "renew=on|off"),
            ("bytes=70,bytes=71", "given twice"),
            ("age=soon", "duration"),
            ("ignore=colour", "ttl+ipsum+vlan+mac"),
            ("action=sell", "drop|mark"),
            ("speed=9", "expected"),
        ] {
            let message = text.parse::<DedupSettings>().unwrap_err().to_string();
            assert!(message.contains(why), "{text:?}: {message}");
        }
    }
}
