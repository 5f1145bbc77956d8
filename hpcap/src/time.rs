//! Points in time, as the RAW format has them: seconds and nanoseconds since 1970, UTC.

use std::fmt;

/// A time in nanoseconds since 1970-01-01 UTC. RAW files hold 32-bit seconds: until 2106.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The largest that a RAW record can hold: 2106-02-07T06:28:15.999999999Z.
    pub const MAX_RAW: Self = Self::new(u32::MAX, 999_999_999);

    /// From seconds and nanoseconds; nanoseconds past a second carry over.
    #[must_use]
    pub const fn new(sec: u32, nsec: u32) -> Self {
        Self(sec as u64 * 1_000_000_000 + nsec as u64)
    }

    /// From nanoseconds since 1970.
    #[must_use]
    pub const fn from_ns(ns: u64) -> Self {
        Self(ns)
    }

    /// The wall clock, now.
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
    #[allow(clippy::cast_possible_truncation, reason = "below 10^9")]
    pub const fn nsec(self) -> u32 {
        (self.0 % 1_000_000_000) as u32
    }

    /// `(year, month, day, hour, minute, second)` in UTC, proleptic Gregorian calendar.
    #[must_use]
    pub fn utc(self) -> (u64, u64, u64, u64, u64, u64) {
        let (days, rest) = (self.sec() / 86_400, self.sec() % 86_400);
        // Years start in March here, so that the leap day is the last of its year.
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

/// RFC 3339 with nanoseconds, UTC: `2026-11-20T06:17:42.000000001Z`.
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
    fn dates_are_those_of_the_calendar() {
        for (sec, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000000Z"),
            (1_391_723_988, "2014-02-06T21:59:48.000000000Z"),
            (u32::MAX, "2106-02-07T06:28:15.000000000Z"),
        ] {
            assert_eq!(Timestamp::new(sec, 0).to_string(), text);
        }
    }
}
