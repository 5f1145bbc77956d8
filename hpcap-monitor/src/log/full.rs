//! The full log: every counter of every sample, as lines of JSON.
//!
//! A file has the samples of one hour (UTC). Its first line, and the first line after each start of the
//! monitor, is a header with the keys of the values that follow, in their order; a sample has the values
//! only. A file whose hour is over is compressed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use hpcap::compress::Decompressor;
use hpcap::counters::{Counter, INTERFACE, LISTENER, QUEUE};
use hpcap::error::Context;
use hpcap::{Result, Timestamp};
use serde::{Deserialize, Serialize};

use crate::sample::Sample;

/// Version of the format, in the header.
const VERSION: u32 = 1;
/// Longest line that is read. A file that is no log must not exhaust memory.
const LINE_BYTES: u64 = 16 << 20;

/// The keys of the values of each sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    hpcap_monitor: u32,
    queue: Vec<String>,
    listener: Vec<String>,
    interface: Vec<String>,
}

/// A sample as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    /// Nanoseconds since 1970.
    time_ns: u64,
    /// Nanoseconds since the machine was started.
    monotonic_ns: u64,
    queues: BTreeMap<String, QueueLine>,
    interfaces: BTreeMap<String, Values>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct QueueLine {
    start_ns: u64,
    values: Vec<u64>,
    listeners: BTreeMap<u64, ListenerLine>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ListenerLine {
    program: String,
    pid: u32,
    values: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Values {
    index: u32,
    values: Vec<u64>,
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

/// Returns the header line.
#[must_use]
pub fn header() -> Vec<u8> {
    line_of(&Header {
        hpcap_monitor: VERSION,
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
    };
    line_of(&Line {
        time_ns: sample.moment.time.as_ns(),
        monotonic_ns: u64::try_from(sample.moment.monotonic.as_nanos()).unwrap_or(u64::MAX),
        queues: sample
            .queues
            .iter()
            .map(|one| (one.name.to_string(), queue(one)))
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

/// A sample that was read from a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Time of the sample.
    pub time: Timestamp,
    /// Nanoseconds since the machine was started.
    pub monotonic_ns: u64,
    /// The values of each queue, by their keys.
    pub queues: BTreeMap<String, BTreeMap<String, u64>>,
    /// The values of each interface, by their keys.
    pub interfaces: BTreeMap<String, BTreeMap<String, u64>>,
}

/// What a log holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FullLog {
    /// The samples, in the order of the file.
    pub samples: Vec<Logged>,
    /// Number of lines that are neither a header nor a sample, such as one that was cut short.
    pub damaged: u64,
}

/// Reads a log, whether or not it is compressed.
///
/// # Errors
/// Errors of the file system, and of a damaged compression.
pub fn read(path: &Path) -> Result<FullLog> {
    let tried = || format!("read the log {}", path.display());
    let file = std::fs::File::open(path).context(tried)?;
    let mut input = BufReader::new(Decompressor::new(file).context(tried)?);
    let mut log = FullLog::default();
    let mut header: Option<Header> = None;
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let read = (&mut input).take(LINE_BYTES).read_until(b'\n', &mut bytes);
        if read.context(tried)? == 0 {
            return Ok(log);
        }
        if let Ok(line) = serde_json::from_slice::<Line>(&bytes)
            && let Some(header) = &header
            && bytes.ends_with(b"\n")
        {
            log.samples.push(named(line, header));
        } else if let Ok(found) = serde_json::from_slice::<Header>(&bytes) {
            header = Some(found);
        } else {
            log.damaged += 1;
        }
    }
}

fn named(line: Line, header: &Header) -> Logged {
    let zip = |keys: &[String], values: Vec<u64>| keys.iter().cloned().zip(values).collect();
    Logged {
        time: Timestamp::from_ns(line.time_ns),
        monotonic_ns: line.monotonic_ns,
        queues: line
            .queues
            .into_iter()
            .map(|(name, queue)| (name, zip(&header.queue, queue.values)))
            .collect(),
        interfaces: line
            .interfaces
            .into_iter()
            .map(|(name, one)| (name, zip(&header.interface, one.values)))
            .collect(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::tests::{interface, listener, queue, sample};

    fn a_sample(second: u32) -> Sample {
        let mut one = queue("hpcap0:1", 7, 1000, 3);
        one.listeners = vec![listener(4, "hpcapdd", 4096)];
        let mut sample = sample(second, vec![one]);
        sample.interfaces = vec![interface("eth0", 2, 55, 1)];
        sample
    }

    #[test]
    fn sample_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, [header(), line(&a_sample(10))].concat()).unwrap();
        let log = read(&path).unwrap();
        assert_eq!((log.samples.len(), log.damaged), (1, 0));
        let sample = &log.samples[0];
        assert_eq!(sample.time, Timestamp::new(10, 0));
        let queue = &sample.queues["hpcap0:1"];
        assert_eq!(queue["ledger.captured.bytes"], 100_000);
        assert_eq!(queue["on_the_wire.frames"], 1003);
        assert_eq!(sample.interfaces["eth0"]["rx_missed_errors"], 1);
    }

    proptest! {
        #[test]
        fn log_cut_anywhere_keeps_its_whole_samples(cut in any::<prop::sample::Index>()) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("log");
            let lines = [header(), line(&a_sample(1)), line(&a_sample(2)), line(&a_sample(3))];
            let text = lines.concat();
            let cut = cut.index(text.len() + 1);
            std::fs::write(&path, &text[..cut]).unwrap();
            let log = read(&path).unwrap();
            let whole = text[..cut].iter().filter(|byte| **byte == b'\n').count();
            prop_assert_eq!(log.samples.len(), whole.saturating_sub(1));
            prop_assert!(log.damaged <= 1);
        }
    }

    #[test]
    fn older_keys_are_those_of_their_header() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let text = concat!(
            r#"{"hpcap_monitor":1,"queue":["b","a"],"listener":[],"interface":[],"new":1}"#,
            "\n",
            r#"{"time_ns":1,"monotonic_ns":1,"queues":{"hpcap0":{"start_ns":0,"values":[7,8],"listeners":{}}},"interfaces":{}}"#,
            "\n"
        );
        std::fs::write(&path, text).unwrap();
        assert_eq!(read(&path).unwrap().samples[0].queues["hpcap0"]["a"], 8);
    }

    #[test]
    fn file_has_the_samples_of_an_hour() {
        let name = file_name(Timestamp::new(1_795_155_462, 0));
        assert_eq!(name, "2026-11-20T06Z.jsonl");
    }
}
