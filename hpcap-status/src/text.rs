//! Numbers and times for people, as short as a column of the dashboard needs them.

use std::time::Duration;

use jiff::tz::TimeZone;

/// Writes times in one zone.
#[derive(Debug, Clone)]
pub struct Clock {
    zone: TimeZone,
    /// The moment, in nanoseconds since 1970: a time of another day is written with its date.
    now_ns: u64,
}

impl Clock {
    /// A clock of the machine's zone.
    #[must_use]
    pub fn local(now_ns: u64) -> Self {
        Self {
            zone: TimeZone::system(),
            now_ns,
        }
    }

    /// A clock of UTC.
    #[must_use]
    pub fn utc(now_ns: u64) -> Self {
        Self {
            zone: TimeZone::UTC,
            now_ns,
        }
    }

    fn zoned(&self, ns: u64) -> Option<jiff::Zoned> {
        let time = jiff::Timestamp::from_nanosecond(i128::from(ns)).ok()?;
        Some(time.to_zoned(self.zone.clone()))
    }

    /// Writes a time: `19:02:11`, or `11-28 19:02:11` of another day.
    #[must_use]
    pub fn time(&self, ns: u64) -> String {
        let (Some(time), Some(now)) = (self.zoned(ns), self.zoned(self.now_ns)) else {
            return "unknown".to_owned();
        };
        match time.date() == now.date() {
            true => time.strftime("%H:%M:%S").to_string(),
            false => time.strftime("%m-%d %H:%M:%S").to_string(),
        }
    }

    /// Writes a date and a time with its offset.
    #[must_use]
    pub fn date_and_time(&self, ns: u64) -> String {
        self.zoned(ns).map_or_else(
            || "unknown".to_owned(),
            |time| time.strftime("%Y-%m-%d %H:%M:%S %:z").to_string(),
        )
    }
}

/// Returns a number without its sign and its fraction, for columns and heights of a screen.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and NaN becomes 0"
)]
pub fn whole(number: f64) -> u64 {
    number.max(0.0) as u64
}

/// Writes a rate: `9.41 Gb/s`, `12.3 kpps`, `0 pps`.
#[must_use]
pub fn rate(value: f64, unit: &str) -> String {
    format!("{}{unit}", short_si(value))
}

/// Writes a number of frames: `640`, `12.3 k`, `1.20 M`.
#[must_use]
pub fn count(value: u64) -> String {
    short_si(value as f64).trim_end().to_owned()
}

/// A number of three digits with an SI prefix and a space before the unit.
fn short_si(value: f64) -> String {
    if value > 0.0 && value < 1.0 {
        return format!("{value:.2} ");
    }
    if value < 1000.0 {
        return format!("{value:.0} ");
    }
    let mut scaled = value;
    let mut prefix = "";
    for next in ["k", "M", "G", "T", "P", "E"] {
        // 999.5 would be printed as 1000.
        if scaled < 999.5 {
            break;
        }
        scaled /= 1000.0;
        prefix = next;
    }
    let digits = match scaled {
        s if s < 9.995 => 2,
        s if s < 99.95 => 1,
        _ => 0,
    };
    format!("{scaled:.digits$} {prefix}")
}

/// Writes a size: `640 B`, `15.2 MiB`.
#[must_use]
pub fn bytes(value: f64) -> String {
    let mut scaled = value.max(0.0);
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        if scaled < 999.5 {
            break;
        }
        scaled /= 1024.0;
        unit = next;
    }
    match unit {
        "B" => format!("{scaled:.0} B"),
        _ if scaled < 9.995 => format!("{scaled:.2} {unit}"),
        _ if scaled < 99.95 => format!("{scaled:.1} {unit}"),
        _ => format!("{scaled:.0} {unit}"),
    }
}

