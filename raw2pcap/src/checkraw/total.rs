//! The total over all files.

use hpcap::raw::check::{Missing, Report};
use hpcap::{Count, Ledger, Timestamp};
use serde::{Serialize, Serializer};

/// The sum of the reports.
#[derive(Debug, Default, Serialize)]
pub(super) struct Total {
    /// Files that were checked.
    pub(super) files: u64,
    /// Files without a defect.
    pub(super) sound: u64,
    /// Files that were deleted before they were checked.
    pub(super) deleted: u64,
    pub(super) frames: Count,
    /// Times of the earliest and of the latest frame.
    #[serde(serialize_with = "optional_time")]
    pub(super) first: Option<Timestamp>,
    #[serde(serialize_with = "optional_time")]
    pub(super) last: Option<Timestamp>,
    pub(super) gaps: u64,
    /// Missing frames by reason.
    pub(super) lost: Ledger,
    /// The first gaps, up to the number of findings that are printed.
    pub(super) missing: Vec<Missing>,
}

fn optional_time<S: Serializer>(time: &Option<Timestamp>, s: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => s.collect_str(time),
        None => s.serialize_none(),
    }
}

impl Total {
    /// Adds a report. `missing` keeps the first `most` gaps.
    pub(super) fn add(&mut self, report: &Report, sound: bool, most: usize) {
        self.files += 1;
        self.sound += u64::from(sound);
        self.frames += report.frames;
        self.first = [self.first, report.first].into_iter().flatten().min();
        self.last = [self.last, report.last].into_iter().flatten().max();
        self.gaps += report.gaps;
        self.lost += &missing_of(report);
        let room = most.saturating_sub(self.missing.len());
        self.missing.extend(report.missing.iter().take(room));
    }

    /// Whether gaps or ledgers report missing frames.
    pub(super) fn has_loss(&self) -> bool {
        let counted = self.lost.iter().any(|(_, count)| count.frames > 0);
        let is_loss =
            |(reason, count): (hpcap::Reason, Count)| reason.is_loss() && count.frames > 0;
        // A gap without counts stands for an unknown number of missing frames.
        self.lost.iter().any(is_loss) || (self.gaps > 0 && !counted)
    }
}

/// Returns the missing frames of a file: those of its gaps, or those of the ledger at its end if
/// the ledger has more. Losses after the last frame are only in the ledger.
fn missing_of(report: &Report) -> Ledger {
    let mut missing = report.lost;
    for (reason, count) in report.ledger.iter().flat_map(Ledger::iter) {
        if reason.is_loss() && count.frames > missing[reason].frames {
            missing[reason] = count;
        }
    }
    missing
}
