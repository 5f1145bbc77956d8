//! Comparison of the missing frames with the ledgers of a queue's files.

use std::path::PathBuf;

use hpcap::{Count, Ledger, Reason, Result};

use super::queue::QueueProof;
use super::recording::{Next, Stream, Sum};

impl QueueProof {
    /// Compares the files, and the frames that are missing from them, with the ledger.
    pub(super) fn balance(&mut self) {
        if !self.complaints.is_empty() {
            return;
        }
        let lost = self.in_gaps + self.elsewhere;
        if !self.is_final {
            if lost > 0 {
                self.complaints.push(format!(
                    "{lost} frames are missing, and the files do not end with a ledger"
                ));
            }
            return;
        }
        let sum = |reasons: &[Reason]| {
            reasons
                .iter()
                .fold(Count::default(), |sum, r| sum + self.ledger[*r])
        };
        let own = sum(&[Reason::Overrun, Reason::Storage]);
        let captured = self.ledger[Reason::Captured];
        let here = Count::new(
            captured
                .frames
                .wrapping_sub(self.before.frames + own.frames),
            captured.bytes.wrapping_sub(self.before.bytes + own.bytes),
        );
        let reached = sum(&[
            Reason::Captured,
            Reason::Duplicate,
            Reason::Filtered,
            Reason::NoListener,
            Reason::RingFull,
        ]);
        let delivered = Count::new(self.delivered.frames, self.delivered.bytes) + self.spoiled;
        let stored = self.stored + self.spoiled;
        for (counted, found, what) in [
            (here, stored, "are in the files"),
            (reached, delivered, "were delivered by the NIC"),
        ] {
            if counted != found {
                self.complaints.push(format!(
                    "the ledger counts {} frames, {} bytes, and {} frames, {} bytes {what}",
                    counted.frames, counted.bytes, found.frames, found.bytes
                ));
            }
        }
    }
}

/// Returns the number of frames that the ledgers of `files` count as lost but no gap record
/// locates.
pub(super) fn without_place(files: Vec<PathBuf>) -> Result<u64> {
    let mut stream = Stream::new(files);
    let mut in_gaps = 0;
    loop {
        match stream.advance()? {
            Next::End => break,
            Next::Gap(gap) => in_gaps += with_place(&gap.lost),
            Next::Frame => {}
        }
    }
    Ok(explained(&stream.ledger).saturating_sub(in_gaps))
}

/// Returns the number of frames that are not in these files according to the ledger and the
/// listener's own gaps.
fn explained(sum: &Sum) -> u64 {
    let all = sum.all();
    [
        Reason::Duplicate,
        Reason::Filtered,
        Reason::NoListener,
        Reason::RingFull,
        Reason::Overrun,
        Reason::Storage,
    ]
    .into_iter()
    .map(|reason| all[reason].frames)
    .sum::<u64>()
        + sum.before.frames
}

/// Returns the number of frames that the NIC delivered and that are missing exactly at the gap
/// record.
pub(super) fn with_place(lost: &Ledger) -> u64 {
    [Reason::RingFull, Reason::Overrun, Reason::Storage]
        .into_iter()
        .map(|reason| lost[reason].frames)
        .sum()
}
