//! The index of an hour of the full log: what happened to each adapter and interface, by the minute.
//!
//! A report over a year reads the indexes, not the year's samples. An index is made from its log, when
//! the hour is over; without one, reports read the log.
//!
//! The first line says where the spans of each adapter and interface stand in the rest of the file.
//! Consecutive samples of one state are one span, which ends with the minute unless it is idle.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};
use serde::{Deserialize, Serialize};

use super::reader::Reader;
use crate::span::{Span, State, spans_between};

/// Version of the format, in the first line.
const VERSION: u32 = 1;
/// Longest first line that is read.
const HEAD_BYTES: u64 = 16 << 20;
/// Limit of the bytes of the spans of one adapter or interface.
const SPANS_BYTES: u64 = 64 << 20;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Head {
    hpcap_index: u32,
    interval_ns: u64,
    /// Lines of the log that were damaged.
    damaged: u64,
    /// Offset after the first line, and length, of the spans of each adapter and interface.
    spans: BTreeMap<String, (u64, u64)>,
}

/// The spans of one adapter or interface in an hour.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hour {
    /// The spans, in the order of the log.
    pub spans: Vec<Span>,
    /// Time between two samples.
    pub interval: Duration,
    /// Lines of the log that were damaged.
    pub damaged: u64,
}

/// Returns the path of the index of the log `log`, whether or not the log is compressed.
#[must_use]
pub fn path_of(log: &Path) -> PathBuf {
    let plain = match log.extension().is_some_and(|ending| ending == "zst") {
        true => log.with_extension(""),
        false => log.to_owned(),
    };
    plain.with_extension("index")
}

/// Writes the index of the log `log`. It has its name only when it is complete.
///
/// # Errors
/// Errors of the file system.
pub fn write(log: &Path) -> Result<()> {
    let path = path_of(log);
    let tried = || format!("write the index {}", path.display());
    let mut reader = Reader::open(log)?;
    let mut all: BTreeMap<String, Joined> = BTreeMap::new();
    let mut before = None;
    let mut interval = Duration::ZERO;
    while let Some(now) = reader.read()? {
        interval = now.interval;
        if let Some(before) = &before {
            for (name, span) in spans_between(before, &now) {
                all.entry(name).or_default().add(span);
            }
        }
        before = Some(now);
    }
    let mut body = String::new();
    let mut spans = BTreeMap::new();
    for (name, joined) in all {
        let start = body.len() as u64;
        // Writing to a string does not fail.
        for span in joined.0 {
            let _ = span.write_line(&mut body);
        }
        spans.insert(name, (start, body.len() as u64 - start));
    }
    let mut head = serde_json::to_vec(&Head {
        hpcap_index: VERSION,
        interval_ns: u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX),
        damaged: reader.damaged(),
        spans,
    })
    .unwrap_or_default();
    head.push(b'\n');
    let part = path.with_extension("index.part");
    let mut file = File::create(&part).context(tried)?;
    file.write_all(&head).context(tried)?;
    file.write_all(body.as_bytes()).context(tried)?;
    file.sync_all().context(tried)?;
    std::fs::rename(&part, &path).context(tried)
}

/// Spans, of which consecutive ones in the same state are joined.
#[derive(Debug, Default)]
struct Joined(Vec<Span>);

impl Joined {
    fn add(&mut self, next: Span) {
        let minute = |span: &Span| span.start.sec() / 60;
        match self.0.last_mut() {
            Some(last)
                if last.state == next.state
                    && next.state != State::NoData
                    && (next.state == State::Idle || minute(last) == minute(&next)) =>
            {
                last.join(next);
            }
            _ => self.0.push(next),
        }
    }
}

/// Returns the adapters and interfaces of which the index at `path` has spans.
///
/// # Errors
/// Errors of the file system; [`Kind::Format`] for a file that is no index.
pub fn names(path: &Path) -> Result<Vec<String>> {
    let tried = || format!("read the index {}", path.display());
    let mut line = Vec::new();
    let input = BufReader::new(File::open(path).context(tried)?);
    input
        .take(HEAD_BYTES)
        .read_until(b'\n', &mut line)
        .context(tried)?;
    let head: Head = serde_json::from_slice(&line)
        .map_err(|_| Error::new(Kind::Format, tried(), "it is damaged"))?;
    Ok(head.spans.into_keys().collect())
}

