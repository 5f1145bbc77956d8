//! The log of the original HPCAP: a line of rates for each sample.

use std::fmt;
use std::time::Duration;

use hpcap::counters::Delta;

use crate::log::{CPUS, EVENTS, FULL};
use crate::sample::Traffic;

/// A line of the log: `<timestamp> <RX-bps> <RX-pps> <lost-bps> <lost-pps>`. Bits are those of whole
/// frames without FCS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Row {
    /// Seconds since 1970 at the end of the interval.
    pub second: u64,
    /// Received bits a second.
    pub received_bps: u64,
    /// Received frames a second.
    pub received_pps: u64,
    /// Lost bits a second.
    pub lost_bps: u64,
    /// Lost frames a second.
    pub lost_pps: u64,
}

impl Row {
    /// The row of `traffic` in the time `elapsed` that ended at `second`.
    #[must_use]
    pub fn of(second: u64, elapsed: Duration, traffic: &Traffic) -> Self {
        let rate = |count: u64| round(Delta::Grew(count).per_second(elapsed));
        Self {
            second,
            received_bps: rate(traffic.received.bytes.saturating_mul(8)),
            received_pps: rate(traffic.received.frames),
            lost_bps: rate(traffic.lost.bytes.saturating_mul(8)),
            lost_pps: rate(traffic.lost.frames),
        }
    }

    /// Reads a line; `None` if it is not one of this format. Negative numbers, which the original
    /// wrote after counters were reset, are read as 0; a line of the original may have fractions.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut columns = line.split_ascii_whitespace();
        let second = columns.next()?.parse().ok()?;
        let mut rate = || columns.next().and_then(number);
        let row = Self {
            second,
            received_bps: rate()?,
            received_pps: rate()?,
            lost_bps: rate()?,
            lost_pps: rate()?,
        };
        columns.next().is_none().then_some(row)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and rates are not negative"
)]
fn round(rate: f64) -> u64 {
    rate.round() as u64
}

fn number(text: &str) -> Option<u64> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let number: f64 = text.parse().ok()?;
    number.is_finite().then(|| round(number.max(0.0)))
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {} {}",
            self.second, self.received_bps, self.received_pps, self.lost_bps, self.lost_pps
        )
    }
}

/// Returns the name of the log of the interface or adapter `name`, which no other file has.
#[must_use]
pub fn file_name(name: &str) -> String {
    match [CPUS, EVENTS, FULL].contains(&name) || name.starts_with('.') {
        true => format!("_{name}"),
        false => name.replace('/', "_"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use hpcap::Count;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn row_has_bits_and_frames_a_second() {
        let traffic = Traffic {
            received: Count::new(3_000, 300_000),
            lost: Count::new(2, 200),
            ..Traffic::default()
        };
        let row = Row::of(1_795_155_462, Duration::from_secs(2), &traffic);
        assert_eq!(row.to_string(), "1795155462 1200000 1500 800 1");
        assert_eq!(Row::parse(&row.to_string()), Some(row));
    }

    #[test]
    fn line_of_another_format_is_no_row() {
        for line in [
            "",
            "1795155462 0",
            "1 2 3 4",
            "1 2 3 4 5 6",
            "x 1 2 3 4",
            "1 2 3 4 nan",
        ] {
            assert_eq!(Row::parse(line), None, "{line}");
        }
    }

    #[test]
    fn negative_rate_of_the_original_is_zero() {
        let row = Row::parse("1495155462 -17 -1.5 3.5 0").unwrap();
        assert_eq!(
            (row.received_bps, row.received_pps, row.lost_bps),
            (0, 0, 4)
        );
    }

    #[test]
    fn interface_named_like_a_file_has_another_name() {
        assert_eq!(file_name("eth0"), "eth0");
        assert_eq!(file_name("cpus"), "_cpus");
        assert_eq!(file_name("full"), "_full");
    }

    proptest! {
        #[test]
        fn line_is_read_as_it_was_written(n in any::<[u64; 5]>()) {
            let row = Row {
                second: n[0],
                received_bps: n[1],
                received_pps: n[2],
                lost_bps: n[3],
                lost_pps: n[4],
            };
            prop_assert_eq!(Row::parse(&row.to_string()), Some(row));
        }

        #[test]
        fn any_line_is_parsed_without_panic(line in ".{0,60}") {
            let _ = Row::parse(&line);
        }
    }
}
