//! What became of each frame that was sent. Nothing is rescaled: what does not add up is a problem.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::verify::{Findings, Summary};

/// What the sender says it has sent.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Offered {
    /// Frames, copies included.
    pub frames: u64,
    /// Their bytes, without FCS.
    pub bytes: u64,
    /// How many of them are copies of earlier ones.
    pub copies: u64,
    /// Duration of sending.
    pub seconds: f64,
}

/// What the capturing program says it has lost, by reason; `None` if it says nothing.
pub type Said = Option<BTreeMap<String, u64>>;

/// The outcome of all frames of a measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// What the sender says it has sent.
    pub offered: Offered,
    /// Frames that arrived, every byte of which is right; a frame that arrived twice counts twice.
    pub captured: u64,
    /// Their captured bytes.
    pub captured_bytes: u64,
    /// Frames that arrived with a wrong byte.
    pub corrupted: u64,
    /// Frames that arrived again.
    pub repeated: u64,
    /// Frames that arrived after a frame that was sent later.
    pub reordered: u64,
    /// Frames that were not sent here.
    pub foreign: u64,
    /// Frames that did not arrive.
    pub missing: u64,
    /// The losses that the program reports.
    pub said: Said,
    /// Missing frames that the program does not report as lost; negative if it reports more losses than frames are
    /// missing; `None` if it reports nothing.
    pub unexplained: Option<i64>,
    /// From sending a frame to reading it from the queue.
    pub latency: Option<Summary>,
    /// The longest latency of each class, and the number of frames in it.
    pub latencies: Vec<(u64, u64)>,
    /// From sending a frame to the time in its record.
    pub stamp_error: Option<Summary>,
    /// Contradictions between the numbers, one sentence each.
    pub problems: Vec<String>,
}

impl Account {
    /// Compares what was sent with what was found and with what the program says.
    #[must_use]
    pub fn new(offered: Offered, found: &Findings, said: Said) -> Self {
        let arrived = found.verified + found.corrupt + found.short;
        let missing = offered.frames.saturating_sub(arrived);
        let told = said.as_ref().map(|said| said.values().sum::<u64>());
        let unexplained = told.map(|told| missing.cast_signed() - told.cast_signed());
        let mut problems = Vec::new();
        if arrived > offered.frames {
            let more = arrived - offered.frames;
            problems.push(format!("{more} more frames arrived than were sent"));
        }
        match unexplained {
            Some(0) | None => {}
            Some(n) if n > 0 => {
                problems.push(format!(
                    "{n} frames are missing that the program does not tell of"
                ));
            }
            Some(n) => {
                let n = n.unsigned_abs();
                problems.push(format!(
                    "the program tells of {n} more losses than there are"
                ));
            }
        }
        for (count, what) in [
            (found.corrupt, "frames arrived with wrong bytes"),
            (
                found.repeated.saturating_sub(offered.copies),
                "frames arrived twice that were sent once",
            ),
            // A copy whose frame was lost stands in its place, which is no wrong order.
            (
                if offered.copies > 0 {
                    0
                } else {
                    found.reordered
                },
                "frames arrived in the wrong order",
            ),
            (found.damaged, "stretches of files are no records"),
            (found.vanished, "captured frames were never seen"),
        ] {
            if count > 0 {
                problems.push(format!("{count} {what}"));
            }
        }
        if found.producer_died {
            problems.push("the program died".into());
        }
        Self {
            offered,
            captured: found.verified,
            captured_bytes: found.bytes,
            corrupted: found.corrupt,
            repeated: found.repeated,
            reordered: found.reordered,
            foreign: found.foreign,
            missing,
            said,
            unexplained,
            latency: found.seen_after.summary(),
            latencies: found.seen_after.classes(),
            stamp_error: found.stamped_after.summary(),
            problems,
        }
    }

    /// Returns the losses for a reason, as the program says.
    #[must_use]
    pub fn said_lost(&self, reason: &str) -> u64 {
        let said = self.said.as_ref().and_then(|said| said.get(reason));
        said.copied().unwrap_or(0)
    }

    /// Returns the copies that are not in the capture because the program removed them.
    #[must_use]
    pub fn removed_copies(&self) -> u64 {
        self.said_lost("duplicate")
    }

    /// Returns the frames that are lost: those that are missing, without removed copies.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.missing.saturating_sub(self.removed_copies())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(frames: u64) -> Offered {
        Offered {
            frames,
            bytes: frames * 60,
            copies: 0,
            seconds: 1.0,
        }
    }

    fn found(verified: u64) -> Findings {
        Findings {
            verified,
            ..Findings::default()
        }
    }

    fn said(reasons: &[(&str, u64)]) -> Said {
        let all = reasons.iter().map(|(reason, n)| ((*reason).to_owned(), *n));
        Some(all.collect())
    }

    #[test]
    fn explained_losses_are_no_problem() {
        let account = Account::new(
            offered(100),
            &found(90),
            said(&[("nic_missed", 7), ("ring_full", 3)]),
        );
        assert_eq!((account.missing, account.unexplained), (10, Some(0)));
        assert!(account.problems.is_empty(), "{:?}", account.problems);
    }

    #[test]
    fn numbers_that_do_not_add_up_are_problems() {
        for (verified, told, problem) in [
            (
                90,
                9,
                "1 frames are missing that the program does not tell of",
            ),
            (90, 12, "the program tells of 2 more losses than there are"),
            (101, 0, "1 more frames arrived than were sent"),
        ] {
            let account =
                Account::new(offered(100), &found(verified), said(&[("ring_full", told)]));
            assert_eq!(account.problems, [problem]);
        }
    }

    #[test]
    fn program_without_figures_explains_nothing() {
        let account = Account::new(offered(100), &found(90), None);
        assert_eq!((account.missing, account.unexplained), (10, None));
        assert!(account.problems.is_empty());
    }

    #[test]
    fn removed_copies_are_no_losses() {
        let account = Account::new(
            offered(100),
            &found(80),
            said(&[("duplicate", 15), ("nic_missed", 5)]),
        );
        assert_eq!((account.removed_copies(), account.lost()), (15, 5));
    }
}
