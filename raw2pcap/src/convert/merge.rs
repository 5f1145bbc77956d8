//! The frames of several recordings in the order of their times.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hpcap::{Error, Kind, Result, Timestamp};

use super::lane::Lane;

/// Files open at once, at most: one for each recording whose turn has come.
const OPEN_MAX: usize = 256;

/// Recordings that are merged. The frames of one recording keep the order of its files. A
/// recording is opened when the merge has reached its first frame, so that there can be any
/// number of them one after the other.
pub(super) struct Merge {
    lanes: Vec<Lane>,
    /// The next frame of every lane but the current one.
    waiting: BinaryHeap<Reverse<(Timestamp, usize)>>,
    current: Option<usize>,
    open: usize,
}

impl Merge {
    pub(super) fn new(lanes: Vec<Lane>) -> Self {
        Self {
            waiting: (0..lanes.len())
                .map(|lane| Reverse((lanes[lane].earliest(), lane)))
                .collect(),
            lanes,
            current: None,
            open: 0,
        }
    }

    /// Moves on to the next frame, and says of which lane it is. `moved` hears of every lane
    /// that was read from, with its number, before its frame is given.
    #[inline]
    pub(super) fn advance(
        &mut self,
        moved: &mut dyn FnMut(usize, &mut Lane) -> Result<()>,
    ) -> Result<Option<usize>> {
        if let Some(lane) = self.current
            && self.read(lane, moved)?
        {
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
        loop {
            let Some(Reverse((_, lane))) = self.waiting.pop() else {
                self.current = None;
                return Ok(None);
            };
            if self.lanes[lane].is_open() {
                self.current = Some(lane);
                return Ok(self.current);
            }
            self.check_open()?;
            if self.read(lane, moved)? {
                self.waiting.push(Reverse((self.lanes[lane].time(), lane)));
            }
        }
    }

    fn check_open(&self) -> Result<()> {
        if self.open < OPEN_MAX {
            return Ok(());
        }
        Err(Error::new(
            Kind::Usage,
            "merge recordings",
            format!("more than {OPEN_MAX} of them were running at the same time"),
        )
        .advise("convert them in groups, and merge the results with mergecap"))
    }

    fn read(
        &mut self,
        lane: usize,
        moved: &mut dyn FnMut(usize, &mut Lane) -> Result<()>,
    ) -> Result<bool> {
        let lane_there = &mut self.lanes[lane];
        let was_open = lane_there.is_open();
        let goes_on = lane_there.advance()?;
        self.open = self.open + usize::from(goes_on) - usize::from(was_open);
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
