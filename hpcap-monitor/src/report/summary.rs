//! The sums of a log.

use std::time::Duration;

use hpcap::Timestamp;
use serde::Serialize;

use super::Timeline;
use super::buckets::Buckets;
use crate::sample::{Causes, Traffic};
use crate::span::{Span, State, as_length, as_seconds};

/// The summary of a log, from its first frame to its last.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The adapter, the interface or the file.
    pub subject: String,
    /// The sums.
    pub summary: Summary,
    /// The spans of time, one after another.
    pub timeline: Vec<Span>,
    /// The traffic by equal parts of the time.
    #[serde(skip)]
    pub buckets: Buckets,
}

/// The log from which a report is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// Usual time between two samples.
    pub interval: Duration,
    /// Lines that are no lines of a log, such as one that was cut short.
    pub damaged_lines: u64,
    /// Files that could not be read to their end.
    pub damaged_files: u64,
    /// Up to when numbers come from the rounded rates of the original's log; `None` if none do.
    pub rounded_until: Option<Timestamp>,
}

/// The sums of a log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Start, in seconds since 1970.
    #[serde(serialize_with = "as_seconds")]
    pub from: Timestamp,
    /// End, in seconds since 1970.
    #[serde(serialize_with = "as_seconds")]
    pub to: Timestamp,
    /// Time that samples describe.
    #[serde(rename = "observed_seconds", serialize_with = "as_length")]
    pub observed: Duration,
    /// Time between start and end that no sample describes.
    #[serde(rename = "missing_seconds", serialize_with = "as_length")]
    pub missing: Duration,
    /// Usual time between two samples.
    #[serde(rename = "interval_seconds", serialize_with = "as_length")]
    pub interval: Duration,
    /// Whether all numbers are exact; otherwise, some come from the rounded rates of the original's log.
    pub exact: bool,
    /// Up to when numbers come from rounded rates.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "as_optional_seconds")]
    pub rounded_until: Option<Timestamp>,
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
    /// The lost frames by their cause.
    pub lost_by_cause: Causes,
    /// Lost frames whose time is unknown, because the log has no samples of that time.
    pub lost_without_time: u64,
    /// Start of the first loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "as_optional_seconds")]
    pub first_loss: Option<Timestamp>,
    /// End of the last loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "as_optional_seconds")]
    pub last_loss: Option<Timestamp>,
    /// Who held the ring back in the worst loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Time of samples with losses.
    #[serde(rename = "seconds_with_losses", serialize_with = "as_length")]
    pub with_losses: Duration,
    /// Received bits a second, on average of the observed time.
    pub mean_bps: f64,
    /// Highest rate of reception between two samples, in bits a second.
    pub highest_bps: u64,
    /// Lowest rate of reception between two samples, in bits a second.
    pub lowest_bps: u64,
    /// Highest rate of losses between two samples, in frames a second.
    pub highest_lost_pps: u64,
    /// Lines that are no lines of a log, such as one that was cut short.
    pub damaged_lines: u64,
    /// Files that could not be read to their end.
    pub damaged_files: u64,
}

fn as_optional_seconds<S: serde::Serializer>(
    time: &Option<Timestamp>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => as_seconds(time, to),
        None => to.serialize_none(),
    }
}

