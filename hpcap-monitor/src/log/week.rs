//! The week of a time, after which folders of logs are named.

use std::fmt;
use std::str::FromStr;

use hpcap::Timestamp;
use jiff::civil::{Date, ISOWeekDate, Weekday};
use jiff::tz::TimeZone;

/// A week of ISO 8601. Its year is that of its Thursday, so that a week around New Year is one week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Week {
    year: i16,
    week: i8,
}

impl Week {
    /// The week of `time` in `zone`.
    #[must_use]
    pub fn of(time: Timestamp, zone: &TimeZone) -> Self {
        let instant = jiff::Timestamp::from_nanosecond(i128::from(time.as_ns()));
        let date = instant
            .unwrap_or(jiff::Timestamp::MAX)
            .to_zoned(zone.clone());
        Self::of_date(date.date())
    }

    fn of_date(date: Date) -> Self {
        let date = date.iso_week_date();
        Self {
            year: date.year(),
            week: date.week(),
        }
    }

    /// The last day of the week.
    #[must_use]
    pub fn sunday(self) -> Option<Date> {
        let day = ISOWeekDate::new(self.year, self.week, Weekday::Sunday);
        day.ok().map(ISOWeekDate::date)
    }
}

/// Writes `2026-01`: the name of a folder.
impl fmt::Display for Week {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.week)
    }
}

impl FromStr for Week {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (year, week) = text.split_once('-').ok_or(())?;
        let week = Self {
            year: year.parse().map_err(drop)?,
            week: week.parse().map_err(drop)?,
        };
        match week.sunday().is_some() && week.to_string() == text {
            true => Ok(week),
            false => Err(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use hpcap::time::parse_time;

    use super::*;

    fn week(time: &str, zone: &str) -> String {
        let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
        Week::of(parse_time(time).unwrap(), &zone).to_string()
    }

    #[test]
    fn week_around_new_year_is_one_week() {
        // `date +%Y-%V` says 2027-53 and 2024-01 for the second and the third.
        for (time, expected) in [
            ("2026-12-31T23:59:59Z", "2026-53"),
            ("2027-01-01T00:00:00Z", "2026-53"),
            ("2024-12-30T12:00:00Z", "2025-01"),
            ("2025-01-05T23:59:59Z", "2025-01"),
            ("2025-01-06T00:00:00Z", "2025-02"),
            ("2021-01-03T23:59:59Z", "2020-53"),
        ] {
            assert_eq!(week(time, "UTC"), expected, "{time}");
        }
    }

    #[test]
    fn week_begins_on_monday_of_the_zone() {
        let fixed = TimeZone::fixed(jiff::tz::offset(2));
        let late = parse_time("2026-11-29T22:30:00Z").unwrap();
        assert_eq!(Week::of(late, &fixed).to_string(), "2026-49");
        assert_eq!(Week::of(late, &TimeZone::UTC).to_string(), "2026-48");
    }

    #[test]
    fn change_of_the_clocks_keeps_the_week() {
        // In Europe, clocks change on Sundays at 01:00 UTC.
        for time in [
            "2026-10-25T00:59:59Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T02:30:00Z",
        ] {
            assert_eq!(week(time, "Europe/Berlin"), "2026-43", "{time}");
        }
        for time in ["2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z"] {
            assert_eq!(week(time, "Europe/Berlin"), "2026-13", "{time}");
        }
    }

    #[test]
    fn only_names_of_weeks_are_weeks() {
        assert_eq!("2026-53".parse::<Week>().unwrap().to_string(), "2026-53");
        for name in [
            "2026-1", "2025-53", "2026-00", "full", "2026-48x", "+026-48", "-1-01",
        ] {
            assert!(name.parse::<Week>().is_err(), "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn day_is_in_the_week_that_ends_on_its_sunday(second in 0_u32..) {
            let time = Timestamp::new(second, 0);
            let week = Week::of(time, &TimeZone::UTC);
            let sunday = week.sunday().unwrap().to_zoned(TimeZone::UTC).unwrap();
            let end = sunday.timestamp().as_second() + 86_400;
            let second = i64::from(second);
            proptest::prop_assert!((end - 7 * 86_400..end).contains(&second));
            proptest::prop_assert_eq!(week.to_string().parse::<Week>(), Ok(week));
        }
    }
}
