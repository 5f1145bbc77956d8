//! Reads all counters.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hpcap::counters::{InterfaceReading, ListenerReading, QueueReading};
use hpcap::units::Rate;
use hpcap::{Queue, QueueName, Result};
use hpcap_host::Interface;

use super::discovery::{Discovery, Found};
use super::{DriverSample, InterfaceSample, ListenerSample, QueueSample, Sample};
use crate::ticker::Moment;

/// Time after which the speed of a link is asked for again.
const SPEED_AGE: Duration = Duration::from_secs(30);

/// Time after which the statistics of drivers are read again. Some drivers ask their NIC, which takes milliseconds.
const DRIVER_AGE: Duration = Duration::from_secs(10);

/// Reads the counters of all queues and interfaces.
#[derive(Debug)]
pub struct Sampler {
    discovery: Discovery,
    queues: BTreeMap<QueueName, Queue>,
    unseen: Vec<String>,
    speeds: BTreeMap<u32, Speed>,
    drivers: BTreeMap<u32, Arc<DriverSample>>,
}

/// The speed of an interface.
#[derive(Debug, Clone, Copy)]
struct Speed {
    asked: Duration,
    link: bool,
    bits_per_second: u64,
}

impl Sampler {
    /// Creates a sampler of the queues that `discovery` finds.
    #[must_use]
    pub fn new(discovery: Discovery) -> Self {
        Self {
            discovery,
            queues: BTreeMap::new(),
            unseen: Vec::new(),
            speeds: BTreeMap::new(),
            drivers: BTreeMap::new(),
        }
    }

    /// Whether every queue that was served at the start is in the next sample, or is among what cannot
    /// be seen.
    #[must_use]
    pub fn has_searched(&self) -> bool {
        self.discovery.has_searched()
    }

    /// Returns the queue called `name`, if it is open.
    #[must_use]
    pub fn queue(&self, name: QueueName) -> Option<&Queue> {
        self.queues.get(&name)
    }

    /// Reads all counters. A queue whose producer is gone is in one more sample, with its final
    /// counters.
    ///
    /// # Errors
    /// An error of the clock.
    pub fn sample(&mut self) -> Result<Sample> {
        let mut ended = Vec::new();
        for found in self.discovery.take() {
            match found {
                Found::Unseen(unseen) => self.unseen = unseen,
                Found::Queue(queue) => {
                    let name = queue.info().name;
                    ended.extend(self.queues.insert(name, *queue));
                }
            }
        }
        let moment = Moment::now()?;
        let mut queues: Vec<QueueSample> = ended.iter().map(read_queue).collect();
        queues.extend(self.queues.values().map(read_queue));
        let mut unseen = self.unseen.clone();
        let interfaces = Interface::all().unwrap_or_else(|e| {
            unseen.push(e.to_string());
            Vec::new()
        });
        self.drivers
            .retain(|index, _| interfaces.iter().any(|one| one.index == *index));
        let interfaces = interfaces
            .into_iter()
            .filter(|interface| interface.hardware != libc::ARPHRD_LOOPBACK)
            .map(|interface| self.read_interface(interface, moment.monotonic))
            .collect();
        for queue in queues.iter().filter(|queue| !queue.served) {
            self.queues.remove(&queue.name);
            self.discovery.forget(queue.name);
        }
        Ok(Sample {
            moment,
            queues,
            interfaces,
            unseen,
        })
    }

    fn read_interface(&mut self, interface: Interface, now: Duration) -> InterfaceSample {
        let link = interface.is_running();
        let speed = match self.speeds.get(&interface.index) {
            Some(speed) if speed.link == link && now.saturating_sub(speed.asked) < SPEED_AGE => {
                *speed
            }
            _ => Speed {
                asked: now,
                link,
                bits_per_second: match interface.link_speed() {
                    Some(Rate::BitsPerSecond(bits)) => bits,
                    _ => 0,
                },
            },
        };
        self.speeds.insert(interface.index, speed);
        let driver = match self.drivers.get(&interface.index) {
            Some(driver) if now.saturating_sub(driver.read) < DRIVER_AGE => Arc::clone(driver),
            _ => {
                let driver = Arc::new(read_driver(&interface, now));
                self.drivers.insert(interface.index, Arc::clone(&driver));
                driver
            }
        };
        InterfaceSample {
            driver,
            index: interface.index,
            reading: InterfaceReading {
                counters: interface.counters,
                up: interface.is_up(),
                link,
                speed_bits_per_second: speed.bits_per_second,
            },
            name: interface.name,
        }
    }
}

fn read_driver(interface: &Interface, now: Duration) -> DriverSample {
    let statistics = interface.statistics().into_iter();
    DriverSample {
        read: now,
        values: statistics
            .map(|one| (one.name.trim().to_owned(), one.value))
            .filter(|(name, _)| !name.is_empty())
            .collect(),
    }
}

fn read_queue(queue: &Queue) -> QueueSample {
    let info = queue.info();
    // The order matters: the counters of a queue that nobody serves are final.
    let served = queue.is_served();
    QueueSample {
        served,
        name: info.name,
        start: info.start,
        interface: info.interface.clone(),
        end: queue.page().end(),
        reading: QueueReading::of(queue),
        listeners: queue
            .listeners()
            .iter()
            .map(|listener| ListenerSample {
                id: listener.id,
                program: listener.program.clone(),
                pid: listener.pid,
                finished: listener.finished || listener.killed,
                reading: ListenerReading::from(listener),
            })
            .collect(),
    }
}
