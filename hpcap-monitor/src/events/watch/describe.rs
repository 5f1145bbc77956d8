//! The text of an event: how long its condition lasted, and who is to blame for lost frames.

use hpcap::Reason;
use hpcap::units::Bytes;

use crate::events::condition::Change;
use crate::events::{Event, Phase, Topic};
use crate::sample::{QueueSample, Sample};

/// Returns the event that the condition of `subject` has begun or ended.
pub(super) fn event_of(
    (topic, subject): &(Topic, String),
    change: Change,
    frames: u64,
    now: &Sample,
    text: String,
) -> Event {
    let (phase, seconds) = match change {
        Change::Began => (Phase::Begin, None),
        Change::Ended(lasted) => (Phase::End, Some(lasted.as_secs_f64())),
    };
    let frames = (phase == Phase::End && *topic == Topic::Loss).then_some(frames);
    let message = match (phase, frames, seconds) {
        (Phase::End, Some(frames), Some(seconds)) => {
            format!("{subject} loses no more frames: {frames} were lost in {seconds:.0} s")
        }
        (Phase::End, _, Some(seconds)) => {
            format!("{}, {subject}: over after {seconds:.0} s", topic.name())
        }
        _ => text,
    };
    Event {
        time: now.moment.time,
        topic: *topic,
        phase,
        subject: subject.clone(),
        frames,
        seconds,
        message,
    }
}

/// Returns whether a queue counts more frames of `reason` than before.
fn has_grown(before: &Sample, queue: &QueueSample, reason: Reason) -> bool {
    let frames = |queue: &QueueSample| queue.reading.counts.ledger[reason].frames;
    frames(queue) > before.same_queue(queue).map_or(0, frames)
}

/// Returns why an adapter has lost frames since `before`: the reasons, and the listener that is furthest
/// behind.
pub(super) fn blame(before: &Sample, now: &Sample, adapter: &str) -> String {
    let queues = || {
        now.queues
            .iter()
            .filter(|queue| format!("hpcap{}", queue.name.adapter) == adapter)
    };
    let reasons: Vec<&str> = Reason::ledger()
        .iter()
        .filter(|reason| reason.is_loss())
        .filter(|reason| queues().any(|queue| has_grown(before, queue, **reason)))
        .map(|reason| reason.name())
        .collect();
    if reasons.is_empty() {
        return String::new();
    }
    let slowest = queues()
        .flat_map(|queue| {
            queue
                .listeners
                .iter()
                .map(move |listener| (queue, listener))
        })
        .filter(|(_, listener)| listener.reading.lossless)
        .max_by_key(|(_, listener)| listener.reading.lag_bytes);
    let who = slowest.map_or_else(String::new, |(queue, listener)| {
        format!(
            "; listener {} ({}, pid {}) of {} is {} behind",
            listener.id,
            hpcap::visible(&listener.program),
            listener.pid,
            queue.name,
            Bytes(listener.reading.lag_bytes)
        )
    });
    format!(" ({}{who})", reasons.join(", "))
}
