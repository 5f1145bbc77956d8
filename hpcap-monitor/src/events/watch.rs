//! Notices events in samples.

mod describe;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use hpcap::QueueName;
use hpcap::queue::QueueEnd;
use hpcap::units::Bytes;

use super::condition::Condition;
use super::{Event, Phase, Topic};
use crate::sample::{ListenerSample, QueueSample, Sample, traffic};
use describe::{blame, event_of};

/// Time without losses after which a loss has ended.
const LOSS_END: Duration = Duration::from_secs(10);
/// How long other conditions must hold, or not hold.
const SETTLED: Duration = Duration::from_secs(5);
/// How long a queue may be without its recorder: a restart takes some seconds.
const RECORDER_ABSENT: Duration = Duration::from_secs(15);
/// Use of a disk, in percent, above which it is nearly full.
const DISK_FULL: f64 = 95.0;
/// Use of a disk, in percent, below which it is no longer nearly full.
const DISK_FREE: f64 = 93.0;
/// Name of the recorder.
const RECORDER: &str = "hpcapdd";

/// The observations that come beside a sample.
#[derive(Debug, Clone, Copy, Default)]
pub struct Observed<'a> {
    /// The disks, each with its use in percent.
    pub disks: &'a [(PathBuf, f64)],
    /// Why the logs cannot be written.
    pub log_failure: Option<&'a str>,
}

/// A condition of one subject.
#[derive(Debug)]
struct State {
    condition: Condition,
    /// Frames lost while the condition lasts.
    frames: u64,
    /// Whether this sample has observed the condition.
    seen: bool,
}

/// Notices events in consecutive samples.
#[derive(Debug, Default)]
pub struct Watch {
    states: BTreeMap<(Topic, String), State>,
    /// Queues that a recorder should record.
    expected: BTreeSet<QueueName>,
    /// Offsets up to which lossless listeners have read, by queue and listener.
    read: BTreeMap<(QueueName, u64), u64>,
}

impl Watch {
    /// Watches, and expects a recorder at each queue of `expected`.
    #[must_use]
    pub fn new(expected: BTreeSet<QueueName>) -> Self {
        Self {
            expected,
            ..Self::default()
        }
    }

    /// Returns the topic and subject of each condition that has begun and not ended.
    pub fn active(&self) -> impl Iterator<Item = (Topic, &str)> {
        self.states
            .iter()
            .filter(|(_, state)| state.condition.is_active())
            .map(|((topic, subject), _)| (*topic, subject.as_str()))
    }

    /// Compares two consecutive samples, and returns what has begun, ended or happened.
    pub fn observe(&mut self, before: &Sample, now: &Sample, other: &Observed<'_>) -> Vec<Event> {
        let mut events = Vec::new();
        self.observe_clock(before, now, &mut events);
        self.observe_losses(before, now, &mut events);
        for queue in &now.queues {
            self.observe_queue(before, queue, now, &mut events);
            for listener in &queue.listeners {
                self.observe_listener(queue, listener, now, &mut events);
            }
            self.observe_recorder(queue, now, &mut events);
        }
        self.read
            .retain(|(name, _), _| now.queues.iter().any(|queue| queue.name == *name));
        for interface in now.interfaces.iter().filter(|i| i.reading.up) {
            let text = format!("{} has no link", interface.name);
            let subject = interface.name.clone();
            self.note(
                Topic::LinkDown,
                subject,
                !interface.reading.link,
                now,
                text,
                &mut events,
            );
        }
        for (disk, percent) in other.disks {
            let subject = disk.display().to_string();
            let active = self.is_active(Topic::DiskNearlyFull, &subject);
            let limit = if active { DISK_FREE } else { DISK_FULL };
            let text = format!("the disk of {subject} is {percent:.0} % full");
            self.note(
                Topic::DiskNearlyFull,
                subject,
                *percent > limit,
                now,
                text,
                &mut events,
            );
        }
        let text = other.log_failure.unwrap_or_default();
        let text = format!("the logs are not written: {text}");
        let failed = other.log_failure.is_some();
        self.note(
            Topic::LogFailed,
            "logs".into(),
            failed,
            now,
            text,
            &mut events,
        );
        self.end_unseen(now, &mut events);
        events
    }

    fn is_active(&self, topic: Topic, subject: &str) -> bool {
        let state = self.states.get(&(topic, subject.to_owned()));
        state.is_some_and(|state| state.condition.is_active())
    }

    fn observe_clock(&self, before: &Sample, now: &Sample, events: &mut Vec<Event>) {
        let Some(step_ns) = now.moment.step_since(&before.moment) else {
            return;
        };
        let direction = if step_ns < 0 { "back" } else { "forward" };
        let seconds = Duration::from_nanos(step_ns.unsigned_abs()).as_secs_f64();
        events.push(Event {
            time: now.moment.time,
            topic: Topic::ClockStepped,
            phase: Phase::Once,
            subject: "clock".into(),
            frames: None,
            seconds: None,
            message: format!("the clock was set {direction} by {seconds:.3} s"),
        });
    }

