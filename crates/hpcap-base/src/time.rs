//! Times as the RAW format stores them: seconds and nanoseconds since 1970, UTC.
//!
//! A [`Timestamp`] is printed for programs in UTC (RFC 3339, always nine digits of nanoseconds), and
//! for people in the local zone with its offset ([`Timestamp::local`]). [`parse_time`] reads both, and
//! takes a time without a zone for a local one, as tcpdump and editcap do. RAW records hold 32 bits of
//! seconds, which end in 2106; pcapng files can hold later times.
//!
//! ```
//! use hpcap_base::Timestamp;
//! use hpcap_base::time::parse_time;
//!
//! let time = parse_time("2026-11-20T07:17:42.5+01:00")?;
//! assert_eq!(time, Timestamp::new(1_795_155_462, 500_000_000));
//! assert_eq!(time.to_string(), "2026-11-20T06:17:42.500000000Z");
//! // A day that its month does not have is refused.
//! assert!(parse_time("2026-02-31T00:00Z").is_err());
//! # Ok::<(), hpcap_base::Error>(())
//! ```

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::error::{Error, Result};

/// A time in nanoseconds since 1970-01-01 UTC. RAW files store 32-bit seconds, which end in 2106.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The latest time that a RAW record can hold: 2106-02-07T06:28:15.999999999Z.
    pub const MAX_RAW: Self = Self::new(u32::MAX, 999_999_999);

    /// Creates a time from seconds and nanoseconds; nanoseconds beyond a second carry over.
    #[must_use]
    pub const fn new(sec: u32, nsec: u32) -> Self {
        Self(sec as u64 * 1_000_000_000 + nsec as u64)
    }

    /// Creates a time from nanoseconds since 1970.
    #[must_use]
    pub const fn from_ns(ns: u64) -> Self {
        Self(ns)
    }

    /// The current wall-clock time.
    #[must_use]
    pub fn now() -> Self {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Self(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn as_ns(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub const fn sec(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// Nanoseconds past the whole second.
    #[must_use]
    pub const fn nsec(self) -> u32 {
        (self.0 % 1_000_000_000) as u32
    }

    /// The time for people: RFC 3339 with nanoseconds in the local zone and its offset, such as
    /// `2026-11-20T07:17:42.000000001+01:00`. For programs, the `Display` of the time itself writes
    /// UTC.
    #[must_use]
    pub const fn local(self) -> LocalTime {
        LocalTime(self)
    }

    /// Year, month, day, hour, minute and second in UTC, in the proleptic Gregorian calendar.
    #[must_use]
    pub fn utc(self) -> (u64, u64, u64, u64, u64, u64) {
        let (days, rest) = (self.sec() / 86_400, self.sec() % 86_400);
        // This calculation starts years in March, so that the leap day is the last day of a year.
        let z = days + 719_468;
        let era = z / 146_097;
        let day_of_era = z % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let m = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * m + 2) / 5 + 1;
        let month = if m < 10 { m + 3 } else { m - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        (year, month, day, rest / 3_600, rest / 60 % 60, rest % 60)
    }
}

const TIME_HELP: &str = "expected a local time such as 2026-11-20T06:17:42.5 or 2026-11-20, one with a zone such as 2026-11-20T06:17Z or 2026-11-20T07:17+01:00, or seconds since 1970 such as 1763619462.5";

/// Parses a time: `2026-11-20T06:17:42.5` in the local zone (that of `TZ`, as tcpdump and editcap
/// do), with `Z` in UTC, with an offset such as `+01:00` at that offset, or as seconds since 1970.
///
/// # Errors
/// Returns [`Kind::Usage`](crate::Kind::Usage) for anything else, for a day that its month does not
/// have, for a local time that does not exist or exists twice because the clocks were changed, and
/// for a time that RAW records cannot hold.
pub fn parse_time(text: &str) -> Result<Timestamp> {
    let refused = |why: &str| Error::usage(format!("time {text:?}"), why);
    if let Some(time) = seconds(text) {
        return time.ok_or_else(|| refused("expected a time from 1970 to 2106"));
    }
    let has_clock = text.len() > 10;
    let instant = if has_clock && let Ok(instant) = text.parse::<jiff::Timestamp>() {
        instant
    } else {
        let is_local = !text.ends_with(['Z', 'z']) && !text.contains('[');
        let local: DateTime = text
            .parse()
            .ok()
            .filter(|_| is_local && has_no_offset(text))
            .ok_or_else(|| refused(TIME_HELP))?;
        let local = TimeZone::system().to_ambiguous_timestamp(local);
        match local.offset() {
            AmbiguousOffset::Unambiguous { .. } => {}
            AmbiguousOffset::Gap { .. } => {
                return Err(
                    refused("the clocks were put forward: this local time does not exist")
                        .advise("give it in UTC, with a Z behind it"),
                );
            }
            AmbiguousOffset::Fold { before, after } => {
                return Err(
                    refused("the clocks were put back: this local time exists twice")
                        .advise(format!("say which: {text}{before:#} or {text}{after:#}")),
                );
            }
        }
        local.compatible().map_err(|_| refused(TIME_HELP))?
    };
    u64::try_from(instant.as_nanosecond())
        .ok()
        .map(Timestamp::from_ns)
        .filter(|time| *time <= Timestamp::MAX_RAW)
        .ok_or_else(|| refused("expected a time from 1970 to 2106"))
}

/// Whether no offset follows the time of day.
fn has_no_offset(text: &str) -> bool {
    text.get(10..)
        .is_some_and(|clock| !clock.contains(['+', '-']))
}

/// Parses a number that consists of decimal digits only.
fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// Parses seconds since 1970 and cuts off digits finer than nanoseconds. Returns `None` for another
/// notation, and `Some(None)` for a time that is too late.
fn seconds(text: &str) -> Option<Option<Timestamp>> {
    let (sec, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(sec) || !is_number(fraction) {
        return None;
    }
    let nsec = digits(&format!("{fraction:0<9}")[..9])?;
    Some(digits(sec).map(|sec| Timestamp::new(sec, nsec)))
}

/// A time in the local zone, with its offset: see [`Timestamp::local`].
#[derive(Debug, Clone, Copy)]
pub struct LocalTime(Timestamp);

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = jiff::Timestamp::from_nanosecond(i128::from(self.0.as_ns()));
        let Ok(instant) = instant else {
            return self.0.fmt(f);
        };
        let local = instant.to_zoned(TimeZone::system());
        write!(f, "{}", local.strftime("%Y-%m-%dT%H:%M:%S.%9f%:z"))
    }
}

/// Writes RFC 3339 with nanoseconds in UTC: `2026-11-20T06:17:42.000000001Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (y, mo, d, h, mi, s) = self.utc();
        let ns = self.nsec();
        write!(f, "{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}.{ns:09}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_agree_with_the_calendar() {
        for (sec, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000000Z"),
            (1_391_723_988, "2014-02-06T21:59:48.000000000Z"),
            (u32::MAX, "2106-02-07T06:28:15.000000000Z"),
        ] {
            assert_eq!(Timestamp::new(sec, 0).to_string(), text);
        }
    }

    fn at(text: &str) -> Option<(u64, u32)> {
        parse_time(text).ok().map(|t| (t.sec(), t.nsec()))
    }

    #[test]
    fn times_with_zone_are_read() {
        for (text, sec, nsec) in [
            ("0", 0, 0),
            ("1391723988", 1_391_723_988, 0),
            ("1391723988.5", 1_391_723_988, 500_000_000),
            ("1391723988.0000000019", 1_391_723_988, 1),
            ("2014-02-06T21:59:48Z", 1_391_723_988, 0),
            ("2014-02-06 21:59:48.000000001Z", 1_391_723_988, 1),
            ("2014-02-06T22:59:48+01:00", 1_391_723_988, 0),
            ("2014-02-06t19:29:48-02:30", 1_391_723_988, 0),
            ("2014-02-06T21:59Z", 1_391_723_940, 0),
            ("2000-02-29T00:00:00Z", 951_782_400, 0),
            ("2106-02-07T06:28:15Z", u64::from(u32::MAX), 0),
        ] {
            assert_eq!(at(text), Some((sec, nsec)), "{text}");
        }
    }

    #[test]
    fn invalid_times_are_refused() {
        for text in [
            "",
            "x",
            "-1",
            "1.",
            ".5",
            "1.x",
            "4294967296",
            "2014-13-01",
            "2026-02-31",
            "2026-02-31T00:00:00Z",
            "2014-02-06T",
            "2014-02-06T25:00",
            "2014-02-06T10:00+1",
            "1969-12-31T23:59:59Z",
            "2014-2-6",
            "20é4-02-06",
            "2106-02-08T00:00Z",
        ] {
            let result = parse_time(text);
            assert!(result.is_err(), "{text}: {result:?}");
        }
    }

    #[test]
    fn local_time_reads_back_as_it_prints() {
        for text in ["2014-02-06T21:59:48", "2026-07-01", "2026-07-01 12:00"] {
            let time = parse_time(text).unwrap();
            let printed = time.local().to_string();
            assert!(printed.starts_with(&text.replace(' ', "T")), "{printed}");
            assert_eq!(parse_time(&printed).unwrap(), time);
        }
    }
}