/// Reads the spans of `name` from the index at `path`. They are empty if the log has nothing of it.
///
/// # Errors
/// Errors of the file system; [`Kind::Format`] for a file that is no index.
pub fn read(path: &Path, name: &str) -> Result<Hour> {
    let tried = || format!("read the index {}", path.display());
    let bad = || Error::new(Kind::Format, tried(), "it is damaged");
    let mut input = BufReader::with_capacity(16 << 10, File::open(path).context(tried)?);
    let mut line = Vec::new();
    (&mut input)
        .take(HEAD_BYTES)
        .read_until(b'\n', &mut line)
        .context(tried)?;
    let head: Head = serde_json::from_slice(&line).map_err(|_| bad())?;
    if head.hpcap_index != VERSION {
        return Err(bad());
    }
    let mut hour = Hour {
        spans: Vec::new(),
        interval: Duration::from_nanos(head.interval_ns),
        damaged: head.damaged,
    };
    let Some((offset, length)) = head.spans.get(name).copied() else {
        return Ok(hour);
    };
    // Most indexes are in the buffer as a whole, and a seek from the start would read them again.
    let offset = i64::try_from(offset).map_err(|_| bad())?;
    input.seek_relative(offset).context(tried)?;
    let mut bytes = Vec::new();
    input
        .take(length.min(SPANS_BYTES))
        .read_to_end(&mut bytes)
        .context(tried)?;
    if bytes.len() as u64 != length {
        return Err(bad());
    }
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").ok_or_else(bad)?;
        hour.spans.push(Span::parse_line(line).ok_or_else(bad)?);
    }
    Ok(hour)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::full::{header, line};
    use crate::sample::tests::{interface, queue, sample};

    const SECOND: Duration = Duration::from_secs(1);

    /// Writes a log in which a queue gets these frames and losses in each second.
    fn write_log(folder: &Path, rates: &[(u64, u64)]) -> PathBuf {
        let path = folder.join("2026-11-20T06Z.jsonl");
        let mut text = header(SECOND, "boot");
        let (mut frames, mut lost) = (0, 0);
        for (second, rate) in (1_795_155_000..).zip(rates) {
            frames += rate.0;
            lost += rate.1;
            let mut now = sample(second, vec![queue("hpcap0", 1, frames, lost)]);
            now.interfaces = vec![interface("eth0", 2, 0, 0)];
            text.extend(line(&now));
        }
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn span_ends_with_its_minute() {
        let dir = tempfile::tempdir().unwrap();
        let log = write_log(dir.path(), &[(10, 0); 180]);
        write(&log).unwrap();
        let hour = read(&path_of(&log), "hpcap0").unwrap();
        let frames: Vec<u64> = hour
            .spans
            .iter()
            .map(|s| s.traffic.received.frames)
            .collect();
        assert_eq!(frames, [600, 600, 590]);
        assert_eq!((hour.interval, hour.damaged), (SECOND, 0));
        // The interface is idle all the time, which takes one line.
        assert_eq!(read(&path_of(&log), "eth0").unwrap().spans.len(), 1);
        assert_eq!(read(&path_of(&log), "eth1").unwrap().spans, []);
    }

    #[test]
    fn compressed_log_has_the_same_index() {
        let plain = Path::new("full/2026-11-20T06Z.jsonl");
        let compressed = Path::new("full/2026-11-20T06Z.jsonl.zst");
        assert_eq!(path_of(plain), Path::new("full/2026-11-20T06Z.index"));
        assert_eq!(path_of(plain), path_of(compressed));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn damaged_index_is_refused(cut in any::<prop::sample::Index>()) {
            let dir = tempfile::tempdir().unwrap();
            let log = write_log(dir.path(), &[(10, 0), (5, 1), (7, 0), (0, 0)]);
            write(&log).unwrap();
            let index = path_of(&log);
            let whole = std::fs::read(&index).unwrap();
            std::fs::write(&index, &whole[..cut.index(whole.len())]).unwrap();
            prop_assert!(read(&index, "hpcap0").is_err());
        }
    }
}
