//! The meaning of each value in a line of the full log, as given by the header before it.

use std::sync::Arc;
use std::time::Duration;

use hpcap::counters::{InterfaceReading, ListenerReading, QueueReading};
use hpcap::{Count, Reason, Timestamp};

use super::full::{Header, Line, QueueLine, Values};
use crate::sample::{DriverSample, InterfaceSample, ListenerSample, QueueSample, Sample};
use crate::ticker::Moment;

/// The meaning of each value of a line.
#[derive(Debug)]
pub(super) struct Places {
    queue: Vec<QueueField>,
    listener: Vec<String>,
    interface: Vec<String>,
}

/// A value of a queue.
#[derive(Debug, Clone, Copy)]
enum QueueField {
    Frames(Reason),
    Bytes(Reason),
    Published,
    RingBytes,
    Running,
    /// A value that reports do not need, or of another version.
    Other,
}

impl QueueField {
    fn named(key: &str) -> Self {
        let reason = |name: &str| Reason::ledger().iter().copied().find(|r| r.name() == name);
        match key {
            "published_bytes" => Self::Published,
            "ring_bytes" => Self::RingBytes,
            "running" => Self::Running,
            _ => match key
                .strip_prefix("ledger.")
                .and_then(|rest| rest.split_once('.'))
            {
                Some((name, "frames")) => reason(name).map_or(Self::Other, Self::Frames),
                Some((name, "bytes")) => reason(name).map_or(Self::Other, Self::Bytes),
                _ => Self::Other,
            },
        }
    }
}

impl Places {
    /// Reads the places from a header.
    pub(super) fn of(header: &Header) -> Self {
        Self {
            queue: header
                .queue
                .iter()
                .map(|key| QueueField::named(key))
                .collect(),
            listener: header.listener.clone(),
            interface: header.interface.clone(),
        }
    }

    /// Returns the sample that stands in `line`.
    pub(super) fn sample_of(&self, line: Line) -> Sample {
        Sample {
            moment: Moment {
                time: Timestamp::from_ns(line.time_ns),
                monotonic: Duration::from_nanos(line.monotonic_ns),
            },
            queues: line
                .queues
                .into_iter()
                .filter_map(|(name, queue)| queue_of(&name, queue, self))
                .collect(),
            interfaces: line
                .interfaces
                .into_iter()
                .map(|(name, one)| {
                    let read = Duration::from_nanos(line.monotonic_ns);
                    interface_of(name, one, read, self)
                })
                .collect(),
            unseen: Vec::new(),
        }
    }
}

fn queue_of(name: &str, line: QueueLine, places: &Places) -> Option<QueueSample> {
    let mut reading = QueueReading::default();
    for (field, value) in places.queue.iter().zip(line.values) {
        let counts = &mut reading.counts;
        match *field {
            QueueField::Frames(reason) => {
                counts.ledger[reason] = Count::new(value, counts.ledger[reason].bytes);
            }
            QueueField::Bytes(reason) => {
                counts.ledger[reason] = Count::new(counts.ledger[reason].frames, value);
            }
            QueueField::Published => counts.published = value,
            QueueField::RingBytes => reading.ring_bytes = value,
            QueueField::Running => reading.running = value != 0,
            QueueField::Other => {}
        }
    }
    // A queue that has ended stands with its start behind its name if another has its name by now.
    let name = name.split('@').next().unwrap_or_default();
    Some(QueueSample {
        name: name.parse().ok()?,
        start: Timestamp::from_ns(line.start_ns),
        interface: String::new(),
        end: None,
        served: reading.running,
        reading,
        listeners: line
            .listeners
            .into_iter()
            .map(|(id, listener)| ListenerSample {
                id,
                program: listener.program,
                pid: listener.pid,
                finished: false,
                reading: listener_reading(&listener.values, places),
            })
            .collect(),
    })
}

fn listener_reading(values: &[u64], places: &Places) -> ListenerReading {
    let mut reading = ListenerReading::default();
    for (key, value) in places.listener.iter().zip(values) {
        match key.as_str() {
            "lag_bytes" => reading.lag_bytes = *value,
            "lossless" => reading.lossless = *value != 0,
            _ => {}
        }
    }
    reading
}

fn interface_of(name: String, line: Values, read: Duration, places: &Places) -> InterfaceSample {
    let mut reading = InterfaceReading::default();
    let counters = &mut reading.counters;
    for (key, value) in places.interface.iter().zip(&line.values) {
        match key.as_str() {
            "rx_packets" => counters.rx_packets = *value,
            "rx_bytes" => counters.rx_bytes = *value,
            "rx_errors" => counters.rx_errors = *value,
            "rx_dropped" => counters.rx_dropped = *value,
            "rx_missed_errors" => counters.rx_missed_errors = *value,
            "up" => reading.up = *value != 0,
            "link" => reading.link = *value != 0,
            "speed_bytes_per_second" => {
                reading.speed_bits_per_second = value.saturating_mul(8);
            }
            _ => {}
        }
    }
    InterfaceSample {
        name,
        index: line.index,
        reading,
        driver: match line.driver.is_empty() {
            true => Arc::default(),
            false => Arc::new(DriverSample {
                read,
                values: line.driver,
            }),
        },
    }
}
