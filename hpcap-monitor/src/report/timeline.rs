//! Consecutive rows of the same kind.

use serde::Serialize;

use crate::log::original::Row;

/// What happened in a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No frames.
    Idle,
    /// Frames, and no losses.
    Received,
    /// Frames, and losses.
    Losses,
    /// Losses only.
    LossesOnly,
    /// The log has no rows.
    NoData,
}

impl State {
    fn of(row: &Row) -> Self {
        let (received, lost) = (row.received_pps, row.lost_pps);
        match (received + row.received_bps > 0, lost + row.lost_bps > 0) {
            (false, false) => Self::Idle,
            (true, false) => Self::Received,
            (true, true) => Self::Losses,
            (false, true) => Self::LossesOnly,
        }
    }

    /// The state in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Received => "received",
            Self::Losses => "losses",
            Self::LossesOnly => "losses only",
            Self::NoData => "no data",
        }
    }
}

/// A span of time in one state.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Span {
    /// Seconds since 1970 at its start.
    pub from: u64,
    /// Its length in seconds.
    pub seconds: u64,
    /// What happened.
    pub state: State,
    /// Received frames.
    pub received_frames: u64,
    /// Received bits.
    pub received_bits: u64,
    /// Lost frames.
    pub lost_frames: u64,
}

/// A row with the time that it describes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timed {
    pub(super) row: Row,
    /// Seconds between the row before and this one.
    pub(super) seconds: u64,
    /// Seconds before that for which the log has no rows.
    pub(super) missing: u64,
}

/// Finds the time that each row describes. It is the time since the row before, unless rows are
/// missing there, or the clock was set back; then it is the usual time between two rows.
pub(super) fn with_times(rows: &[Row]) -> (u64, Vec<Timed>) {
    let usual = usual_interval(rows);
    let before = std::iter::once(None).chain(rows.iter().map(|row| Some(row.second)));
    let timed = rows
        .iter()
        .zip(before)
        .map(|(row, before)| {
            let passed = before.and_then(|before| row.second.checked_sub(before));
            let (seconds, missing) = match passed {
                // A busy machine may delay one row by one interval.
                Some(passed) if passed > 0 && passed <= usual.saturating_mul(2) => (passed, 0),
                Some(passed) if passed > 0 => (usual, passed - usual),
                _ => (usual, 0),
            };
            Timed {
                row: *row,
                seconds,
                missing,
            }
        })
        .collect();
    (usual, timed)
}

/// Returns the median of the times between rows, at least a second.
fn usual_interval(rows: &[Row]) -> u64 {
    let mut intervals: Vec<u64> = rows
        .windows(2)
        .filter_map(|pair| pair[1].second.checked_sub(pair[0].second))
        .filter(|passed| *passed > 0)
        .collect();
    let middle = intervals.len() / 2;
    match intervals.is_empty() {
        true => 1,
        false => *intervals.select_nth_unstable(middle).1,
    }
}

/// Joins consecutive rows of the same state.
pub(super) fn spans(rows: &[Timed]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for timed in rows {
        let Timed {
            row,
            seconds,
            missing,
        } = *timed;
        let start = row.second.saturating_sub(seconds);
        if missing > 0 {
            spans.push(Span {
                from: start.saturating_sub(missing),
                seconds: missing,
                state: State::NoData,
                received_frames: 0,
                received_bits: 0,
                lost_frames: 0,
            });
        }
        let state = State::of(&row);
        if spans.last().is_none_or(|span| span.state != state) {
            spans.push(Span {
                from: start,
                seconds: 0,
                state,
                received_frames: 0,
                received_bits: 0,
                lost_frames: 0,
            });
        }
        if let Some(span) = spans.last_mut() {
            let amount = |rate: u64| rate.saturating_mul(seconds);
            span.seconds += seconds;
            span.received_frames = span
                .received_frames
                .saturating_add(amount(row.received_pps));
            span.received_bits = span.received_bits.saturating_add(amount(row.received_bps));
            span.lost_frames = span.lost_frames.saturating_add(amount(row.lost_pps));
        }
    }
    spans
}
