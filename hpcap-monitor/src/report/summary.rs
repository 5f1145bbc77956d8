//! The sums of a log.

use serde::Serialize;

use super::timeline::{Span, State, spans, with_times};
use crate::log::original::Row;

/// What a log says, from the first frame to the last.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The sums.
    pub summary: Summary,
    /// What happened one after another.
    pub timeline: Vec<Span>,
}

/// The sums of a log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Seconds since 1970 at the start.
    pub from: u64,
    /// Seconds since 1970 at the end.
    pub to: u64,
    /// Seconds that the rows describe.
    pub observed_seconds: u64,
    /// Seconds between start and end that no row describes.
    pub missing_seconds: u64,
    /// Usual time between two rows, in seconds.
    pub interval_seconds: u64,
    /// Received frames.
    pub received_frames: u64,
    /// Received bytes.
    pub received_bytes: u64,
    /// Lost frames.
    pub lost_frames: u64,
    /// Lost bytes, as far as the lengths of lost frames are known or estimated.
    pub lost_bytes: u64,
    /// Lost frames among all, in percent.
    pub lost_percent: f64,
    /// Seconds of rows with losses.
    pub seconds_with_losses: u64,
    /// Received bits a second, on average of the observed time.
    pub mean_bps: f64,
    /// Most received bits a second in a row.
    pub highest_bps: u64,
    /// Least received bits a second in a row.
    pub lowest_bps: u64,
    /// Most lost frames a second in a row.
    pub highest_lost_pps: u64,
    /// Lines that are no lines of a log, such as one that was cut short.
    pub damaged_lines: u64,
}

impl Report {
    /// Reports `rows`, without those before the first frame and after the last. Returns `None` if there
    /// are no rows. A log without a frame is reported whole.
    #[must_use]
    pub fn of(rows: &[Row], damaged_lines: u64) -> Option<Self> {
        let has_frames = |row: &Row| row.received_pps + row.lost_pps + row.received_bps > 0;
        let first = rows.iter().position(has_frames).unwrap_or(0);
        let last = rows
            .iter()
            .rposition(has_frames)
            .map_or(rows.len(), |at| at + 1);
        let (interval_seconds, mut timed) = with_times(rows);
        timed.truncate(last);
        timed.drain(..first);
        // What is missing before the first row is before the report.
        let start = timed.first_mut()?;
        start.missing = 0;
        let from = start.row.second.saturating_sub(start.seconds);
        let timeline = spans(&timed);
        let sum = |part: fn(&Span) -> u64| timeline.iter().map(part).fold(0, u64::saturating_add);
        let seconds_in = |states: &[State]| {
            timeline
                .iter()
                .filter(|span| states.contains(&span.state))
                .map(|span| span.seconds)
                .sum::<u64>()
        };
        let missing_seconds = seconds_in(&[State::NoData]);
        let observed_seconds = sum(|span| span.seconds) - missing_seconds;
        let received_frames = sum(|span| span.received_frames);
        let received_bits = sum(|span| span.received_bits);
        let lost_frames = sum(|span| span.lost_frames);
        let lost_bits = timed.iter().fold(0_u64, |sum, timed| {
            sum.saturating_add(timed.row.lost_bps.saturating_mul(timed.seconds))
        });
        let all = received_frames.saturating_add(lost_frames);
        let of_rows = |value: fn(&Row) -> u64| timed.iter().map(move |timed| value(&timed.row));
        Some(Self {
            summary: Summary {
                from,
                to: timed.last()?.row.second,
                observed_seconds,
                missing_seconds,
                interval_seconds,
                received_frames,
                received_bytes: received_bits / 8,
                lost_frames,
                lost_bytes: lost_bits / 8,
                lost_percent: ratio(lost_frames, all) * 100.0,
                seconds_with_losses: seconds_in(&[State::Losses, State::LossesOnly]),
                mean_bps: ratio(received_bits, observed_seconds),
                highest_bps: of_rows(|row| row.received_bps).max()?,
                lowest_bps: of_rows(|row| row.received_bps).min()?,
                highest_lost_pps: of_rows(|row| row.lost_pps).max()?,
                damaged_lines,
            },
            timeline,
        })
    }
}

