//! The findings about a stream of generated frames, and the judgement of them.

use std::fmt;

use hpcap::{Ledger, Reason, visible};
use serde::Serialize;

use super::spread::Spread;

/// Findings about one stream. The numbers count frames, unless stated otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct Findings {
    /// Name of the queue or of the first file.
    pub of: String,
    /// Generated frames of which every byte is as it was sent.
    pub verified: u64,
    /// Captured bytes of the verified frames.
    pub bytes: u64,
    /// Generated frames of which some byte is not as it was sent.
    pub corrupt: u64,
    /// Frames that the generator did not make.
    pub foreign: u64,
    /// Generated frames that are cut before the end of their number, so that only their existence
    /// is known.
    pub short: u64,
    /// The lowest number of a frame.
    pub first_seq: Option<u64>,
    /// The highest number of a frame.
    pub last_seq: Option<u64>,
    /// Numbers between the lowest and the highest that were not found.
    pub missing: u64,
    /// Number of ranges of missing numbers.
    pub holes: u64,
    /// Frames that came after a frame with a higher number.
    pub reordered: u64,
    /// Frames whose number had been found before.
    pub repeated: u64,
    /// Number of gap records.
    pub gaps: u64,
    /// Losses that the gap records state, by reason.
    pub gap_lost: Ledger,
    /// Captured frames that this listener missed because it was too slow.
    pub overrun: u64,
    /// Frames between two recordings of one stream, which are in no file.
    pub between: u64,
    /// Frames that are not in the stream according to the queue's ledger: since this listener
    /// attached (an upper bound), or from the first file to the last.
    pub ledger_lost: Ledger,
    /// Captured frames that the queue's ledger counts but that were not found; only known after the
    /// end of a queue.
    pub vanished: u64,
    /// Whether the stream has no gap records, so that only the ledger can explain losses.
    pub plain: bool,
    /// Number of stretches of files that are not valid records.
    pub damaged: u64,
    /// Number of files that were never finished.
    pub unfinished: u64,
    /// Number of files read.
    pub files: u64,
    /// Whether the producer ended without marking the end of the queue.
    pub producer_died: bool,
    /// Duration of reading in seconds.
    pub seconds: f64,
    /// From the time of sending that a frame carries to its time in the record: the error of the
    /// time, if both clocks are the same.
    #[serde(skip)]
    pub stamped_after: Spread,
    /// From the time of sending to when the frame was read, of a stream that is read live.
    #[serde(skip)]
    pub seen_after: Spread,
}

/// Reasons for which a frame is missing from the stream without a gap record.
const SILENT: [Reason; 3] = [Reason::Duplicate, Reason::Filtered, Reason::NoListener];

impl Findings {
    /// Returns the number of missing frames that neither gap records nor the ledger explain.
    #[must_use]
    pub fn unexplained(&self) -> u64 {
        let silent = SILENT.iter().map(|r| self.ledger_lost[*r].frames);
        let gaps = self.gap_lost.lost().frames;
        // Gap records that were overrun, and those that a plain stream lacks, are known from the
        // ledger.
        let losses = if self.overrun > 0 || self.plain {
            gaps.max(self.ledger_lost.lost().frames + self.own_gaps())
        } else {
            gaps
        };
        let explained =
            silent.sum::<u64>() + losses + self.overrun + self.between + self.short + self.corrupt;
        self.missing.saturating_sub(explained)
    }

    /// Returns the losses of listeners, which are in gap records but not in the queue's ledger.
    fn own_gaps(&self) -> u64 {
        self.gap_lost[Reason::Overrun].frames + self.gap_lost[Reason::Storage].frames
    }

    /// Returns one sentence for each problem; none if the stream is as it should be.
    #[must_use]
    pub fn complaints(&self, frames_wanted: Option<u64>) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut say = |count: u64, what: &str| {
            if count > 0 {
                wrong.push(format!("{count} {what}"));
            }
        };
        say(self.corrupt, "frames are corrupt");
        say(
            self.unexplained(),
            "frames are missing that no gap and no ledger explains",
        );
        say(self.repeated, "frames are there twice");
        say(self.vanished, "captured frames were never seen");
        say(self.damaged, "stretches of files are no records");
        let known = self.verified + self.missing + self.short;
        say(
            frames_wanted.unwrap_or(0).saturating_sub(known),
            "frames less than asked for",
        );
        if self.producer_died {
            wrong.push("the producer died".into());
        }
        if self.verified + self.short == 0 {
            wrong.push("there is no generated frame".into());
        }
        wrong
    }

    fn rate(&self) -> f64 {
        self.verified as f64 / self.seconds.max(1e-9)
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} frames verified, {} bytes, in {:.1} s ({:.2} Mpps)",
            visible(&self.of),
            self.verified,
            self.bytes,
            self.seconds,
            self.rate() / 1e6
        )?;
        if let (Some(first), Some(last)) = (self.first_seq, self.last_seq) {
            write!(f, "\n  numbers    {first} to {last}")?;
        }
        write!(
            f,
            "\n  missing    {} in {} holes, {} unexplained",
            self.missing,
            self.holes,
            self.unexplained()
        )?;
        for (reason, count) in self.gap_lost.iter().filter(|(_, c)| c.frames > 0) {
            write!(f, "\n  gap        {} lost: {reason}", count.frames)?;
        }
        let lines = [
            (self.corrupt, "corrupt", ""),
            (self.reordered, "reordered", ""),
            (self.repeated, "repeated", ""),
            (self.overrun, "overrun", "missed by this listener"),
            (self.between, "between", "two recordings, in no file"),
            (self.short, "short", "too short to carry a number"),
            (self.foreign, "foreign", "not from the generator"),
            (self.damaged, "damaged", "stretches of files"),
            (self.unfinished, "unfinished", "files"),
        ];
        for (count, name, what) in lines {
            if count > 0 {
                write!(f, "\n  {name:<10} {}", format!("{count} {what}").trim_end())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hpcap::Count;

    use super::*;

    fn lost(reason: Reason, frames: u64) -> Ledger {
        let mut ledger = Ledger::default();
        ledger[reason] = Count::new(frames, 0);
        ledger
    }

    fn found() -> Findings {
        Findings {
            verified: 90,
            missing: 10,
            ..Findings::default()
        }
    }

    #[test]
    fn missing_frame_needs_a_gap() {
        assert_eq!(found().unexplained(), 10);
        assert_eq!(found().complaints(None).len(), 1);
        let gap = Findings {
            gap_lost: lost(Reason::NicMissed, 10),
            ..found()
        };
        assert_eq!(gap.unexplained(), 0);
        assert!(gap.complaints(Some(100)).is_empty());
        assert_eq!(gap.complaints(Some(101)), ["1 frames less than asked for"]);
    }

    #[test]
    fn ledger_explains_losses_without_gaps() {
        let ledger = Findings {
            ledger_lost: lost(Reason::RingFull, 10),
            ..found()
        };
        assert_eq!(ledger.unexplained(), 10);
        let plain = Findings {
            plain: true,
            ..ledger
        };
        assert_eq!(plain.unexplained(), 0);
        let filtered = Findings {
            ledger_lost: lost(Reason::Filtered, 9),
            ..found()
        };
        assert_eq!(filtered.unexplained(), 1);
    }

    #[test]
    fn empty_stream_is_a_problem() {
        assert_eq!(
            Findings::default().complaints(None),
            ["there is no generated frame"]
        );
    }
}
