//! All counters at one moment, and the traffic between two moments.

mod discovery;
mod machine;
mod sampler;
mod traffic;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hpcap::QueueName;
use hpcap::Timestamp;
use hpcap::counters::{InterfaceReading, ListenerReading, QueueReading};
use hpcap::queue::QueueEnd;

use crate::ticker::Moment;

pub use discovery::Discovery;
pub use machine::{Machine, MachineSample, disk_percent};
pub use sampler::Sampler;
pub use traffic::{Cause, Causes, Traffic, ring_holder, traffic};

/// All counters at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The moment.
    pub moment: Moment,
    /// The queues, in the order of their names.
    pub queues: Vec<QueueSample>,
    /// The network interfaces except for the loopback interface, in the order of the kernel.
    pub interfaces: Vec<InterfaceSample>,
    /// Why queues could not be opened, or interfaces not be listed.
    pub unseen: Vec<String>,
}

/// A queue at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueSample {
    /// Name of the queue.
    pub name: QueueName,
    /// Time at which the queue started. A queue of the same name with another start counts from zero.
    pub start: Timestamp,
    /// The interface or file that frames come from.
    pub interface: String,
    /// Why the queue ended; `None` while it runs.
    pub end: Option<QueueEnd>,
    /// Whether its producer still serves it.
    pub served: bool,
    /// The counters.
    pub reading: QueueReading,
    /// The attached listeners.
    pub listeners: Vec<ListenerSample>,
}

/// A listener at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerSample {
    /// Number by which `hpcapctl kill` ends the listener.
    pub id: u64,
    /// Name of the program.
    pub program: String,
    /// Process id.
    pub pid: u32,
    /// Whether the listener only reads the rest of its stream.
    pub finished: bool,
    /// The values.
    pub reading: ListenerReading,
}

/// A network interface at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceSample {
    /// Name of the interface.
    pub name: String,
    /// Number of the interface. An interface of the same name with another number counts from zero.
    pub index: u32,
    /// The values.
    pub reading: InterfaceReading,
    /// What the driver counts beside them. Samples that follow each other share a reading.
    pub driver: Arc<DriverSample>,
}

/// The statistics of an interface's driver at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DriverSample {
    /// When they were read, on the monotonic clock.
    pub read: Duration,
    /// The values, under the driver's names.
    pub values: BTreeMap<String, u64>,
}

impl QueueSample {
    /// Returns whether this is the queue of `other`, and not another one of the same name.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.name == other.name && self.start == other.start
    }
}

impl Sample {
    /// Returns the queue that is the same as `queue`.
    #[must_use]
    pub fn same_queue(&self, queue: &QueueSample) -> Option<&QueueSample> {
        self.queues.iter().find(|other| other.is_same_as(queue))
    }

    /// Returns the interface that is the same as `interface`.
    #[must_use]
    pub fn same_interface(&self, interface: &InterfaceSample) -> Option<&InterfaceSample> {
        self.interfaces
            .iter()
            .find(|other| other.index == interface.index && other.name == interface.name)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
pub(crate) mod tests {
    use hpcap::nic::InterfaceCounters;
    use hpcap::{Count, Reason};

    use super::*;

    /// A sample at `second` of both clocks.
    pub(crate) fn sample(second: u32, queues: Vec<QueueSample>) -> Sample {
        Sample {
            moment: Moment {
                time: Timestamp::new(second, 0),
                monotonic: Duration::from_secs(second.into()),
            },
            queues,
            interfaces: Vec::new(),
            unseen: Vec::new(),
        }
    }

    /// A running queue with frames of 100 bytes.
    pub(crate) fn queue(name: &str, start: u32, captured: u64, ring_full: u64) -> QueueSample {
        let mut reading = QueueReading::default();
        reading.running = true;
        reading.ring_bytes = 1 << 20;
        reading.counts.ledger[Reason::Captured] = Count::new(captured, 100 * captured);
        reading.counts.ledger[Reason::RingFull] = Count::new(ring_full, 100 * ring_full);
        QueueSample {
            name: name.parse().unwrap(),
            start: Timestamp::new(start, 0),
            interface: "eth0".into(),
            end: None,
            served: true,
            reading,
            listeners: Vec::new(),
        }
    }

    /// A lossless listener.
    pub(crate) fn listener(id: u64, program: &str, lag_bytes: u64) -> ListenerSample {
        let mut reading = ListenerReading::default();
        reading.lag_bytes = lag_bytes;
        reading.lossless = true;
        ListenerSample {
            id,
            program: program.into(),
            pid: 4711,
            finished: false,
            reading,
        }
    }

    /// An interface with a link, which has received frames of 100 bytes.
    pub(crate) fn interface(name: &str, index: u32, frames: u64, missed: u64) -> InterfaceSample {
        InterfaceSample {
            name: name.into(),
            index,
            reading: InterfaceReading {
                counters: InterfaceCounters {
                    rx_packets: frames,
                    rx_bytes: 100 * frames,
                    rx_missed_errors: missed,
                    ..InterfaceCounters::default()
                },
                up: true,
                link: true,
                speed_bits_per_second: 10_000_000_000,
            },
            driver: Arc::default(),
        }
    }
}
