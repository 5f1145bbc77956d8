//! Events that were told, for the page.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use hpcap::Timestamp;
use hpcap::time::parse_time;
use serde::Deserialize;

use super::Event;

/// Bytes at the end of the file of events that are read.
const TAIL_BYTES: u64 = 16 << 10;

/// An event that was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// When it began, ended or happened.
    pub time: Timestamp,
    /// The sentence.
    pub message: String,
}

impl From<&Event> for Told {
    fn from(event: &Event) -> Self {
        Self {
            time: event.time,
            message: event.message.clone(),
        }
    }
}

#[derive(Deserialize)]
struct Line {
    time: String,
    message: String,
}

impl Told {
    /// Reads the last `most` events of the file at `path`, from the oldest on. What cannot be read is
    /// missing.
    #[must_use]
    pub fn read_last(path: &Path, most: usize) -> Vec<Self> {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|mut file| {
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
            file.take(TAIL_BYTES).read_to_end(&mut bytes)
        });
        if read.is_err() {
            return Vec::new();
        }
        let lines = bytes.split(|byte| *byte == b'\n');
        let events = lines.filter_map(|line| {
            let line: Line = serde_json::from_slice(line).ok()?;
            Some(Self {
                time: parse_time(&line.time).ok()?,
                message: line.message,
            })
        });
        let mut events: Vec<Self> = events.collect();
        events.drain(..events.len().saturating_sub(most));
        events
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::events::{Phase, Topic};

    #[test]
    fn last_events_come_from_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let event = |second| Event {
            time: Timestamp::new(second, 5),
            topic: Topic::Loss,
            phase: Phase::Once,
            subject: "hpcap0".into(),
            frames: None,
            seconds: None,
            message: format!("event {second}"),
        };
        let lines: Vec<String> = (0..1000).map(|n| event(n).json_line().unwrap()).collect();
        std::fs::write(&path, lines.concat() + "{\"cut").unwrap();
        let told = Told::read_last(&path, 3);
        let expected: Vec<Told> = (997..1000).map(|n| Told::from(&event(n))).collect();
        assert_eq!(told, expected);
        assert_eq!(Told::read_last(&dir.path().join("missing"), 3), []);
    }
}
