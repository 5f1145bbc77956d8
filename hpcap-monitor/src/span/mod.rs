//! Spans of time in which one thing happened to an adapter or interface.

mod between;
mod line;

use std::time::Duration;

use hpcap::Timestamp;
use serde::{Serialize, Serializer};

use crate::log::original::Row;
use crate::sample::Traffic;

pub use between::{spans_between, spans_of_samples};

/// The state of a span of time.
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
    /// The log has no samples. It may still tell how many frames there were, but not when.
    NoData,
}

impl State {
    fn of(received: bool, lost: bool) -> Self {
        match (received, lost) {
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

    /// Whether frames were lost, and the log tells when.
    #[must_use]
    pub const fn has_losses(self) -> bool {
        matches!(self, Self::Losses | Self::LossesOnly)
    }
}

/// A span of time in one state.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Span {
    /// Its start by the wall clock.
    #[serde(rename = "from", serialize_with = "as_seconds")]
    pub start: Timestamp,
    /// Its end by the wall clock.
    #[serde(rename = "to", serialize_with = "as_seconds")]
    pub end: Timestamp,
    /// Its length, by a monotonic clock.
    #[serde(rename = "seconds", serialize_with = "as_length")]
    pub elapsed: Duration,
    /// What happened.
    pub state: State,
    /// The frames.
    #[serde(flatten, serialize_with = "as_frames")]
    pub traffic: Traffic,
    /// Highest rate of reception between two samples, in bits a second.
    pub highest_bps: u64,
    /// Lowest rate of reception between two samples, in bits a second.
    pub lowest_bps: u64,
    /// Highest rate of losses between two samples, in frames a second.
    pub highest_lost_pps: u64,
    /// The holder of the ring when the most frames were lost; `None` if there was none, or the log does not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
}

/// Writes a time as seconds since 1970.
pub(crate) fn as_seconds<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    // Thousandths are as exact as the samples, and a double holds them exactly enough.
    to.serialize_f64((time.as_ns() / 1_000_000) as f64 / 1000.0)
}

/// Writes a length in seconds.
pub(crate) fn as_length<S: Serializer>(length: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(length.as_millis() as f64 / 1000.0)
}

fn as_frames<S: Serializer>(traffic: &Traffic, to: S) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeMap;
    let mut map = to.serialize_map(None)?;
    map.serialize_entry("received_frames", &traffic.received.frames)?;
    map.serialize_entry("received_bytes", &traffic.received.bytes)?;
    map.serialize_entry("lost_frames", &traffic.lost.frames)?;
    map.serialize_entry("lost_bytes", &traffic.lost.bytes)?;
    map.serialize_entry("lost_by_cause", &traffic.causes)?;
    map.end()
}

impl Span {
    /// The span of `traffic` in the time `elapsed` that ended at `end`.
    #[must_use]
    pub fn of(end: Timestamp, elapsed: Duration, traffic: Traffic) -> Self {
        let row = Row::of(end.sec(), elapsed, &traffic);
        let length = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let received = traffic.received.frames > 0 || traffic.received.bytes > 0;
        let lost = traffic.lost.frames > 0 || traffic.lost.bytes > 0;
        Self {
            start: Timestamp::from_ns(end.as_ns().saturating_sub(length)),
            end,
            elapsed,
            state: State::of(received, lost),
            traffic,
            highest_bps: row.received_bps,
            lowest_bps: row.received_bps,
            highest_lost_pps: row.lost_pps,
            holder: None,
        }
    }

    /// A span between two moments about which nothing is known.
    #[must_use]
    pub fn without_data(start: Timestamp, end: Timestamp) -> Self {
        let length = end.as_ns().saturating_sub(start.as_ns());
        Self::of(end, Duration::from_nanos(length), Traffic::default()).as_gap()
    }

    /// Returns a span of the same time and frames that does not say when the frames came.
    #[must_use]
    pub fn as_gap(mut self) -> Self {
        self.state = State::NoData;
        self.highest_bps = 0;
        self.lowest_bps = u64::MAX;
        self.highest_lost_pps = 0;
        self
    }

    /// Received bits.
    #[must_use]
    pub const fn received_bits(&self) -> u64 {
        self.traffic.received.bytes.saturating_mul(8)
    }

    /// Adds `next`, which has the same state and follows.
    pub fn join(&mut self, next: Self) {
        self.end = next.end;
        self.elapsed = self.elapsed.saturating_add(next.elapsed);
        if next.highest_lost_pps > self.highest_lost_pps || self.holder.is_none() {
            self.holder = next.holder.or(self.holder.take());
        }
        self.traffic.add(next.traffic);
        self.highest_bps = self.highest_bps.max(next.highest_bps);
        self.lowest_bps = self.lowest_bps.min(next.lowest_bps);
        self.highest_lost_pps = self.highest_lost_pps.max(next.highest_lost_pps);
    }
}
