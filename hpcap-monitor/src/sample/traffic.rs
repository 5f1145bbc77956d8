//! The traffic between two samples.

use std::collections::BTreeMap;
use std::time::Duration;

use hpcap::counters::{Delta, InterfaceReading};
use hpcap::{Count, Ledger, Reason};
use serde::Serialize;

use super::{InterfaceSample, QueueSample, Sample};

/// Frames between two samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Frames that were not lost: captured, or discarded because nobody wanted them.
    pub received: Count,
    /// Frames that were lost.
    pub lost: Count,
    /// The lost frames by what lost them.
    pub causes: Causes,
}

/// What loses frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A lossless listener held the ring back.
    RingFull,
    /// The NIC or the kernel had no room.
    NicMissed,
    /// They arrived damaged.
    NicError,
    /// The kernel dropped them, such as for lack of memory.
    KernelDropped,
    /// The log does not say it.
    Unknown,
}

impl Cause {
    /// All causes.
    pub const ALL: [Self; 5] = [
        Self::RingFull,
        Self::NicMissed,
        Self::NicError,
        Self::KernelDropped,
        Self::Unknown,
    ];

    /// The name of the cause, which is that of the reason in the ledger if the ledger has one.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RingFull => "ring_full",
            Self::NicMissed => "nic_missed",
            Self::NicError => "nic_error",
            Self::KernelDropped => "kernel_dropped",
            Self::Unknown => "unknown",
        }
    }

    /// Who lost the frames, in words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::RingFull => "a listener held the ring back",
            Self::NicMissed => "the NIC or the kernel had no room",
            Self::NicError => "frames arrived damaged",
            Self::KernelDropped => "the kernel dropped frames",
            Self::Unknown => "the log does not say why",
        }
    }
}

/// Numbers of lost frames by their cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Causes {
    /// Frames lost because a lossless listener held the ring back.
    pub ring_full: u64,
    /// Frames for which the NIC or the kernel had no room.
    pub nic_missed: u64,
    /// Frames that arrived damaged.
    pub nic_error: u64,
    /// Frames that the kernel dropped.
    pub kernel_dropped: u64,
    /// Frames that were lost for a reason that the log does not say.
    pub unknown: u64,
}

impl Causes {
    /// Returns the frames that `cause` lost.
    #[must_use]
    pub const fn of(&self, cause: Cause) -> u64 {
        match cause {
            Cause::RingFull => self.ring_full,
            Cause::NicMissed => self.nic_missed,
            Cause::NicError => self.nic_error,
            Cause::KernelDropped => self.kernel_dropped,
            Cause::Unknown => self.unknown,
        }
    }

    /// Adds `frames` that `cause` lost.
    pub fn add(&mut self, cause: Cause, frames: u64) {
        let count = match cause {
            Cause::RingFull => &mut self.ring_full,
            Cause::NicMissed => &mut self.nic_missed,
            Cause::NicError => &mut self.nic_error,
            Cause::KernelDropped => &mut self.kernel_dropped,
            Cause::Unknown => &mut self.unknown,
        };
        *count = count.saturating_add(frames);
    }

    /// Adds the frames of `other`.
    pub fn add_all(&mut self, other: &Self) {
        for cause in Cause::ALL {
            self.add(cause, other.of(cause));
        }
    }

    /// Returns the causes that lost frames, with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (Cause, u64)> + '_ {
        let all = Cause::ALL.into_iter();
        all.map(|cause| (cause, self.of(cause)))
            .filter(|(_, frames)| *frames > 0)
    }
}

impl Traffic {
    /// Adds the frames of `other`.
    pub fn add(&mut self, other: Self) {
        self.received += other.received;
        self.lost += other.lost;
        self.causes.add_all(&other.causes);
    }

