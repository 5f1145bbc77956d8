//! Ranges of time on the command line.

use std::time::Duration;

use hpcap::time::parse_time;
use hpcap::units::parse_duration;
use hpcap::{Result, Timestamp};

/// The start or the end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// An absolute time.
    At(Timestamp),
    /// A time after the first frame, or after the start of the range.
    After(Duration),
}

impl Bound {
    /// Parses a time in a form of [`parse_time`], or a relative time such as `+10s`.
    ///
    /// # Errors
    /// [`hpcap::Kind::Usage`] if `text` is not a time.
    pub fn parse(text: &str) -> Result<Self> {
        match text.strip_prefix('+') {
            Some(relative) => parse_duration(relative).map(Self::After),
            None => parse_time(text)
                .map(Self::At)
                .map_err(|e| e.or_advise("a time relative to the first frame is written +10s")),
        }
    }

    /// Returns the absolute time; a relative time counts from `start`.
    #[must_use]
    pub fn resolve(self, start: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::After(after) => {
                let ns = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
                Timestamp::from_ns(start.as_ns().saturating_add(ns))
            }
        }
    }
}

/// The times from `from` to `to`, both included; `None` sets no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Range {
    /// The first time.
    pub from: Option<Timestamp>,
    /// The last time.
    pub to: Option<Timestamp>,
}

impl Range {
    /// Whether the range has no limits.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// Whether `time` is in the range.
    #[must_use]
    #[inline]
    pub fn contains(&self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| time >= from) && self.to.is_none_or(|to| time <= to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bound_parses_both_forms() {
        assert_eq!(
            Bound::parse("1391723988.5").unwrap(),
            Bound::At(Timestamp::new(1_391_723_988, 500_000_000))
        );
        assert_eq!(
            Bound::parse("+1h30m").unwrap(),
            Bound::After(Duration::from_secs(5400))
        );
        assert_eq!(
            Bound::parse("+2s").unwrap().resolve(Timestamp::new(5, 7)),
            Timestamp::new(7, 7)
        );
        for text in ["", "+", "+x", "yesterday"] {
            assert!(Bound::parse(text).is_err(), "{text}");
        }
    }
}
