//! Reading several queues in the order of their frames' times.

use std::time::Instant;

use hpcap::{Frame, Timestamp};

use super::{BATCH, Guest, Session, Turn};
use crate::tap::Found;
use crate::window::has_wall_clock;

/// Why a queue has no frame to choose from, or that it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filled {
    /// The next frame of the queue is known.
    Frame,
    /// The queue gives no further frame.
    Ended,
    /// Everything that is published was read.
    Empty,
    /// A batch without a frame that matches was read, and more may be published.
    Unread,
}

/// Passes `frame` of queue `number` to all viewers. Returns whether it was the last one that is wanted.
pub(super) fn pass(
    guests: &mut [Guest],
    frames_left: &mut Option<u64>,
    number: usize,
    frame: &Frame<'_>,
) -> bool {
    let mut is_wanted = guests.is_empty();
    for guest in guests {
        is_wanted |= guest.viewer.frame(number, frame);
    }
    let Some(left) = frames_left.as_mut().filter(|_| is_wanted) else {
        return false;
    };
    *left -= 1;
    *left == 0
}

impl Session {
    /// Passes on the next frames of all queues by their times.
    pub(super) fn read_in_order(&mut self) -> Turn {
        let mut turn = Turn::Idle;
        for _ in 0..BATCH {
            let (mut has_empty, mut has_unread) = (false, false);
            for number in 0..self.taps.len() {
                match self.fill(number, None) {
                    Filled::Frame | Filled::Ended => {}
                    Filled::Empty => has_empty = true,
                    Filled::Unread => has_unread = true,
                }
            }
            if has_unread {
                turn = Turn::Busy;
            }
            let Some((time, number)) = self.order.earliest() else {
                return turn;
            };
            if has_empty || has_unread {
                let now = Instant::now();
                let is_due = !has_unread && self.order.is_due(time, now, Timestamp::now());
                let tap = &self.taps[number];
                let may_pass = is_due
                    || tap.is_behind()
                    || !has_wall_clock(tap.info())
                    || self.order.has_waited(time, now);
                if !may_pass {
                    return match turn {
                        Turn::Idle => Turn::Waits,
                        turn => turn,
                    };
                }
            }
            if self.pass_next(number) {
                return Turn::Done;
            }
            turn = Turn::Busy;
        }
        turn
    }

    /// Passes on what the queues have published until now, without waiting for anything.
    pub(super) fn pass_rest(&mut self) {
        if self.frames_left == Some(0) {
            return;
        }
        let ends: Vec<u64> = self.taps.iter().map(|tap| tap.published()).collect();
        loop {
            let mut has_unread = false;
            for (number, end) in ends.iter().enumerate() {
                has_unread |= self.fill(number, Some(*end)) == Filled::Unread;
            }
            if has_unread {
                continue;
            }
            let Some((_, number)) = self.order.earliest() else {
                return;
            };
            if self.pass_next(number) {
                return;
            }
        }
    }

    /// Passes on the next frame of queue `number`. Returns whether it was the last one that is wanted.
    fn pass_next(&mut self, number: usize) -> bool {
        let frame = self.order.take(number);
        frame.is_some_and(|frame| pass(&mut self.guests, &mut self.frames_left, number, &frame))
    }

    /// Reads the next frame of queue `number`, unless it is known, and passes on the gaps before the frame. `end` is
    /// the offset in the stream at which the queue ends for this reader.
    fn fill(&mut self, number: usize, end: Option<u64>) -> Filled {
        if self.order.has(number) {
            return Filled::Frame;
        }
        for _ in 0..BATCH {
            let tap = &mut self.taps[number];
            if tap.has_ended() || end.is_some_and(|end| tap.position() >= end) {
                return Filled::Ended;
            }
            match tap.read() {
                Ok(Found::Frame(frame)) => {
                    self.order.put(number, &frame);
                    return Filled::Frame;
                }
                Ok(Found::Lost(lost)) => {
                    for guest in &mut self.guests {
                        guest.viewer.lost(number, &lost);
                    }
                }
                Ok(Found::Other) => {}
                Ok(Found::Nothing) => return Filled::Empty,
                Ok(Found::End) => return Filled::Ended,
                Err(e) => {
                    self.fail(e);
                    return Filled::Ended;
                }
            }
        }
        Filled::Unread
    }
}