    /// Returns the traffic with an estimate of the bytes of lost frames whose length nobody knows:
    /// their number times the mean length of received frames.
    fn with_unknown(mut self, frames_without_length: u64) -> Self {
        if let Some(mean) = self.received.bytes.checked_div(self.received.frames) {
            let estimate = frames_without_length.saturating_mul(mean);
            self.lost.bytes = self.lost.bytes.saturating_add(estimate);
        }
        self
    }
}

/// Returns who holds the ring of `adapter` back: its lossless listener that is furthest behind, in words;
/// `None` if no lossless listener is behind by a quarter of its ring.
#[must_use]
pub fn ring_holder(sample: &Sample, adapter: &str) -> Option<String> {
    let listeners = sample
        .queues
        .iter()
        .filter(|queue| format!("hpcap{}", queue.name.adapter) == adapter)
        .flat_map(|queue| queue.listeners.iter().map(move |one| (queue, one)))
        .filter(|(queue, one)| {
            one.reading.lossless && one.reading.lag_bytes > queue.reading.ring_bytes / 4
        });
    let (queue, slowest) = listeners.max_by_key(|(_, one)| one.reading.lag_bytes)?;
    Some(format!(
        "listener {} ({}, pid {}) of {}",
        slowest.id,
        hpcap::visible(&slowest.program),
        slowest.pid,
        queue.name
    ))
}

/// Returns the traffic between `before` and `now` of each adapter (the sum of its queues) and of each
/// network interface, and the time between the samples. An adapter hides an interface of its name,
/// because its ledger counts the losses of that interface and more.
#[must_use]
pub fn traffic(before: &Sample, now: &Sample) -> (Duration, BTreeMap<String, Traffic>) {
    let elapsed = now.moment.monotonic.saturating_sub(before.moment.monotonic);
    let mut all: BTreeMap<String, Traffic> = BTreeMap::new();
    for queue in &now.queues {
        // A queue that started after `before` has counted from 0 on; one that was only found later
        // has counted for an unknown time.
        let base = match before.same_queue(queue) {
            Some(earlier) => earlier.reading.counts.ledger,
            None if queue.start >= before.moment.time => Ledger::default(),
            None => queue.reading.counts.ledger,
        };
        let adapter = format!("hpcap{}", queue.name.adapter);
        all.entry(adapter).or_default().add(of_queue(&base, queue));
    }
    for interface in &now.interfaces {
        if let Some(earlier) = before.same_interface(interface) {
            all.entry(interface.name.clone())
                .or_insert_with(|| of_interface(earlier, interface));
        }
    }
    (elapsed, all)
}

fn of_queue(before: &Ledger, now: &QueueSample) -> Traffic {
    let mut traffic = Traffic::default();
    let mut without_length = 0;
    for reason in Reason::ledger() {
        let (was, is) = (before[*reason], now.reading.counts.ledger[*reason]);
        let new = Count::new(
            Delta::between(was.frames, is.frames).growth(),
            Delta::between(was.bytes, is.bytes).growth(),
        );
        if !reason.is_loss() {
            traffic.received += new;
            continue;
        }
        traffic.lost += new;
        let cause = match reason {
            Reason::RingFull => Cause::RingFull,
            Reason::NicMissed => Cause::NicMissed,
            Reason::NicError => Cause::NicError,
            _ => Cause::Unknown,
        };
        traffic.causes.add(cause, new.frames);
        if new.bytes == 0 {
            without_length += new.frames;
        }
    }
    traffic.with_unknown(without_length)
}

