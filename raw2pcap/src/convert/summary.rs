//! Summary of a conversion.

use std::fmt;

use hpcap::raw::{Damage, DamageKind};
use hpcap::units::Bytes;
use hpcap::{Count, Ledger, Timestamp};

use super::damage::is_tail;
use super::losses;

/// Counts of a conversion.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Files read.
    pub inputs: u64,
    /// Files that were deleted before they were read, by the retention of a recorder for example.
    pub deleted: u64,
    /// Files of other formats, which were left out.
    pub foreign: u64,
    /// Queues of the files.
    pub queues: u64,
    /// Names of the files written.
    pub outputs: Vec<String>,
    /// Bytes of the files written.
    pub output_bytes: u64,
    /// Frames converted.
    pub frames: Count,
    /// Frames in the range that the filter refused.
    pub filtered: Count,
    /// Converted frames that have a duplicate mark.
    pub duplicates: u64,
    /// Converted frames that were longer than 65,535 bytes and cut to that length.
    pub frames_cut: u64,
    /// Converted frames whose time was adjusted because a record could not hold it.
    pub times_adjusted: u64,
    /// Frames that were left out because of their duplicate mark.
    pub left_out: Count,
    /// Time of the first frame converted.
    pub first: Option<Timestamp>,
    /// Time of the last frame converted.
    pub last: Option<Timestamp>,
    /// Converted frames that are earlier than the frame written before them.
    pub disordered: u64,
    /// First and last time of the recording, if no frame was in the range.
    pub outside: Option<(Timestamp, Timestamp)>,
    /// Gap records in the range.
    pub gaps: u64,
    /// Missing frames of these gap records.
    pub lost: Ledger,
    /// Sum of the ledgers of the queues, as far as the files have them.
    pub ledger: Ledger,
    /// Damaged parts of files, without the cut ends of files that were not closed.
    pub damaged: u64,
    /// Bytes skipped because of damage or cut ends.
    pub skipped_bytes: u64,
    /// Files that were not closed.
    pub cut: u64,
    /// Whether the reader of standard output ended before the conversion.
    pub closed: bool,
}

impl Summary {
    pub(super) fn damage(&mut self, damage: &Damage, file_bytes: Option<u64>) {
        self.skipped_bytes += damage.bytes;
        if !is_tail(damage, file_bytes) {
            self.damaged += 1;
        } else if !matches!(
            damage.kind,
            DamageKind::PaddingTooLong { .. } | DamageKind::CutPadding
        ) {
            self.cut += 1;
        }
    }

    /// Returns 1 if damage cost frames or a file was not a RAW file, otherwise 0. A last record
    /// that is cut by the end of its file does not count as damage.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        u8::from(self.damaged > 0 || self.foreign > 0)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = |n: u64| if n == 1 { "" } else { "s" };
        write!(f, "{} frame{}", self.frames.frames, s(self.frames.frames))?;
        if let (Some(first), Some(last)) = (self.first, self.last) {
            write!(f, ", {} to {}", first.local(), last.local())?;
        }
        write!(
            f,
            ", {} on the wire, from {} file{}",
            Bytes(self.frames.bytes),
            self.inputs,
            s(self.inputs)
        )?;
        if self.queues > 1 {
            write!(f, " of {} queues", self.queues)?;
        }
        match self.outputs.as_slice() {
            [] => {}
            [one] => write!(f, " to {one}")?,
            [first, .., last] => write!(f, " to {} files, {first} to {last}", self.outputs.len())?,
        }
        write!(f, " ({})", Bytes(self.output_bytes))?;
        if let Some((first, last)) = self.outside {
            write!(
                f,
                "; no frame is in the range: the recording spans {} to {}",
                first.local(),
                last.local()
            )?;
        }
        if self.filtered.frames > 0 {
            write!(f, "; {} refused by the filter", self.filtered.frames)?;
        }
        if self.duplicates > 0 {
            write!(f, "; {} marked as duplicates", self.duplicates)?;
        }
        if self.disordered > 0 {
            write!(
                f,
                "; {} earlier than the frame before (reordercap sorts them)",
                self.disordered
            )?;
        }
        if self.frames_cut > 0 {
            write!(f, "; {} cut at 65,535 bytes", self.frames_cut)?;
        }
        if self.times_adjusted > 0 {
            write!(f, "; {} with an adjusted time", self.times_adjusted)?;
        }
        if self.left_out.frames > 0 {
            write!(f, "; {} left out as duplicates", self.left_out.frames)?;
        }
        if self.gaps > 0 {
            let reasons: Vec<String> = losses(&self.lost)
                .iter()
                .map(|(reason, count)| format!("{} {reason}", count.frames))
                .collect();
            write!(f, "; missing in {} gap{}: ", self.gaps, s(self.gaps))?;
            match reasons.as_slice() {
                [] => write!(f, "how many is not known")?,
                reasons => write!(f, "{}", reasons.join(", "))?,
            }
        }
        if self.damaged > 0 {
            write!(
                f,
                "; {} damaged stretch{}",
                self.damaged,
                if self.damaged == 1 { "" } else { "es" }
            )?;
        }
        if self.cut > 0 {
            write!(
                f,
                "; {} file{} cut in the last record",
                self.cut,
                s(self.cut)
            )?;
        }
        if self.foreign > 0 {
            write!(
                f,
                "; {} file{} left out that {} no RAW",
                self.foreign,
                s(self.foreign),
                if self.foreign == 1 { "is" } else { "are" }
            )?;
        }
        if self.deleted > 0 {
            write!(
                f,
                "; {} file{} deleted before {} read",
                self.deleted,
                s(self.deleted),
                if self.deleted == 1 {
                    "it was"
                } else {
                    "they were"
                }
            )?;
        }
        if self.skipped_bytes > 0 {
            write!(f, "; {} skipped", Bytes(self.skipped_bytes))?;
        }
        Ok(())
    }
}
