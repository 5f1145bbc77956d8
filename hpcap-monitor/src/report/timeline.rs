//! The timeline of a report: what happened one after another.

use std::time::Duration;

use super::buckets::Buckets;
use crate::span::Span;

/// Time that may pass between two spans before it counts as time without data. Samples may be late.
const SLACK: Duration = Duration::from_secs(10);

/// Joins the spans of a log to a timeline, and sums them up for charts.
#[derive(Debug, Default)]
pub struct Timeline {
    spans: Vec<Span>,
    buckets: Buckets,
}

impl Timeline {
    /// Adds the next span of the log. `interval` is the usual time between two samples.
    pub fn add(&mut self, span: Span, interval: Duration) {
        if let Some(last) = self.spans.last() {
            let end = last.end;
            let passed = span.start.as_ns().saturating_sub(end.as_ns());
            if Duration::from_nanos(passed) > SLACK.max(2 * interval) {
                self.join(Span::without_data(end, span.start));
            }
        }
        self.buckets.add(&span);
        self.join(span);
    }

    fn join(&mut self, span: Span) {
        match self.spans.last_mut() {
            Some(last) if last.state == span.state => last.join(span),
            _ => self.spans.push(span),
        }
    }

    /// Returns the spans from the first frame to the last, or all if there is no frame, and the traffic by
    /// equal parts of the time.
    pub(super) fn finish(mut self) -> (Vec<Span>, Buckets) {
        let has_frames = |span: &Span| {
            let traffic = &span.traffic;
            [traffic.received, traffic.lost]
                .iter()
                .any(|count| count.frames > 0 || count.bytes > 0)
        };
        if let Some(first) = self.spans.iter().position(has_frames) {
            let last = self.spans.iter().rposition(has_frames).unwrap_or(first);
            self.spans.truncate(last + 1);
            self.spans.drain(..first);
        }
        (self.spans, self.buckets)
    }
}
