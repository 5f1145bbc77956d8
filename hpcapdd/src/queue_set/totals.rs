//! Adds up the counts of several recordings.

use std::collections::BTreeMap;
use std::time::Instant;

use hpcap::QueueName;

use crate::report::event::{Progress, Summary};
use crate::report::reporter::QueueCounts;

/// The counts of all recordings.
pub(super) struct Totals {
    started: Instant,
    /// The last counts of each recording that goes on.
    current: BTreeMap<QueueName, Progress>,
    /// The sum of the recordings that have ended of each queue.
    ended: BTreeMap<QueueName, Summary>,
}

impl Totals {
    /// Counts from `now` on.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            started: now,
            current: BTreeMap::new(),
            ended: BTreeMap::new(),
        }
    }

    /// Takes what a recording of `queue` reports.
    pub(super) fn take(&mut self, queue: QueueName, counts: QueueCounts) {
        match counts {
            QueueCounts::Progress(progress) => {
                self.current.insert(queue, progress);
            }
            QueueCounts::Summary(summary) => {
                self.current.remove(&queue);
                match self.ended.get_mut(&queue) {
                    Some(before) => add(before, &summary),
                    None => {
                        self.ended.insert(queue, summary);
                    }
                }
            }
        }
    }

    /// Whether a recording of `queue` has ended.
    pub(super) fn has_ended(&self, queue: QueueName) -> bool {
        self.ended.contains_key(&queue)
    }

    /// The rates of all recordings that go on, and the counts of all; `None` if none goes on.
    pub(super) fn progress(&self, now: Instant) -> Option<Progress> {
        if self.current.is_empty() {
            return None;
        }
        let mut all = Progress {
            seconds: (now - self.started).as_secs_f64(),
            ..Progress::default()
        };
        for summary in self.ended.values() {
            all.lag_peak = all.lag_peak.max(summary.lag_peak);
            all.ledger += &summary.ledger;
        }
        for progress in self.current.values() {
            all.frames_per_second += progress.frames_per_second;
            all.bits_per_second += progress.bits_per_second;
            all.stored_frames_per_second += progress.stored_frames_per_second;
            all.stored_bytes_per_second += progress.stored_bytes_per_second;
            all.lost_frames_per_second += progress.lost_frames_per_second;
            all.lag = all.lag.max(progress.lag);
            all.lag_peak = all.lag_peak.max(progress.lag_peak);
            all.ledger += &progress.ledger;
        }
        Some(all)
    }

    /// The sum of all recordings, which have ended; `None` if there were none. The sum has the end of the last queue.
    pub(super) fn summary(&self, now: Instant) -> Option<Summary> {
        let mut all = self.ended.values();
        let mut sum = all.next()?.clone();
        for summary in all {
            add(&mut sum, summary);
        }
        sum.seconds = (now - self.started).as_secs_f64();
        Some(sum)
    }
}

/// Adds the counts of another recording to `sum`, which gets its end.
fn add(sum: &mut Summary, other: &Summary) {
    sum.ended_by = other.ended_by;
    sum.stored.frames += other.stored.frames;
    sum.stored.frame_bytes += other.stored.frame_bytes;
    sum.stored_bytes += other.stored_bytes;
    sum.files += other.files;
    sum.seconds += other.seconds;
    sum.lag_peak = sum.lag_peak.max(other.lag_peak);
    sum.ledger += &other.ledger;
    sum.frames_cut += other.frames_cut;
    sum.times_adjusted += other.times_adjusted;
}
