//! A stretch of time, as people write it.

use std::time::Duration;

use hpcap::units::parse_duration;
use hpcap::{Error, Result, Timestamp};

const HELP: &str = "expected RFC 3339 such as 2026-11-20T06:17:42.5Z or 2026-11-20T07:17+01:00 (UTC without a zone), seconds since 1970 such as 1763619462.5, or +10s after the first frame";

/// A point in time on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// A time.
    At(Timestamp),
    /// So long after the first frame of all.
    AfterFirst(Duration),
}

impl Bound {
    /// Reads it.
    ///
    /// # Errors
    /// [`hpcap::Kind::Usage`] where it is none.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(relative) = text.strip_prefix('+') {
            return parse_duration(relative).map(Self::AfterFirst);
        }
        seconds(text)
            .or_else(|| rfc3339(text))
            .map(Self::At)
            .ok_or_else(|| Error::usage(format!("time {text:?}"), HELP))
    }

    /// The time itself, given that of the first frame.
    #[must_use]
    pub fn resolve(self, first: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::AfterFirst(after) => {
                let ns = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
                Timestamp::from_ns(first.as_ns().saturating_add(ns))
            }
        }
    }
}

/// Decimal digits only, as a number.
fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// The digits after a decimal point, as nanoseconds; finer ones are cut off.
fn nanoseconds(fraction: &str) -> Option<u32> {
    let _: u128 = digits(fraction.get(..38.min(fraction.len()))?)?;
    digits(&format!("{fraction:0<9}")[..9])
}

fn seconds(text: &str) -> Option<Timestamp> {
    let (sec, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let sec: u32 = digits(sec)?;
    Some(Timestamp::new(sec, nanoseconds(fraction)?))
}

fn rfc3339(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.splitn(3, '-');
    let year: i64 = digits(parts.next().filter(|y| y.len() == 4)?)?;
    let month: i64 = digits(parts.next()?).filter(|m| (1..=12).contains(m))?;
    let day: i64 = digits(parts.next()?).filter(|d| (1..=31).contains(d))?;
    let rest = match rest {
        "" => "T00:00Z",
        rest => rest,
    };
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let zone = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(zone);
    let offset: i64 = match zone {
        "" | "Z" | "z" => 0,
        zone => {
            let (hours, minutes) = zone[1..].split_once(':')?;
            let hours: i64 = digits(hours).filter(|h| *h < 24)?;
            let minutes: i64 = digits(minutes).filter(|m| *m < 60)?;
            let offset = hours * 3600 + minutes * 60;
            if zone.starts_with('-') {
                -offset
            } else {
                offset
            }
        }
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = clock.splitn(3, ':');
    let hour: i64 = digits(parts.next()?).filter(|h| *h < 24)?;
    let minute: i64 = digits(parts.next()?).filter(|m| *m < 60)?;
    let second: i64 = digits(parts.next().unwrap_or("0")).filter(|s| *s <= 60)?;
    let sec = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Some(Timestamp::new(
        u32::try_from(sec).ok()?,
        nanoseconds(fraction)?,
    ))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, years counted from March on so
/// that the leap day is the last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let leap_days = year / 4 - year / 100 + year / 400;
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// From one time to another, both included; `None` = without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Range {
    /// The first time.
    pub from: Option<Timestamp>,
    /// The last time.
    pub to: Option<Timestamp>,
}

impl Range {
    /// Whether everything is in it.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// Whether a time is in it.
    #[must_use]
    #[inline]
    pub fn contains(&self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| time >= from) && self.to.is_none_or(|to| time <= to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<(u64, u32)> {
        match Bound::parse(text) {
            Ok(Bound::At(t)) => Some((t.sec(), t.nsec())),
            _ => None,
        }
    }

    #[test]
    fn times() {
        for (text, sec, nsec) in [
            ("0", 0, 0),
            ("1391723988", 1_391_723_988, 0),
            ("1391723988.5", 1_391_723_988, 500_000_000),
            ("1391723988.0000000019", 1_391_723_988, 1),
            ("2014-02-06T21:59:48Z", 1_391_723_988, 0),
            ("2014-02-06 21:59:48.000000001", 1_391_723_988, 1),
            ("2014-02-06T22:59:48+01:00", 1_391_723_988, 0),
            ("2014-02-06t19:29:48-02:30", 1_391_723_988, 0),
            ("2014-02-06T21:59Z", 1_391_723_940, 0),
            ("2014-02-06", 1_391_644_800, 0),
            ("2000-02-29T00:00:00Z", 951_782_400, 0),
            ("2106-02-07T06:28:15Z", u64::from(u32::MAX), 0),
        ] {
            assert_eq!(at(text), Some((sec, nsec)), "{text}");
        }
        assert_eq!(
            Bound::parse("+1.5s").unwrap(),
            Bound::AfterFirst(Duration::from_millis(1500))
        );
        assert_eq!(
            Bound::parse("+2s").unwrap().resolve(Timestamp::new(5, 7)),
            Timestamp::new(7, 7)
        );
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "x",
            "-1",
            "1.",
            ".5",
            "1.x",
            "+",
            "+x",
            "4294967296",
            "2014-13-01",
            "2014-02-06T",
            "2014-02-06T25:00",
            "2014-02-06T10",
            "2014-02-06T10:00+1",
            "1969-12-31T23:59:59Z",
            "2014-2-6",
            "20é4-02-06",
            "2106-02-08",
        ] {
            let result = Bound::parse(text);
            assert!(result.is_err(), "{text}: {result:?}");
        }
    }
}
