//! Outcomes of frames, run-length encoded.
//!
//! Consecutive frames with the same outcome are one run. As text, a run is its outcome and, if it
//! has more than one frame, their number: `0*511 missed*19489 0 3` means 511 frames in Rx queue 0,
//! 19,489 missed frames, one frame in queue 0 and one in queue 3.

use std::fmt;
use std::str::FromStr;

use hpcap::{Error, Kind, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::nic::Outcome;

/// Consecutive frames with the same outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The outcome of each frame.
    pub outcome: Outcome,
    /// Number of frames, at least 1.
    pub frames: u64,
}

/// Outcomes of frames, in the order in which they were offered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs {
    runs: Vec<Run>,
    frames: u64,
}

impl Runs {
    /// Adds one frame.
    #[inline]
    pub fn push(&mut self, outcome: Outcome) {
        self.extend(outcome, 1);
    }

    /// Adds `frames` frames, which may be none.
    #[inline]
    pub fn extend(&mut self, outcome: Outcome, frames: u64) {
        self.frames += frames;
        match self.runs.last_mut() {
            Some(last) if last.outcome == outcome => last.frames += frames,
            _ if frames == 0 => {}
            _ => self.runs.push(Run { outcome, frames }),
        }
    }

    /// Changes the outcome of the last `frames` frames with outcome `was` to `now`. Returns the
    /// number of changed frames.
    pub fn revise(&mut self, was: Outcome, frames: u64, now: Outcome) -> u64 {
        let mut left = frames;
        let mut tail = Vec::new();
        while left > 0
            && let Some(mut run) = self.runs.pop()
        {
            if run.outcome == was {
                let revised = run.frames.min(left);
                left -= revised;
                tail.push(Run {
                    outcome: now,
                    frames: revised,
                });
                run.frames -= revised;
            }
            if run.frames > 0 {
                tail.push(run);
            }
        }
        self.frames -= tail.iter().map(|run| run.frames).sum::<u64>();
        for run in tail.into_iter().rev() {
            self.extend(run.outcome, run.frames);
        }
        frames - left
    }

    /// Returns the number of frames.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Iterates over the runs. Neighbouring runs have different outcomes.
    pub fn iter(&self) -> impl Iterator<Item = Run> + '_ {
        self.runs.iter().copied()
    }

    /// Iterates over the outcome of each frame.
    pub fn outcomes(&self) -> impl Iterator<Item = Outcome> + '_ {
        self.iter().flat_map(|run| {
            let frames = usize::try_from(run.frames).unwrap_or(usize::MAX);
            std::iter::repeat_n(run.outcome, frames)
        })
    }
}

impl Extend<Outcome> for Runs {
    fn extend<I: IntoIterator<Item = Outcome>>(&mut self, outcomes: I) {
        for outcome in outcomes {
            self.push(outcome);
        }
    }
}

impl FromIterator<Outcome> for Runs {
    fn from_iter<I: IntoIterator<Item = Outcome>>(outcomes: I) -> Self {
        let mut runs = Self::default();
        Extend::extend(&mut runs, outcomes);
        runs
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivered { queue } => queue.fmt(f),
            Self::Spoiled { queue } => write!(f, "spoiled{queue}"),
            Self::Missed => f.write_str("missed"),
            Self::Filtered => f.write_str("filtered"),
            Self::Error => f.write_str("error"),
            Self::Down => f.write_str("down"),
            Self::Discarded => f.write_str("discarded"),
        }
    }
}

fn outcome_of(word: &str) -> Option<Outcome> {
    Some(match word {
        "missed" => Outcome::Missed,
        "filtered" => Outcome::Filtered,
        "error" => Outcome::Error,
        "down" => Outcome::Down,
        "discarded" => Outcome::Discarded,
        word => match word.strip_prefix("spoiled") {
            Some(queue) => Outcome::Spoiled {
                queue: queue.parse().ok()?,
            },
            None => Outcome::Delivered {
                queue: word.parse().ok()?,
            },
        },
    })
}

impl fmt::Display for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut space = "";
        for run in self.iter() {
            write!(f, "{space}{}", run.outcome)?;
            if run.frames != 1 {
                write!(f, "*{}", run.frames)?;
            }
            space = " ";
        }
        Ok(())
    }
}

impl FromStr for Runs {
    type Err = Error;

    /// # Errors
    /// [`Kind::Format`] for text that [`Display`](fmt::Display) does not write.
    fn from_str(text: &str) -> Result<Self> {
        let mut runs = Self::default();
        for word in text.split_ascii_whitespace() {
            let run = match word.split_once('*') {
                None => outcome_of(word).map(|outcome| (outcome, 1)),
                Some((outcome, frames)) => {
                    outcome_of(outcome).and_then(|outcome| Some((outcome, frames.parse().ok()?)))
                }
            };
            let (outcome, frames) = run.ok_or_else(|| {
                Error::new(
                    Kind::Format,
                    "read what became of the frames",
                    format!("{word:?} is no outcome"),
                )
            })?;
            runs.extend(outcome, frames);
        }
        Ok(runs)
    }
}

impl Serialize for Runs {
    fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Runs {
    fn deserialize<D: Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(|e: Error| serde::de::Error::custom(e.why_and_advice()))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn any_outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            6 => (0u16..3).prop_map(|queue| Outcome::Delivered { queue }),
            1 => Just(Outcome::Delivered { queue: 127 }),
            3 => Just(Outcome::Missed),
            1 => Just(Outcome::Filtered),
            1 => Just(Outcome::Error),
            1 => Just(Outcome::Down),
            1 => (0u16..3).prop_map(|queue| Outcome::Spoiled { queue }),
        ]
    }

    proptest! {
        #[test]
        fn outcomes_read_back_in_order(
            outcomes in proptest::collection::vec(any_outcome(), 0..200),
        ) {
            let runs: Runs = outcomes.iter().copied().collect();
            prop_assert_eq!(runs.outcomes().collect::<Vec<_>>(), &outcomes[..]);
            prop_assert_eq!(runs.frames(), outcomes.len() as u64);
            prop_assert_eq!(&runs.to_string().parse::<Runs>().unwrap(), &runs);
            let json = serde_json::to_string(&runs).unwrap();
            prop_assert_eq!(serde_json::from_str::<Runs>(&json).unwrap(), runs);
        }
    }

    proptest! {
        #[test]
        fn revision_changes_newest_outcomes(
            outcomes in proptest::collection::vec(any_outcome(), 0..50),
            frames in 0u64..60,
        ) {
            let was = Outcome::Delivered { queue: 1 };
            let mut expected = outcomes.clone();
            let of_queue = expected.iter_mut().rev().filter(|o| **o == was);
            let mut revised = 0;
            for outcome in of_queue.take(frames as usize) {
                *outcome = Outcome::Discarded;
                revised += 1;
            }
            let mut runs: Runs = outcomes.into_iter().collect();
            prop_assert_eq!(runs.revise(was, frames, Outcome::Discarded), revised);
            prop_assert_eq!(runs, expected.into_iter().collect::<Runs>());
        }
    }

    #[test]
    fn equal_outcomes_form_one_run() {
        let mut runs = Runs::default();
        for _ in 0..1_000_000 {
            runs.push(Outcome::Missed);
        }
        assert_eq!(runs.to_string(), "missed*1000000");
    }

    #[test]
    fn runs_refuse_invalid_text() {
        for text in ["lost", "0*", "*5", "65536", "0*-1", "0*1*2"] {
            assert!(text.parse::<Runs>().is_err(), "{text}");
        }
    }
}
