//! Numbers of frames, times between their steps, and drops by reason and function.

use std::collections::BTreeMap;
use std::sync::Arc;

use hdrhistogram::Histogram;

use super::journey::{Journey, Step};

/// Most interfaces that are told apart.
const DEVICES_MAX: usize = 256;
/// Most kinds of drops that are told apart.
const DROPS_MAX: usize = 1024;
/// The name of what is told apart no more.
const OTHERS: &str = "(others)";
/// Longest time that a histogram tells apart: a minute.
const LONGEST_NS: u64 = 60_000_000_000;

/// A time between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Latency {
    /// From the interrupt until the softirq runs for which its handler asked.
    InterruptToSoftirq,
    /// From asking for the softirq until it runs.
    RaiseToSoftirq,
    /// From the softirq's begin until it handles the frame.
    SoftirqToReceived,
    /// In the backlog of a CPU.
    Backlog,
    /// From the entry into the network stack until a program has the frame.
    ReceivedToCopied,
    /// From the entry into the network stack until the frame is dropped.
    ReceivedToDropped,
    /// From the entry into the network stack until the frame is freed, where no tracepoint says that a program got it.
    ReceivedToFreed,
    /// In queueing disciplines.
    Queued,
    /// In the driver that sends.
    Sending,
}

impl Latency {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::InterruptToSoftirq => "interrupt to softirq",
            Self::RaiseToSoftirq => "request to softirq",
            Self::SoftirqToReceived => "softirq to receive",
            Self::Backlog => "wait in the backlog",
            Self::ReceivedToCopied => "receive to program",
            Self::ReceivedToDropped => "receive to drop",
            Self::ReceivedToFreed => "receive to end",
            Self::Queued => "queue to driver",
            Self::Sending => "driver takes frame",
        }
    }

    /// The key in JSON.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::InterruptToSoftirq => "interrupt_to_softirq",
            Self::RaiseToSoftirq => "raise_to_softirq",
            Self::SoftirqToReceived => "softirq_to_received",
            Self::Backlog => "backlog",
            Self::ReceivedToCopied => "received_to_copied",
            Self::ReceivedToDropped => "received_to_dropped",
            Self::ReceivedToFreed => "received_to_freed",
            Self::Queued => "queued",
            Self::Sending => "sending",
        }
    }
}

/// Times, counted in classes of 1 % width.
#[derive(Debug, Clone)]
pub struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        let bounded = Histogram::new_with_bounds(1, LONGEST_NS, 2);
        // These bounds are within what the crate allows.
        Self(bounded.unwrap_or_else(|_| Histogram::<u64>::new_from(&empty())))
    }
}

fn empty() -> Histogram<u64> {
    Histogram::new(1).unwrap_or_else(|_| unreachable!("1 digit is allowed"))
}

impl Times {
    /// Counts `ns`; longer ones than a minute as a minute.
    pub fn add(&mut self, ns: u64) {
        self.0.saturating_record(ns.max(1));
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time within which a part of all was, such as 0.99.
    #[must_use]
    pub fn quantile_ns(&self, part: f64) -> u64 {
        self.0.value_at_quantile(part).min(self.0.max())
    }

    /// The longest.
    #[must_use]
    pub fn max_ns(&self) -> u64 {
        self.0.max()
    }

    /// Classes from a power of two to the next: the upper end, and how many.
    #[must_use]
    pub fn classes(&self) -> Vec<(u64, u64)> {
        let classes = self.0.iter_log(1, 2.0);
        classes
            .map(|class| {
                (
                    class.value_iterated_to(),
                    class.count_since_last_iteration(),
                )
            })
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

/// Frames at an interface.
#[derive(Debug, Clone, Default)]
pub struct Device {
    /// Frames that the network stack began to handle.
    pub received: u64,
    /// Frames that a program got.
    pub copied: u64,
    /// Frames that were dropped.
    pub dropped: u64,
    /// Frames that a driver has taken.
    pub sent: u64,
    /// How often a driver refused a frame.
    pub busy: u64,
    /// Polls of the interface.
    pub polls: u64,
    /// Polls that ended because they had as many frames as they may.
    pub full_polls: u64,
    /// Times between steps.
    pub times: BTreeMap<Latency, Times>,
}

/// A kind of drop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DropKind {
    /// The interface; `None` if no step before the drop said it.
    pub device: Option<Arc<str>>,
    /// Why, as the kernel names it.
    pub reason: String,
    /// The function of the kernel that dropped it.
    pub function: String,
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub struct Statistics {
    /// By interface.
    pub devices: BTreeMap<Arc<str>, Device>,
    /// Waits of the softirq that receives.
    pub softirq: BTreeMap<Latency, Times>,
    /// Drops by kind: how many in which second since the begin.
    pub drops: BTreeMap<DropKind, BTreeMap<u64, u64>>,
    /// Journeys whose end was seen.
    pub complete: u64,
    /// Journeys whose end was not seen: the kernel frees some frames without a word, or they were still on their way.
    pub incomplete: u64,
}

impl Statistics {
    /// The interface `name`.
    pub fn device(&mut self, name: &Arc<str>) -> &mut Device {
        let known = self.devices.contains_key(name) || self.devices.len() < DEVICES_MAX;
        let name = if known {
            Arc::clone(name)
        } else {
            OTHERS.into()
        };
        self.devices.entry(name).or_default()
    }

    /// Counts a journey that has ended.
    pub fn add(&mut self, journey: &Journey) {
        match journey.is_complete {
            true => self.complete += 1,
            false => self.incomplete += 1,
        }
        for (at, taken) in journey.steps.iter().enumerate() {
            let Some(name) = &taken.device else {
                continue;
            };
            let before = &journey.steps[..at];
            let since = |step: Step| {
                let earlier = before.iter().rev().find(|earlier| earlier.step == step)?;
                Some(taken.time_ns.saturating_sub(earlier.time_ns))
            };
            let device = self.device(name);
            let mut time = |latency, step| {
                if let Some(ns) = since(step) {
                    device.times.entry(latency).or_default().add(ns);
                }
            };
            match taken.step {
                Step::StartSend => time(Latency::Queued, Step::Queued),
                Step::Sent => {
                    time(Latency::Sending, Step::StartSend);
                    device.sent += 1;
                }
                Step::Busy => device.busy += 1,
                Step::Received => {
                    time(Latency::Backlog, Step::Backlog);
                    time(Latency::SoftirqToReceived, Step::Softirq);
                    device.received += 1;
                }
                Step::Copied => {
                    time(Latency::ReceivedToCopied, Step::Received);
                    // A program may take a frame in pieces.
                    device.copied += u64::from(since(Step::Copied).is_none());
                }
                Step::Freed if since(Step::Copied).is_none() => {
                    time(Latency::ReceivedToFreed, Step::Received);
                }
                Step::Dropped => {
                    time(Latency::ReceivedToDropped, Step::Received);
                    device.dropped += 1;
                }
                _ => {}
            }
        }
    }

    /// Counts a drop in second `second`.
    pub fn add_drop(&mut self, kind: DropKind, second: u64) {
        let known = self.drops.contains_key(&kind) || self.drops.len() < DROPS_MAX;
        let kind = match known {
            true => kind,
            false => DropKind {
                device: None,
                reason: OTHERS.to_owned(),
                function: OTHERS.to_owned(),
            },
        };
        *self
            .drops
            .entry(kind)
            .or_default()
            .entry(second)
            .or_default() += 1;
    }
}
