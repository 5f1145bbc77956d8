//! The history that a monitor has logged before the dashboard started.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};

use hpcap::counters::Delta;
use hpcap::error::Context;
use hpcap::time::parse_time;
use hpcap::{Result, Timestamp};
use hpcap_monitor::log::reader::Reader;
use hpcap_monitor::log::{EVENTS, FULL, retention};
use hpcap_monitor::sample::Sample;
use serde::Deserialize;

use super::history::Point;
use super::losses::part;
use super::report::EventReport;
use super::window::rates;

/// Seconds before the start that are read: those that a graph can show.
const SPAN: u64 = 3600;
/// Bytes at the end of the file of events that are read.
const EVENTS_BYTES: u64 = 64 << 10;

/// A queue according to the logs.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct PastQueue {
    /// When the queue started, in nanoseconds since 1970.
    pub(super) start_ns: u64,
    /// Time of the first sample of this start of the queue, in nanoseconds since 1970.
    pub(super) from_ns: u64,
    /// Frames that were lost by the last sample.
    pub(super) lost: u64,
    /// The history, oldest first.
    pub(super) points: Vec<Point>,
    /// The times of losses, and the number of lost frames.
    pub(super) losses: Vec<(u64, u64)>,
}

/// The content of the logs.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Found {
    /// Where the logs are.
    pub(super) origin: Option<String>,
    /// The queues, by their names.
    pub(super) queues: BTreeMap<String, PastQueue>,
    /// The last events, oldest first.
    pub(super) events: Vec<EventReport>,
}

/// A thread that reads the logs, so that a long log does not delay the first screen.
#[derive(Debug)]
pub(super) struct Past {
    answer: Receiver<Found>,
    found: Option<Found>,
}

impl Past {
    /// Starts to read the logs in the folder `logs`.
    ///
    /// # Errors
    /// An error of the operating system.
    pub(super) fn start(logs: PathBuf) -> Result<Self> {
        let (sender, answer) = sync_channel(1);
        std::thread::Builder::new()
            .name("past".into())
            .spawn(move || {
                // The receiver is gone when the program has ended.
                let _ = sender.send(read(&logs, Timestamp::now()));
            })
            .context(|| "start the thread that reads the logs of hpcap-monitor")?;
        Ok(Self {
            answer,
            found: None,
        })
    }

    /// Whether everything was read, so that [`take`](Self::take) returns it.
    pub(super) fn is_ready(&mut self) -> bool {
        if self.found.is_none() {
            self.found = self.answer.try_recv().ok();
        }
        self.found.is_some()
    }

    /// Returns what was found, once.
    pub(super) fn take(&mut self) -> Option<Found> {
        let _ = self.is_ready();
        self.found.take()
    }
}

fn read(logs: &Path, now: Timestamp) -> Found {
    let mut reading = Reading::default();
    let from = now.sec().saturating_sub(SPAN);
    for hour in retention::hours(&logs.join(FULL)) {
        // A file has the samples of its hour, and the last one before.
        if hour.start + 3600 > from && hour.start <= now.sec() {
            reading.read(&hour.path);
        }
    }
    Found {
        origin: (!reading.queues.is_empty()).then(|| logs.display().to_string()),
        queues: reading.queues,
        events: read_events(&logs.join(EVENTS)),
    }
}

/// The part of the full log that has been read so far.
#[derive(Debug, Default)]
struct Reading {
    before: Option<Sample>,
    queues: BTreeMap<String, PastQueue>,
}

impl Reading {
    /// Reads a file as far as it can be read. A log that is damaged or forbidden only makes the history
    /// shorter.
    fn read(&mut self, path: &Path) {
        let Ok(mut reader) = Reader::open(path) else {
            return;
        };
        while let Ok(Some(logged)) = reader.read() {
            if logged.rebooted {
                self.before = None;
            }
            self.note(logged.sample);
        }
    }

    fn note(&mut self, now: Sample) {
        for queue in &now.queues {
            let time_ns = now.moment.time.as_ns();
            let past = self.queues.entry(queue.name.to_string()).or_default();
            if past.start_ns != queue.start.as_ns() {
                past.start_ns = queue.start.as_ns();
                past.from_ns = time_ns;
                past.losses.clear();
            }
            past.lost = queue.reading.counts.ledger.lost().frames;
            let Some(before) = &self.before else {
                continue;
            };
            let Some(earlier) = before.same_queue(queue) else {
                continue;
            };
            let time = now.moment.monotonic.saturating_sub(before.moment.monotonic);
            if time.is_zero() {
                continue;
            }
            let earlier_lost = earlier.reading.counts.ledger.lost().frames;
            let lost = Delta::between(earlier_lost, past.lost).growth();
            if lost > 0 {
                past.losses.push((time_ns, lost));
            }
            let rates = rates(&earlier.reading, &queue.reading, time);
            let lossless = queue.listeners.iter().filter(|l| l.reading.lossless);
            let lag = lossless.map(|l| l.reading.lag_bytes).max().unwrap_or(0);
            let point = Point {
                second: time_ns / 1_000_000_000,
                bits_per_second: rates.on_the_wire.bits_per_second,
                frames_per_second: rates.on_the_wire.frames_per_second,
                lost_per_second: rates.lost.frames_per_second,
                ring_fill: part(lag as f64, queue.reading.ring_bytes as f64),
            };
            // A monitor that samples at longer intervals only has the mean of several seconds. The time in which no
            // monitor ran has no entries.
            let seconds = time.as_secs().clamp(1, 60);
            past.points.extend((0..seconds).rev().map(|ago| Point {
                second: point.second.saturating_sub(ago),
                ..point
            }));
        }
        self.before = Some(now);
    }
}

