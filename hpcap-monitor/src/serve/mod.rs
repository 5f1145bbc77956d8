//! What the monitor publishes: a page and metrics over HTTP, and a file for node_exporter.

pub mod http;
mod listeners;
pub mod metrics;
mod page;
mod shared;
pub mod textfile;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::events::{Event, Told, Topic};
use crate::history::History;
use crate::sample::Sample;
use crate::span::Span;

pub use metrics::Format;
pub use shared::Shared;

/// What the monitor publishes.
#[derive(Debug, Clone, Default)]
pub struct Published {
    /// The last sample; `None` before the first.
    pub sample: Option<Arc<Sample>>,
    /// What happened to each adapter and interface between the last two samples.
    pub spans: BTreeMap<String, Span>,
    /// The last hour and day.
    pub history: Arc<Mutex<History>>,
    /// The conditions that have begun and not ended.
    pub active: Vec<(Topic, String)>,
    /// The events with which these conditions began.
    pub conditions: Vec<Event>,
    /// The last events, from the oldest on.
    pub recent: Vec<Told>,
    /// Folders of logs and captures, with the use of their disk in percent.
    pub disks: Vec<(PathBuf, f64)>,
    /// Number of samples since the monitor started.
    pub samples: u64,
    /// Number of samples that were due while the monitor could not run.
    pub missed: u64,
    /// Number of samples and events that could not be written.
    pub unwritten: u64,
}