    fn observe_losses(&mut self, before: &Sample, now: &Sample, events: &mut Vec<Event>) {
        for (name, traffic) in traffic(before, now).1 {
            let lost = traffic.lost.frames;
            let text = match lost {
                0 => format!("{name} loses no more frames"),
                lost => format!(
                    "{name} loses frames, {lost} so far{}",
                    blame(before, now, &name)
                ),
            };
            if let Some(state) = self.states.get_mut(&(Topic::Loss, name.clone())) {
                state.frames = state.frames.saturating_add(lost);
            }
            self.note(Topic::Loss, name.clone(), lost > 0, now, text, events);
            if let Some(event) = events.last_mut()
                && event.topic == Topic::Loss
                && event.subject == name
                && event.phase == Phase::Begin
                && let Some(state) = self.states.get_mut(&(Topic::Loss, name))
            {
                state.frames = lost;
            }
        }
    }

    fn observe_queue(
        &mut self,
        before: &Sample,
        queue: &QueueSample,
        now: &Sample,
        events: &mut Vec<Event>,
    ) {
        let failure = |queue: &QueueSample| match queue.end {
            Some(QueueEnd::Failed) => Some("its source failed"),
            None if !queue.served => Some("its producer died"),
            _ => None,
        };
        let Some(why) = failure(queue) else {
            return;
        };
        // A queue that failed is served until its listeners have read the rest.
        if before.same_queue(queue).and_then(failure).is_none() {
            events.push(Event {
                time: now.moment.time,
                topic: Topic::QueueFailed,
                phase: Phase::Once,
                subject: queue.name.to_string(),
                frames: None,
                seconds: None,
                message: format!("queue {} has failed: {why}", queue.name),
            });
        }
    }

    fn observe_listener(
        &mut self,
        queue: &QueueSample,
        listener: &ListenerSample,
        now: &Sample,
        events: &mut Vec<Event>,
    ) {
        if !listener.reading.lossless {
            return;
        }
        let lag = listener.reading.lag_bytes;
        let read = queue.reading.counts.published.saturating_sub(lag);
        let before = self.read.insert((queue.name, listener.id), read);
        let ring = queue.reading.ring_bytes;
        let stands = before == Some(read) && lag > ring / 4 * 3;
        let subject = format!("{} listener {}", queue.name, listener.id);
        let text = format!(
            "listener {} ({}, pid {}) of {} does not read, and is {} behind in a ring of {}",
            listener.id,
            hpcap::visible(&listener.program),
            listener.pid,
            queue.name,
            Bytes(lag),
            Bytes(ring)
        );
        self.note(Topic::ListenerStuck, subject, stands, now, text, events);
    }

    fn observe_recorder(&mut self, queue: &QueueSample, now: &Sample, events: &mut Vec<Event>) {
        let recorded = queue
            .listeners
            .iter()
            .any(|listener| listener.program == RECORDER);
        if recorded {
            // From now on, this queue should be recorded.
            self.expected.insert(queue.name);
        }
        if self.expected.contains(&queue.name) && queue.reading.running {
            let text = format!("no recorder reads queue {}", queue.name);
            let subject = queue.name.to_string();
            self.note(Topic::RecorderGone, subject, !recorded, now, text, events);
        }
    }

    fn note(
        &mut self,
        topic: Topic,
        subject: String,
        holds: bool,
        now: &Sample,
        text: String,
        events: &mut Vec<Event>,
    ) {
        let key = (topic, subject);
        if !holds && !self.states.contains_key(&key) {
            return;
        }
        let (begin, end) = match topic {
            Topic::Loss => (Duration::ZERO, LOSS_END),
            Topic::RecorderGone => (RECORDER_ABSENT, Duration::ZERO),
            Topic::LogFailed => (Duration::ZERO, SETTLED),
            _ => (SETTLED, SETTLED),
        };
        let state = self.states.entry(key.clone()).or_insert_with(|| State {
            condition: Condition::new(begin, end),
            frames: 0,
            seen: true,
        });
        state.seen = true;
        if let Some(change) = state.condition.observe(holds, now.moment.monotonic) {
            events.push(event_of(&key, change, state.frames, now, text));
            state.frames = 0;
        }
    }

    /// Ends the conditions of subjects that are gone, such as the link of a removed interface.
    fn end_unseen(&mut self, now: &Sample, events: &mut Vec<Event>) {
        let gone: Vec<(Topic, String)> = self
            .states
            .iter_mut()
            .filter_map(|(key, state)| (!std::mem::take(&mut state.seen)).then(|| key.clone()))
            .collect();
        for key in gone {
            let Some(state) = self.states.get_mut(&key) else {
                continue;
            };
            if let Some(change) = state.condition.observe(false, now.moment.monotonic) {
                let text = format!("{} is gone", key.1);
                events.push(event_of(&key, change, state.frames, now, text));
            }
            if !state.condition.is_active() {
                self.states.remove(&key);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests;
