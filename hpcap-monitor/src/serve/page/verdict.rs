//! The first lines of the page: whether frames are being lost.

use std::sync::PoisonError;
use std::time::Duration;

use crate::events::Topic;
use crate::markup::Grouped;
use crate::report::text::{Lasting, Short};
use crate::sample::Causes;
use crate::serve::Published;
use crate::span::Span;

/// Whether frames are being lost, where, since when, and who is to blame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    /// `good`, `bad` or `past`.
    pub(super) class: &'static str,
    pub(super) title: String,
    pub(super) details: Vec<String>,
}

/// Returns the number of lost frames.
pub(super) fn lost_frames(causes: &Causes) -> u64 {
    causes
        .iter()
        .fold(0, |sum, (_, frames)| sum.saturating_add(frames))
}

/// Returns when and why frames were lost, and who held the ring.
pub(super) fn loss_text(span: &Span) -> String {
    let causes: Vec<&str> = span
        .traffic
        .causes
        .iter()
        .map(|(cause, _)| cause.meaning())
        .collect();
    let who = span
        .holder
        .as_ref()
        .map_or_else(String::new, |who| format!(": {who}"));
    format!("{}, {}{who}", Short(span.end), causes.join(", "))
}

impl Verdict {
    pub(super) fn of(published: &Published) -> Self {
        let Some(sample) = &published.sample else {
            return Self {
                class: "past",
                title: "There is no sample yet".into(),
                details: vec!["The monitor has just started.".into()],
            };
        };
        let now = sample.moment.time;
        let history = published
            .history
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let begun = published.conditions.iter();
        let losses: Vec<_> = begun
            .clone()
            .filter(|event| event.topic == Topic::Loss)
            .collect();
        let mut details: Vec<String> = Vec::new();
        for loss in &losses {
            let past = history.of(&loss.subject);
            let why = past.and_then(|past| past.last_loss.as_ref()).map(loss_text);
            let lost = past.map_or(0, |past| lost_frames(&past.lost_in_hour(now)));
            let lasting = now.as_ns().saturating_sub(loss.time.as_ns());
            details.push(format!(
                "{}: since {} ({}), {} frames in the last hour. Last at {}.",
                loss.subject,
                Short(loss.time),
                Lasting(Duration::from_nanos(lasting)),
                Grouped(lost),
                why.unwrap_or_default()
            ));
        }
        let others = begun.filter(|event| event.topic != Topic::Loss);
        let others: Vec<String> = others
            .map(|event| format!("Since {}: {}", Short(event.time), event.message))
            .collect();
        if !losses.is_empty() {
            details.extend(others);
            let names: Vec<&str> = losses.iter().map(|loss| loss.subject.as_str()).collect();
            return Self {
                class: "bad",
                title: format!("Frames are being lost: {}", names.join(", ")),
                details,
            };
        }
        let mut lost = (0_u64, 0_u64);
        for (name, past) in history.iter() {
            let (hour, day) = (
                lost_frames(&past.lost_in_hour(now)),
                lost_frames(&past.lost_in_day(now)),
            );
            lost = (lost.0.saturating_add(hour), lost.1.saturating_add(day));
            if let Some(last) = past.last_loss.as_ref().filter(|_| day > 0) {
                details.push(format!(
                    "{name}: {} frames in the last hour, {} in the last day. Last at {}.",
                    Grouped(hour),
                    Grouped(day),
                    loss_text(last)
                ));
            }
        }
        let class = match (others.is_empty(), lost.1) {
            (false, _) => "bad",
            (true, 0) => "good",
            (true, _) => "past",
        };
        details.extend(others);
        let title = match lost.1 {
            0 => "No frame was lost in the last day".to_owned(),
            _ => format!(
                "No frames are being lost now; {} were lost in the last hour, {} in the last day",
                Grouped(lost.0),
                Grouped(lost.1)
            ),
        };
        Self {
            class,
            title,
            details,
        }
    }
}
