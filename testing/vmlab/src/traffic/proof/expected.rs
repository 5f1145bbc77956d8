//! The frames that a NIC delivered to one Rx queue, in order, generated again from the record.

use std::fmt;

use hpcap::{Error, Kind, Result};

use super::super::content::Frames;
use super::super::record::{Amount, Record};
use crate::nic::Outcome;

/// Position of a frame: number `frame`, from 0, of segment `segment` of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) segment: usize,
    pub(super) frame: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.segment {
            0 => write!(f, "frame {}", self.frame),
            n => write!(f, "frame {} of segment {n}", self.frame),
        }
    }
}

/// Iterates over all frames of a record.
#[derive(Debug)]
pub(super) struct Sent<'r> {
    record: &'r Record,
    next: Place,
    outcomes: Option<(Frames, std::vec::IntoIter<(Outcome, u64)>)>,
    /// Outcome and remaining frames of the current run.
    run: Option<(Outcome, u64)>,
    /// The current frame.
    frame: Vec<u8>,
    place: Place,
    outcome: Outcome,
}

impl<'r> Sent<'r> {
    pub(super) fn new(record: &'r Record) -> Self {
        let start = Place {
            segment: 0,
            frame: 0,
        };
        Self {
            record,
            next: start,
            outcomes: None,
            run: None,
            frame: Vec::new(),
            place: start,
            outcome: Outcome::Down,
        }
    }

    /// Moves to the next frame. Returns `false` after the last one.
    pub(super) fn advance(&mut self) -> Result<bool> {
        loop {
            let Some(segment) = self.record.segments.get(self.next.segment) else {
                return Ok(false);
            };
            if self.outcomes.is_none() {
                let runs: Vec<_> = segment.runs.iter().map(|r| (r.outcome, r.frames)).collect();
                let frames = Frames::open(&segment.content.parse()?)?;
                self.outcomes = Some((frames, runs.into_iter()));
            }
            let Some((frames, runs)) = &mut self.outcomes else {
                return Ok(false);
            };
            let run = self
                .run
                .filter(|(_, left)| *left > 0)
                .or_else(|| runs.next());
            let Some((outcome, left)) = run else {
                self.outcomes = None;
                self.run = None;
                self.next = Place {
                    segment: self.next.segment + 1,
                    frame: 0,
                };
                continue;
            };
            self.run = Some((outcome, left.saturating_sub(1)));
            let Some(frame) = frames.next()? else {
                return Err(Error::new(
                    Kind::Format,
                    format!("make the frames of {} again", segment.content),
                    format!(
                        "there are {} of them, and {} were sent",
                        self.next.frame,
                        segment.runs.frames()
                    ),
                ));
            };
            self.frame.clear();
            self.frame.extend_from_slice(frame);
            (self.place, self.outcome) = (self.next, outcome);
            self.next.frame += 1;
            return Ok(true);
        }
    }

    /// Returns the frame that [`advance`](Self::advance) moved to.
    pub(super) fn frame(&self) -> &[u8] {
        &self.frame
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    pub(super) fn outcome(&self) -> Outcome {
        self.outcome
    }
}

/// Iterates over the frames of one Rx queue.
#[derive(Debug)]
pub(super) struct Expected<'r> {
    sent: Sent<'r>,
    queue: u16,
    ended: bool,
    /// Frames that were passed, without spoiled ones.
    pub(super) passed: Amount,
}

impl<'r> Expected<'r> {
    /// Starts at the first frame of the queue.
    pub(super) fn new(record: &'r Record, queue: u16) -> Result<Self> {
        let mut expected = Self {
            sent: Sent::new(record),
            queue,
            ended: false,
            passed: Amount::default(),
        };
        expected.seek()?;
        Ok(expected)
    }

    fn seek(&mut self) -> Result<()> {
        let queue = self.queue;
        loop {
            if !self.sent.advance()? {
                self.ended = true;
                return Ok(());
            }
            match self.sent.outcome() {
                Outcome::Delivered { queue: of } | Outcome::Spoiled { queue: of }
                    if of == queue =>
                {
                    return Ok(());
                }
                _ => {}
            }
        }
    }

    /// Returns the next frame, or `None` after the last one.
    pub(super) fn current(&self) -> Option<(&[u8], Place)> {
        (!self.ended).then(|| (self.sent.frame(), self.sent.place()))
    }

    /// Returns whether a fault spoiled the next frame.
    pub(super) fn is_spoiled(&self) -> bool {
        !self.ended && matches!(self.sent.outcome(), Outcome::Spoiled { .. })
    }

    /// Moves past the next frame.
    pub(super) fn pass(&mut self) -> Result<()> {
        if !self.ended {
            if !self.is_spoiled() {
                self.passed.add(self.sent.frame().len());
            }
            self.seek()?;
        }
        Ok(())
    }
}
