//! Taking the frames of several queues in the order of their times.

use super::AfXdp;
use super::clock::Stamp;
use super::queue::{Next, Taken};
use crate::SourceEvent;

impl AfXdp {
    /// Fills the batch with the frames of all queues, in the order of their times.
    pub(super) fn take(&mut self) {
        let Some(capture) = &mut self.capture else {
            return;
        };
        let mut unstamped = false;
        // Losses are reported before the frames of a batch, so a batch ends before a gap.
        let mut ended = false;
        self.clock.look();
        for queue in &mut capture.queues {
            let missing = queue.take_missing();
            self.losses.missed(missing);
            queue.refresh();
        }
        while !ended && !self.batch.is_full() {
            let mut first: Option<(Next, usize)> = None;
            let mut until: Option<Stamp> = None;
            for (number, queue) in capture.queues.iter().enumerate() {
                let Some(next) = queue.next(&self.clock) else {
                    continue;
                };
                let later = match first {
                    Some((earliest, _)) if next.stamp >= earliest.stamp => Some(next.stamp),
                    _ => first
                        .replace((next, number))
                        .map(|(earliest, _)| earliest.stamp),
                };
                until = [until, later].into_iter().flatten().min();
            }
            let Some((mut next, number)) = first else {
                break;
            };
            // The frames of this queue up to the next one of another queue.
            let queue = &mut capture.queues[number];
            loop {
                unstamped |= !next.stamp.by_kernel;
                match queue.take(&next, &mut self.batch, &mut self.joined) {
                    Taken::Frame => {}
                    Taken::Damaged => {
                        self.losses.damaged(1);
                        self.events.push(SourceEvent::InvalidBlock);
                    }
                    Taken::Later => ended = true,
                }
                ended |= queue.is_at_gap() || self.batch.is_full();
                if ended {
                    break;
                }
                match queue.next(&self.clock) {
                    Some(later) if until.is_none_or(|until| later.stamp <= until) => next = later,
                    _ => break,
                }
            }
        }
        for queue in &capture.queues {
            queue.publish();
        }
        if unstamped && self.clock.stamps() && !self.poll_time_told {
            self.poll_time_told = true;
            self.events.push(SourceEvent::PollTimestamps);
        }
    }
}