fn of_interface(before: &InterfaceSample, now: &InterfaceSample) -> Traffic {
    let growth = |count: fn(&InterfaceReading) -> u64| {
        Delta::between(count(&before.reading), count(&now.reading)).growth()
    };
    let frames = growth(|i| i.counters.rx_packets);
    let bytes = growth(|i| i.counters.rx_bytes);
    let causes = Causes {
        nic_missed: growth(|i| i.counters.rx_missed_errors),
        nic_error: growth(|i| i.counters.rx_errors),
        kernel_dropped: growth(|i| i.counters.rx_dropped),
        ..Causes::default()
    };
    let sum = |sum: u64, (_, frames): (Cause, u64)| sum.saturating_add(frames);
    let lost = causes.iter().fold(0, sum);
    Traffic {
        received: Count::new(frames, bytes),
        lost: Count::new(lost, 0),
        causes,
    }
    .with_unknown(lost)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::sample::tests::{interface, queue, sample};

    fn between(before: &Sample, now: &Sample, name: &str) -> Traffic {
        traffic(before, now).1[name]
    }

    #[test]
    fn queues_of_an_adapter_are_added() {
        let before = sample(
            10,
            vec![queue("hpcap0", 1, 5, 0), queue("hpcap0:1", 1, 7, 0)],
        );
        let now = sample(
            11,
            vec![queue("hpcap0", 1, 105, 2), queue("hpcap0:1", 1, 1007, 3)],
        );
        let found = between(&before, &now, "hpcap0");
        assert_eq!(found.received, Count::new(1100, 110_000));
        assert_eq!(found.lost, Count::new(5, 500));
    }

    #[test]
    fn new_queue_counts_from_its_start() {
        let before = sample(10, vec![]);
        let now = sample(11, vec![queue("hpcap0", 10, 30, 0)]);
        assert_eq!(between(&before, &now, "hpcap0").received.frames, 30);
    }

    #[test]
    fn queue_found_late_counts_from_now() {
        let before = sample(10, vec![]);
        let now = sample(11, vec![queue("hpcap0", 3, 30, 0)]);
        assert_eq!(between(&before, &now, "hpcap0"), Traffic::default());
    }

    #[test]
    fn restarted_queue_counts_from_zero() {
        let before = sample(10, vec![queue("hpcap0", 1, 1000, 7)]);
        let now = sample(11, vec![queue("hpcap0", 10, 4, 0)]);
        let found = between(&before, &now, "hpcap0");
        assert_eq!((found.received.frames, found.lost.frames), (4, 0));
    }

    #[test]
    fn loss_without_length_has_the_mean_length() {
        let mut now = queue("hpcap0", 1, 10, 0);
        now.reading.counts.ledger[Reason::NicMissed] = Count::new(3, 0);
        let (before, now) = (
            sample(10, vec![queue("hpcap0", 1, 0, 0)]),
            sample(11, vec![now]),
        );
        assert_eq!(between(&before, &now, "hpcap0").lost, Count::new(3, 300));
    }

    #[test]
    fn adapter_hides_the_interface_of_its_name() {
        let mut before = sample(10, vec![queue("hpcap0", 1, 0, 0)]);
        before.interfaces = vec![interface("hpcap0", 2, 0, 0), interface("eth1", 3, 10, 0)];
        let mut now = sample(11, vec![queue("hpcap0", 1, 5, 0)]);
        now.interfaces = vec![interface("hpcap0", 2, 99, 99), interface("eth1", 3, 14, 1)];
        assert_eq!(between(&before, &now, "hpcap0").received.frames, 5);
        assert_eq!(between(&before, &now, "eth1").received.frames, 4);
        assert_eq!(between(&before, &now, "eth1").lost, Count::new(1, 100));
    }

    #[test]
    fn interface_of_the_same_name_counts_from_zero() {
        let mut before = sample(10, vec![]);
        before.interfaces = vec![interface("eth1", 3, 10, 0)];
        let mut now = sample(11, vec![]);
        now.interfaces = vec![interface("eth1", 4, 5, 0)];
        assert!(traffic(&before, &now).1.is_empty());
    }

    #[test]
    fn reset_counter_gives_no_traffic() {
        let mut before = sample(10, vec![]);
        before.interfaces = vec![interface("eth1", 3, 1000, 50)];
        let mut now = sample(11, vec![]);
        now.interfaces = vec![interface("eth1", 3, 2, 0)];
        assert_eq!(between(&before, &now, "eth1"), Traffic::default());
    }
}
