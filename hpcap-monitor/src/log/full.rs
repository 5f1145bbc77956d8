//! The full log: every counter of every sample, as lines of JSON.
//!
//! A file has the samples of one hour (UTC). Its first line, and the first line after each start of the
//! monitor, is a header with the keys of the values that follow, in their order; a sample has the values
//! only. A new file begins with the last sample of the file before, so that each file by itself tells
//! all traffic that ended in its hour. A file whose hour is over is compressed, and has an
//! [index](super::index) beside it.

use std::collections::BTreeMap;
use std::time::Duration;

use hpcap::Timestamp;
use hpcap::counters::{Counter, INTERFACE, LISTENER, QUEUE};
use serde::{Deserialize, Serialize};

use crate::sample::Sample;

/// Version of the format, in the header.
const VERSION: u32 = 1;

/// The keys of the values of each sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) hpcap_monitor: u32,
    /// Nanoseconds between two samples; 0 if the log does not say it.
    #[serde(default)]
    pub(super) interval_ns: u64,
    /// Identifies the boot of the machine: each boot has another value. It is empty if the log does not have it.
    #[serde(default)]
    pub(super) boot: String,
    pub(super) queue: Vec<String>,
    pub(super) listener: Vec<String>,
    pub(super) interface: Vec<String>,
}

/// A sample as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    /// Nanoseconds since 1970.
    pub(super) time_ns: u64,
    /// Nanoseconds since the machine was started.
    pub(super) monotonic_ns: u64,
    pub(super) queues: BTreeMap<String, QueueLine>,
    pub(super) interfaces: BTreeMap<String, Values>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct QueueLine {
    pub(super) start_ns: u64,
    pub(super) values: Vec<u64>,
    pub(super) listeners: BTreeMap<u64, ListenerLine>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ListenerLine {
    pub(super) program: String,
    pub(super) pid: u32,
    pub(super) values: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Values {
    pub(super) index: u32,
    pub(super) values: Vec<u64>,
    /// The statistics of the driver that are not 0, in the samples for which they were read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) driver: BTreeMap<String, u64>,
}

fn keys<S>(rows: &[Counter<S>]) -> Vec<String> {
    rows.iter().map(|row| row.key.to_owned()).collect()
}

fn values<S>(rows: &[Counter<S>], reading: &S) -> Vec<u64> {
    rows.iter().map(|row| row.value(reading)).collect()
}

fn line_of(object: &impl Serialize) -> Vec<u8> {
    // Numbers and text always have a form in JSON.
    let mut line = serde_json::to_vec(object).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Returns the header line of a log whose samples are `interval` apart, taken since the start of the
/// machine that `boot` names.
#[must_use]
pub fn header(interval: Duration, boot: &str) -> Vec<u8> {
    line_of(&Header {
        hpcap_monitor: VERSION,
        interval_ns: u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX),
        boot: boot.to_owned(),
        queue: keys(QUEUE),
        listener: keys(LISTENER),
        interface: keys(INTERFACE),
    })
}

/// Returns the line of a sample.
#[must_use]
pub fn line(sample: &Sample) -> Vec<u8> {
    let queue = |queue: &crate::sample::QueueSample| QueueLine {
        start_ns: queue.start.as_ns(),
        values: values(QUEUE, &queue.reading),
        listeners: queue
            .listeners
            .iter()
            .map(|listener| {
                let line = ListenerLine {
                    program: listener.program.clone(),
                    pid: listener.pid,
                    values: values(LISTENER, &listener.reading),
                };
                (listener.id, line)
            })
            .collect(),
    };
    let interface = |interface: &crate::sample::InterfaceSample| Values {
        index: interface.index,
        values: values(INTERFACE, &interface.reading),
        driver: match interface.driver.read == sample.moment.monotonic {
            true => {
                let values = interface.driver.values.iter();
                let values = values.filter(|(_, value)| **value != 0);
                values.map(|(name, value)| (name.clone(), *value)).collect()
            }
            false => BTreeMap::new(),
        },
    };
    line_of(&Line {
        time_ns: sample.moment.time.as_ns(),
        monotonic_ns: u64::try_from(sample.moment.monotonic.as_nanos()).unwrap_or(u64::MAX),
        queues: sample
            .queues
            .iter()
            .enumerate()
            .map(|(at, one)| {
                // A queue that has ended, with the queue of the same name that follows it.
                let has_successor = sample.queues[at + 1..].iter().any(|q| q.name == one.name);
                let name = match has_successor {
                    true => format!("{}@{}", one.name, one.start.as_ns()),
                    false => one.name.to_string(),
                };
                (name, queue(one))
            })
            .collect(),
        interfaces: sample
            .interfaces
            .iter()
            .map(|one| (one.name.clone(), interface(one)))
            .collect(),
    })
}

/// Returns the name of the file for samples at `time`.
#[must_use]
pub fn file_name(time: Timestamp) -> String {
    let (year, month, day, hour, _, _) = time.utc();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}Z.jsonl")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn file_has_the_samples_of_an_hour() {
        let name = file_name(Timestamp::new(1_795_155_462, 0));
        assert_eq!(name, "2026-11-20T06Z.jsonl");
    }
}