/// An event, as the monitor writes it.
#[derive(Debug, Deserialize)]
struct Line {
    time: String,
    phase: String,
    message: String,
}

/// Reads the last events of the monitor; none if there is no file of them.
fn read_events(path: &Path) -> Vec<EventReport> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(EVENTS_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(EVENTS_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    // The first line may be cut, and the last one not yet whole: neither is JSON then.
    read()
        .unwrap_or_default()
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let line: Line = serde_json::from_slice(line).ok()?;
            Some(EventReport {
                time_ns: parse_time(&line.time).ok()?.as_ns(),
                phase: line.phase,
                message: line.message,
            })
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::time::Duration;

    use hpcap::counters::{ListenerReading, QueueReading};
    use hpcap::{Count, Reason};
    use hpcap_monitor::log::full;
    use hpcap_monitor::sample::{ListenerSample, QueueSample};
    use hpcap_monitor::ticker::Moment;

    use super::*;

    const START: u64 = 1_795_155_000;

    /// A sample at a second of both clocks, in which a queue has captured and lost so many frames.
    fn sample(second: u64, captured: u64, lost: u64) -> Sample {
        let mut reading = QueueReading::default();
        reading.running = true;
        reading.ring_bytes = 1000;
        reading.counts.ledger[Reason::Captured] = Count::new(captured, 100 * captured);
        reading.counts.ledger[Reason::RingFull] = Count::new(lost, 100 * lost);
        let mut lag = ListenerReading::default();
        lag.lossless = true;
        lag.lag_bytes = 250;
        Sample {
            moment: Moment {
                time: Timestamp::from_ns(second * 1_000_000_000),
                monotonic: Duration::from_secs(second),
            },
            queues: vec![QueueSample {
                name: "hpcap0".parse().unwrap(),
                start: Timestamp::from_ns(7),
                interface: String::new(),
                end: None,
                served: true,
                reading,
                listeners: vec![ListenerSample {
                    id: 1,
                    program: "hpcapdd".into(),
                    pid: 1,
                    finished: false,
                    reading: lag,
                }],
            }],
            interfaces: Vec::new(),
            unseen: Vec::new(),
        }
    }

    /// Writes samples as a monitor does, and reads them at the second of the last.
    fn found(samples: &[Sample], events: &str) -> Found {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(FULL);
        std::fs::create_dir(&folder).unwrap();
        let mut now = Timestamp::from_ns(0);
        for sample in samples {
            now = sample.moment.time;
            let path = folder.join(full::file_name(now));
            let mut text = std::fs::read(&path).unwrap_or_default();
            if text.is_empty() {
                text = full::header(Duration::from_secs(1), "boot");
            }
            text.extend(full::line(sample));
            std::fs::write(path, text).unwrap();
        }
        std::fs::write(dir.path().join(EVENTS), events).unwrap();
        read(dir.path(), now)
    }

    #[test]
    fn history_has_rates_of_the_log() {
        let samples = [
            sample(START, 0, 0),
            sample(START + 1, 500, 0),
            sample(START + 3, 900, 600),
        ];
        let past = &found(&samples, "").queues["hpcap0"];
        let frames: Vec<(u64, f64)> = past
            .points
            .iter()
            .map(|p| (p.second - START, p.frames_per_second))
            .collect();
        assert_eq!(frames, [(1, 500.0), (2, 500.0), (3, 500.0)]);
        assert_eq!(past.points[2].lost_per_second, 300.0);
        assert_eq!(past.points[2].ring_fill, 0.25);
        assert_eq!(past.losses, [((START + 3) * 1_000_000_000, 600)]);
        assert_eq!((past.start_ns, past.lost), (7, 600));
        assert_eq!(past.from_ns, START * 1_000_000_000);
    }

    #[test]
    fn history_goes_on_over_the_hour() {
        let hour = START.next_multiple_of(3600);
        let samples: Vec<Sample> = (0..4).map(|n| sample(hour - 2 + n, 100 * n, 0)).collect();
        let past = &found(&samples, "").queues["hpcap0"];
        assert!(past.points.iter().all(|p| p.frames_per_second == 100.0));
        assert_eq!(past.points.len(), 3);
    }

    #[test]
    fn reset_counter_is_no_loss() {
        let samples = [sample(START, 100, 50), sample(START + 1, 10, 3)];
        let past = &found(&samples, "").queues["hpcap0"];
        assert_eq!(past.losses, []);
        assert_eq!(past.points[0].lost_per_second, 0.0);
    }

    #[test]
    fn damaged_logs_shorten_the_history() {
        let missing = read(Path::new("/nonexistent"), Timestamp::now());
        assert_eq!(missing, Found::default());
        let events = concat!(
            "cut\n",
            r#"{"time":"2026-11-20T06:00:00Z","event":"loss","phase":"begin","subject":"hpcap0","message":"m"}"#,
            "\n{\"time\":"
        );
        let found = found(&[], events);
        assert_eq!(found.events.len(), 1);
        assert_eq!(found.events[0].time_ns, 1_795_154_400_000_000_000);
        assert_eq!((found.origin, found.queues.len()), (None, 0));
    }
}
