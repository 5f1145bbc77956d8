//! The frames of several queues in the order of their times.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hpcap::{Result, Timestamp};

use super::lane::Lane;

/// Queues that are merged. The frames of one queue keep the order of its files.
pub(super) struct Merge {
    lanes: Vec<Lane>,
    /// The next frame of every lane but the current one.
    waiting: BinaryHeap<Reverse<(Timestamp, usize)>>,
    current: Option<usize>,
    started: bool,
}

impl Merge {
    pub(super) fn new(lanes: Vec<Lane>) -> Self {
        Self {
            waiting: BinaryHeap::with_capacity(lanes.len()),
            lanes,
            current: None,
            started: false,
        }
    }

    /// Moves on to the next frame, and says of which lane it is. `moved` hears of every lane
    /// that was read from, with its number, before its frame is given.
    #[inline]
    pub(super) fn advance(
        &mut self,
        moved: &mut dyn FnMut(usize, &mut Lane) -> Result<()>,
    ) -> Result<Option<usize>> {
        if let Some(lane) = self.current {
            if self.read(lane, moved)? {
                if self.waiting.is_empty() {
                    return Ok(self.current);
                }
                let time = self.lanes[lane].time();
                match self.waiting.peek() {
                    // Most often the same lane goes on.
                    Some(Reverse(next)) if *next < (time, lane) => {
                        self.waiting.push(Reverse((time, lane)));
                    }
                    _ => return Ok(self.current),
                }
            }
        } else if !self.started {
            self.started = true;
            for lane in 0..self.lanes.len() {
                if self.read(lane, moved)? {
                    self.waiting.push(Reverse((self.lanes[lane].time(), lane)));
                }
            }
        }
        self.current = self.waiting.pop().map(|Reverse((_, lane))| lane);
        Ok(self.current)
    }

    fn read(
        &mut self,
        lane: usize,
        moved: &mut dyn FnMut(usize, &mut Lane) -> Result<()>,
    ) -> Result<bool> {
        let lane_there = &mut self.lanes[lane];
        let goes_on = lane_there.advance()?;
        if lane_there.has_news() {
            moved(lane, lane_there)?;
        }
        Ok(goes_on)
    }

    #[inline]
    pub(super) fn lane(&self, lane: usize) -> &Lane {
        &self.lanes[lane]
    }

    pub(super) fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> u64 {
        self.lanes.iter().map(Lane::position).sum()
    }
}
