//! Round times for axes.

use hpcap::Timestamp;
use hpcap_chart::Tick;
use jiff::tz::TimeZone;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 86_400;

/// Steps of a time axis in seconds, of which those from a day on are whole days.
const STEPS: [u64; 21] = [
    1,
    2,
    5,
    10,
    15,
    30,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
];

/// Steps of a long time axis in months.
const MONTHS: [u64; 9] = [1, 2, 3, 6, 12, 24, 60, 120, 600];

/// Returns at most `most` round local times from `start` to `end`, with their texts.
pub(super) fn times(start: Timestamp, end: Timestamp, most: u64) -> Vec<Tick> {
    let zone = TimeZone::system();
    let seconds = end.sec().saturating_sub(start.sec()).max(1);
    let fits = |step: &u64| seconds / step <= most.max(1);
    let Some(step) = STEPS.into_iter().find(fits) else {
        return months(start, end, most, &zone);
    };
    let local = |second: i64| {
        let time = jiff::Timestamp::from_second(second).unwrap_or_default();
        time.to_zoned(zone.clone())
    };
    let first = i64::try_from(start.sec()).unwrap_or(0);
    let last = i64::try_from(end.sec()).unwrap_or(0);
    let mut ticks = Vec::new();
    let mut day_before = None;
    let step_signed = i64::try_from(step).unwrap_or(i64::MAX);
    let mut second = first;
    // Round times shift when the clocks are changed, so each is computed from the previous one.
    while second <= last && ticks.len() < 100 {
        let offset = i64::from(local(second).offset().seconds());
        let shift = (second + offset).rem_euclid(step_signed);
        if shift != 0 {
            second += step_signed - shift;
            // The zone may have another offset at that time.
            let there = i64::from(local(second).offset().seconds());
            if step >= HOUR {
                second += offset - there;
            }
            if second > last {
                break;
            }
        }
        let time = local(second);
        let day = time.date();
        let is_new_day = day_before != Some(day);
        day_before = Some(day);
        let (text, below) = match step {
            step if step >= DAY => {
                let year = time.strftime("%Y").to_string();
                let is_new_year = !ticks.iter().any(|tick: &Tick| tick.below == year);
                (
                    time.strftime("%e %b").to_string().trim().to_owned(),
                    if is_new_year { year } else { String::new() },
                )
            }
            step => {
                let form = if step >= MINUTE { "%H:%M" } else { "%H:%M:%S" };
                let below = time.strftime("%e %b %Y").to_string().trim().to_owned();
                (
                    time.strftime(form).to_string(),
                    if is_new_day { below } else { String::new() },
                )
            }
        };
        ticks.push(Tick {
            value: second as f64,
            text,
            below,
        });
        second += step_signed;
    }
    ticks
}

/// Returns at most `most` starts of months.
fn months(start: Timestamp, end: Timestamp, most: u64, zone: &TimeZone) -> Vec<Tick> {
    let date = |time: Timestamp| {
        let second = i64::try_from(time.sec()).unwrap_or(0);
        let instant = jiff::Timestamp::from_second(second).unwrap_or_default();
        instant.to_zoned(zone.clone()).date()
    };
    let number =
        |date: jiff::civil::Date| i64::from(date.year()) * 12 + i64::from(date.month()) - 1;
    let (first, last) = (number(date(start)), number(date(end)));
    let count = u64::try_from(last - first).unwrap_or(0);
    let step = MONTHS
        .into_iter()
        .find(|step| count / step <= most)
        .unwrap_or(1200);
    let step = i64::try_from(step).unwrap_or(1200);
    let mut ticks: Vec<Tick> = Vec::new();
    let mut year_before = None;
    for month in (first..=last).filter(|month| month % step == 0) {
        let year = i16::try_from(month / 12).unwrap_or(i16::MAX);
        let month = i8::try_from(month % 12 + 1).unwrap_or(1);
        let day = jiff::civil::Date::new(year, month, 1).and_then(|day| day.to_zoned(zone.clone()));
        let Ok(day) = day else {
            continue;
        };
        let second = u64::try_from(day.timestamp().as_second()).unwrap_or(0);
        if second < start.sec() {
            continue;
        }
        let is_new = year_before.replace(year) != Some(year);
        ticks.push(Tick {
            value: second as f64,
            text: day.strftime("%b").to_string(),
            below: if is_new {
                year.to_string()
            } else {
                String::new()
            },
        });
    }
    ticks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_time_has_few_marks(start in 0_u32.., seconds in 0_u32.., most in 1_u64..12) {
            let start = Timestamp::new(start, 0);
            let end = Timestamp::from_ns(start.as_ns() + u64::from(seconds) * 1_000_000_000);
            let ticks = times(start, end, most);
            prop_assert!(ticks.len() as u64 <= most + 2);
            let inside = |tick: &Tick| tick.value >= start.sec() as f64 && tick.value <= end.sec() as f64;
            prop_assert!(ticks.iter().all(inside));
            prop_assert!(ticks.windows(2).all(|pair| pair[0].value < pair[1].value));
        }
    }
}
