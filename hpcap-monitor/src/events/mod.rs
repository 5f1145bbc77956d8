//! Conditions that begin and end: losses, links without signal, stuck listeners, disks that fill up, recorders that are
//! gone, logs that cannot be written; and steps of the clock.
//!
//! A condition begins only after it has held for a while, and ends only after it has not held for a
//! while, so that one that comes and goes is one event and not hundreds.

mod condition;
mod outlet;
mod told;
mod watch;

use std::fmt;

use hpcap::message::Level;
use hpcap::report::json_line;
use hpcap::{Result, Timestamp};
use serde::Serialize;

pub use condition::{Change, Condition};
pub use outlet::Outlet;
pub use told::Told;
pub use watch::{Observed, Watch};

/// The topic of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Frames are lost.
    Loss,
    /// An interface has no link.
    LinkDown,
    /// A lossless listener fills the ring and does not read.
    ListenerStuck,
    /// A disk is nearly full.
    DiskNearlyFull,
    /// A queue that should be recorded is not.
    RecorderGone,
    /// A queue has failed.
    QueueFailed,
    /// The logs of the monitor cannot be written.
    LogFailed,
    /// The wall clock was set.
    ClockStepped,
}

impl Topic {
    /// The name of the topic, such as `link_down`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::LinkDown => "link_down",
            Self::ListenerStuck => "listener_stuck",
            Self::DiskNearlyFull => "disk_nearly_full",
            Self::RecorderGone => "recorder_gone",
            Self::QueueFailed => "queue_failed",
            Self::LogFailed => "log_failed",
            Self::ClockStepped => "clock_stepped",
        }
    }
}

/// Whether a condition begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The condition has begun.
    Begin,
    /// The condition has ended.
    End,
    /// The event has no duration.
    Once,
}

/// Something that an operator should know.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// When the condition began or ended, or when the event happened.
    #[serde(serialize_with = "as_text")]
    pub time: Timestamp,
    /// The topic of the event.
    #[serde(rename = "event")]
    pub topic: Topic,
    /// Whether the condition begins or ends.
    pub phase: Phase,
    /// The queue, interface, listener or folder.
    pub subject: String,
    /// Frames that were lost while the condition lasted; only of losses that have ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<u64>,
    /// Seconds that it lasted; only of what has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// A sentence for people.
    pub message: String,
}

fn as_text<S: serde::Serializer>(
    time: &Timestamp,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

impl Event {
    /// The importance of the event: the end of a condition is information.
    #[must_use]
    pub fn level(&self) -> Level {
        match (self.phase, self.topic) {
            (Phase::End, _) => Level::Info,
            (_, Topic::QueueFailed | Topic::LogFailed | Topic::RecorderGone) => Level::Error,
            _ => Level::Warning,
        }
    }

    /// Returns the event as a line of JSON.
    ///
    /// # Errors
    /// None in practice: the fields always have a form in JSON.
    pub fn json_line(&self) -> Result<String> {
        json_line(self)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