impl Report {
    /// Reports a timeline of `subject`, without what was before the first frame and after the last.
    /// Returns `None` if the timeline is empty. A log without a frame is reported whole.
    #[must_use]
    pub fn of(subject: &str, timeline: Timeline, facts: &Facts) -> Option<Self> {
        let (timeline, buckets) = timeline.finish();
        let (first, last) = (timeline.first()?, timeline.last()?);
        let all = || timeline.iter();
        let observed = || all().filter(|span| span.state != State::NoData);
        let losses = || all().filter(|span| span.state.has_losses());
        let time = |spans: &mut dyn Iterator<Item = &Span>| -> Duration {
            spans
                .map(|span| span.elapsed)
                .fold(Duration::ZERO, Duration::saturating_add)
        };
        let missing = time(&mut all().filter(|span| span.state == State::NoData));
        let observed_time = time(&mut observed());
        let mut sum = Traffic::default();
        all().for_each(|span| sum.add(span.traffic));
        let observed_bits =
            observed().fold(0, |sum: u64, span| sum.saturating_add(span.received_bits()));
        let worst = losses().filter(|span| span.holder.is_some());
        let worst = worst.max_by_key(|span| span.traffic.causes.ring_full);
        let on_the_wire = sum.received.frames.saturating_add(sum.lost.frames);
        let unseen = all().filter(|span| span.state == State::NoData);
        Some(Self {
            subject: subject.to_owned(),
            summary: Summary {
                from: first.start,
                to: last.end,
                observed: observed_time,
                missing,
                interval: facts.interval,
                exact: facts.rounded_until.is_none(),
                rounded_until: facts.rounded_until,
                received_frames: sum.received.frames,
                received_bytes: sum.received.bytes,
                lost_frames: sum.lost.frames,
                lost_bytes: sum.lost.bytes,
                lost_percent: match on_the_wire {
                    0 => 0.0,
                    all => 100.0 * sum.lost.frames as f64 / all as f64,
                },
                lost_by_cause: sum.causes,
                lost_without_time: unseen.fold(0, |sum, span| sum + span.traffic.lost.frames),
                first_loss: losses().next().map(|span| span.start),
                last_loss: losses().next_back().map(|span| span.end),
                holder: worst.and_then(|span| span.holder.clone()),
                with_losses: time(&mut losses()),
                mean_bps: match observed_time.as_secs_f64() {
                    seconds if seconds > 0.0 => observed_bits as f64 / seconds,
                    _ => 0.0,
                },
                highest_bps: observed().map(|span| span.highest_bps).max().unwrap_or(0),
                lowest_bps: observed().map(|span| span.lowest_bps).min().unwrap_or(0),
                highest_lost_pps: observed()
                    .map(|span| span.highest_lost_pps)
                    .max()
                    .unwrap_or(0),
                damaged_lines: facts.damaged_lines,
                damaged_files: facts.damaged_files,
            },
            timeline,
            buckets,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::original::Row;
    use crate::report::rounded::Rows;

    /// Reports rows of received and lost frames a second, each frame of 100 bytes.
    fn report(rates: &[(u64, u64, u64)]) -> Report {
        let row = |(second, received, lost): &(u64, u64, u64)| Row {
            second: *second,
            received_bps: 800 * received,
            received_pps: *received,
            lost_bps: 800 * lost,
            lost_pps: *lost,
        };
        of_rows(&rates.iter().map(row).collect::<Vec<_>>()).unwrap()
    }

    fn of_rows(rows: &[Row]) -> Option<Report> {
        let mut timeline = Timeline::default();
        let mut times = Rows::default();
        let mut spans: Vec<Span> = rows.iter().flat_map(|row| times.add(*row)).collect();
        spans.extend(times.finish());
        let interval = times.interval();
        spans
            .into_iter()
            .for_each(|span| timeline.add(span, interval));
        let facts = Facts {
            interval,
            ..Facts::default()
        };
        Report::of("hpcap0", timeline, &facts)
    }

    fn states(report: &Report) -> Vec<(State, u64)> {
        let spans = report.timeline.iter();
        spans
            .map(|span| (span.state, span.traffic.lost.frames))
            .collect()
    }

    #[test]
    fn idle_rows_at_both_ends_are_left_out() {
        let report = report(&[(10, 0, 0), (11, 0, 0), (12, 5, 0), (13, 7, 0), (14, 0, 0)]);
        assert_eq!(
            (report.summary.from.sec(), report.summary.to.sec()),
            (11, 13)
        );
        assert_eq!(report.summary.received_frames, 12);
    }

    #[test]
    fn interval_counts_in_the_sums() {
        // The original added rates up, whatever the time between them.
        let summary = report(&[(10, 5, 1), (20, 5, 1), (30, 5, 0)]).summary;
        assert_eq!(summary.interval, Duration::from_secs(10));
        assert_eq!((summary.received_frames, summary.lost_frames), (150, 20));
        assert_eq!(
            (summary.received_bytes, summary.lost_bytes),
            (15_000, 2_000)
        );
        assert_eq!(summary.mean_bps, 4000.0);
    }

    #[test]
    fn each_span_has_its_own_losses() {
        // The original's losses of a span were those of all spans before it, too.
        let report = report(&[(1, 9, 1), (2, 9, 1), (3, 9, 0), (4, 9, 3)]);
        assert_eq!(
            states(&report),
            [(State::Losses, 2), (State::Received, 0), (State::Losses, 3)]
        );
        let summary = report.summary;
        assert_eq!(summary.with_losses, Duration::from_secs(3));
        assert_eq!(summary.lost_percent, 100.0 * 5.0 / 41.0);
        assert_eq!(summary.lost_by_cause.unknown, 5);
        assert_eq!(summary.first_loss.unwrap().sec(), 0);
        assert_eq!(summary.last_loss.unwrap().sec(), 4);
    }

    #[test]
    fn missing_rows_are_a_span_without_data() {
        let report = report(&[(1, 9, 0), (2, 9, 0), (3, 9, 0), (43, 9, 0), (44, 9, 0)]);
        let spans: Vec<(State, u64, u64)> = report
            .timeline
            .iter()
            .map(|span| (span.state, span.start.sec(), span.elapsed.as_secs()))
            .collect();
        assert_eq!(
            spans,
            [
                (State::Received, 0, 3),
                (State::NoData, 3, 39),
                (State::Received, 42, 2)
            ]
        );
        assert_eq!(report.summary.missing, Duration::from_secs(39));
        assert_eq!(report.summary.received_frames, 45);
    }

    #[test]
    fn clock_that_was_set_back_makes_no_negative_time() {
        let summary = report(&[(100, 9, 0), (101, 9, 0), (51, 9, 0), (52, 9, 0)]).summary;
        assert_eq!(summary.observed, Duration::from_secs(4));
        assert_eq!(summary.received_frames, 36);
    }

    #[test]
    fn log_without_frames_is_reported_whole() {
        let summary = report(&[(10, 0, 0), (11, 0, 0)]).summary;
        assert_eq!((summary.from.sec(), summary.to.sec()), (9, 11));
        assert_eq!(summary.lost_percent, 0.0);
        assert_eq!(of_rows(&[]), None);
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
            let report = of_rows(&rows).unwrap();
            prop_assert!((0.0..=100.0).contains(&report.summary.lost_percent));
            prop_assert!(!report.to_string().is_empty());
        }
    }
}