/// Writes a part as percent: `0 %`, `0.03 %`, `4.1 %`, `100 %`. Only nothing is written as `0 %`, and only the whole as
/// `100 %`.
#[must_use]
pub fn percent(part: f64) -> String {
    let percent = part * 100.0;
    match percent {
        p if p <= 0.0 || p.is_nan() => "0 %".to_owned(),
        p if p < 0.01 => "<0.01 %".to_owned(),
        p if p < 0.995 => format!("{p:.2} %"),
        p if p < 9.95 => format!("{p:.1} %"),
        p if (99.5..100.0).contains(&p) => "99 %".to_owned(),
        p => format!("{p:.0} %"),
    }
}

/// Writes a time span in at most two units: `0 s`, `12 ms`, `0.4 s`, `59 s`, `3m12s`, `2h05m`, `12d03h`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    if seconds > 0.0 && seconds < 0.0995 {
        return format!("{:.0} ms", (seconds * 1000.0).max(1.0));
    }
    if seconds > 0.0 && seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let all = whole(seconds);
    let (days, hours, minutes) = (all / 86_400, all / 3600 % 24, all / 60 % 60);
    match all {
        0..60 => format!("{all} s"),
        60..3600 => format!("{minutes}m{:02}s", all % 60),
        3600..86_400 => format!("{hours}h{minutes:02}m"),
        _ if days < 1000 => format!("{days}d{hours:02}h"),
        _ => format!("{days}d"),
    }
}

/// Writes the time between two samples or screens: `100ms`, `1s`, `1h00m`.
#[must_use]
pub fn interval(time: Duration) -> String {
    match time.subsec_millis() {
        0 if time.as_secs() >= 60 => duration(time.as_secs_f64()),
        0 => format!("{}s", time.as_secs()),
        _ => format!("{}ms", time.as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_three_digits() {
        let written = [
            0.0, 0.25, 7.0, 999.0, 1000.0, 12_340.0, 999_600.0, 9.41e9, 1e21,
        ];
        assert_eq!(
            written.map(|value| rate(value, "pps")),
            [
                "0 pps",
                "0.25 pps",
                "7 pps",
                "999 pps",
                "1.00 kpps",
                "12.3 kpps",
                "1.00 Mpps",
                "9.41 Gpps",
                "1000 Epps"
            ]
        );
    }

    #[test]
    fn sizes_have_three_digits() {
        let written = [0.0, 640.0, 1024.0, 15.2 * 1_048_576.0, 1e30];
        let texts = written.map(bytes);
        assert_eq!(texts[..4], ["0 B", "640 B", "1.00 KiB", "15.2 MiB"]);
        assert!(texts[4].ends_with(" EiB"));
    }

    #[test]
    fn small_part_is_not_shown_as_zero() {
        let written = [0.0, 1e-9, 0.0003, 0.041, 0.5, 0.99999, 1.0, f64::NAN];
        assert_eq!(
            written.map(percent),
            [
                "0 %", "<0.01 %", "0.03 %", "4.1 %", "50 %", "99 %", "100 %", "0 %"
            ]
        );
    }

    #[test]
    fn times_have_two_units() {
        let written = [
            0.0,
            0.012,
            0.44,
            12.0,
            192.0,
            7500.0,
            1_047_600.0,
            1e9,
            f64::INFINITY,
        ];
        let texts = written.map(duration);
        assert_eq!(
            texts[..8],
            [
                "0 s", "12 ms", "0.4 s", "12 s", "3m12s", "2h05m", "12d03h", "11574d"
            ]
        );
    }

    #[test]
    fn time_of_another_day_has_its_date() {
        let noon = 1_795_176_000_000_000_000;
        let clock = Clock::utc(noon);
        assert_eq!(clock.time(noon - 3_600_000_000_000), "11:00:00");
        assert_eq!(clock.time(noon - 86_400_000_000_000), "11-19 12:00:00");
        assert_eq!(clock.date_and_time(noon), "2026-11-20 12:00:00 +00:00");
    }
}