fn ratio(part: u64, all: u64) -> f64 {
    match all {
        0 => 0.0,
        all => part as f64 / all as f64,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Rows of received and lost frames a second, each frame of 100 bytes.
    fn rows(rates: &[(u64, u64, u64)]) -> Vec<Row> {
        let row = |(second, received, lost): &(u64, u64, u64)| Row {
            second: *second,
            received_bps: 800 * received,
            received_pps: *received,
            lost_bps: 800 * lost,
            lost_pps: *lost,
        };
        rates.iter().map(row).collect()
    }

    fn report(rates: &[(u64, u64, u64)]) -> Report {
        Report::of(&rows(rates), 0).unwrap()
    }

    #[test]
    fn idle_rows_at_both_ends_are_left_out() {
        let report = report(&[(10, 0, 0), (11, 0, 0), (12, 5, 0), (13, 7, 0), (14, 0, 0)]);
        assert_eq!((report.summary.from, report.summary.to), (11, 13));
        assert_eq!(report.summary.received_frames, 12);
    }

    #[test]
    fn interval_counts_in_the_sums() {
        // The original added rates up, whatever the time between them.
        let summary = report(&[(10, 5, 1), (20, 5, 1), (30, 5, 0)]).summary;
        assert_eq!(summary.interval_seconds, 10);
        assert_eq!((summary.received_frames, summary.lost_frames), (150, 20));
        assert_eq!(
            (summary.received_bytes, summary.lost_bytes),
            (15_000, 2_000)
        );
        assert_eq!(summary.mean_bps, 4000.0);
    }

    #[test]
    fn losses_are_those_of_each_span() {
        // The original's losses of a span were those of all spans before it, too.
        let report = report(&[(1, 9, 1), (2, 9, 1), (3, 9, 0), (4, 9, 3)]);
        let spans: Vec<(State, u64)> = report
            .timeline
            .iter()
            .map(|span| (span.state, span.lost_frames))
            .collect();
        assert_eq!(
            spans,
            [(State::Losses, 2), (State::Received, 0), (State::Losses, 3)]
        );
        assert_eq!(report.summary.seconds_with_losses, 3);
        assert_eq!(report.summary.lost_percent, 100.0 * 5.0 / 41.0);
    }

    #[test]
    fn missing_rows_are_a_span_without_data() {
        let report = report(&[(1, 9, 0), (2, 9, 0), (3, 9, 0), (13, 9, 0), (14, 9, 0)]);
        let spans: Vec<(State, u64, u64)> = report
            .timeline
            .iter()
            .map(|span| (span.state, span.from, span.seconds))
            .collect();
        assert_eq!(
            spans,
            [
                (State::Received, 0, 3),
                (State::NoData, 3, 9),
                (State::Received, 12, 2)
            ]
        );
        assert_eq!(report.summary.missing_seconds, 9);
        assert_eq!(report.summary.received_frames, 45);
    }

    #[test]
    fn clock_that_was_set_back_makes_no_negative_time() {
        let summary = report(&[(100, 9, 0), (101, 9, 0), (51, 9, 0), (52, 9, 0)]).summary;
        assert_eq!(summary.observed_seconds, 4);
        assert_eq!(summary.received_frames, 36);
    }

    #[test]
    fn log_without_frames_is_reported_whole() {
        let summary = report(&[(10, 0, 0), (11, 0, 0)]).summary;
        assert_eq!(
            (summary.from, summary.to, summary.lost_percent),
            (9, 11, 0.0)
        );
        assert_eq!(Report::of(&[], 7), None);
    }

    proptest! {
        #[test]
        fn any_rows_are_reported(values in proptest::collection::vec(any::<[u64; 5]>(), 1..20)) {
            let rows: Vec<Row> = values.iter().map(|n| Row {
                second: n[0] >> 16,
                received_bps: n[1] >> 1,
                received_pps: n[2] >> 2,
                lost_bps: n[3] >> 1,
                lost_pps: n[4] >> 2,
            }).collect();
            let report = Report::of(&rows, 0).unwrap();
            prop_assert!((0.0..=100.0).contains(&report.summary.lost_percent));
            prop_assert!(!report.to_string().is_empty());
        }
    }
}
