//! Counts of one source of a pcapng file, for the statistics at the end of each file.

use std::sync::Arc;

use hpcap::pcapfile::Statistics;
use hpcap::queue::Queue;
use hpcap::raw::Gap;
use hpcap::{Count, Ledger, Reason, Timestamp};

use crate::sink::record::record_format::FileEnd;

/// Reasons that the stream itself tells where they happened, by its records and its gaps.
const TOLD: [Reason; 4] = [
    Reason::Captured,
    Reason::RingFull,
    Reason::NicMissed,
    Reason::NicError,
];

/// Counts of a source for the file under way. The statistics of all files add up to the ledger of
/// the recording.
#[derive(Debug)]
pub struct SourceCounts {
    /// The queue itself; `None` for the first source, whose ledger the session provides.
    queue: Option<Arc<Queue>>,
    /// Losses since the last frame of this source. The next frame tells them, even if it is in
    /// another file.
    lost: Option<Ledger>,
    /// Ledger of this source at the start of the file under way, which is the end of the file
    /// before.
    before: Ledger,
    /// Counts that the records and gaps since the start of the file tell.
    told: Ledger,
    /// Frames that this recorder itself lost since the start of the file.
    own: Ledger,
}

impl SourceCounts {
    /// Counts of a source whose ledger is `before` when the recording begins.
    #[must_use]
    pub fn new(queue: Option<Arc<Queue>>, before: Ledger) -> Self {
        Self {
            queue,
            lost: None,
            before,
            told: Ledger::default(),
            own: Ledger::default(),
        }
    }

    /// Takes the losses since the last frame.
    pub fn take_lost(&mut self) -> Option<Ledger> {
        self.lost.take()
    }

    /// Counts a frame.
    pub fn note_frame(&mut self, frame: Count) {
        self.told[Reason::Captured] += frame;
    }

    /// Counts the losses of a gap.
    pub fn note_gap(&mut self, gap: &Gap) {
        *self.lost.get_or_insert_default() += &gap.lost;
        for own in [Reason::Overrun, Reason::Storage] {
            self.own[own] += gap.lost[own];
        }
        for reason in TOLD {
            self.told[reason] += gap.lost[reason];
        }
    }

    /// Makes the statistics of the file that ends, from the first time of `span` to the second.
    /// `stored` frames are in the file, and `unstored` ones were taken for it but are not. Later
    /// counts belong to the next file.
    pub fn end_file(
        &mut self,
        span: (Timestamp, Timestamp),
        end: FileEnd<'_>,
        stored: Count,
        unstored: Count,
    ) -> Statistics {
        let mut ledger = match (end, &self.queue) {
            (FileEnd::Interruption, _) => self.before,
            (_, Some(queue)) => queue.ledger().ledger,
            (FileEnd::Rotation(at) | FileEnd::Recording { at, .. }, None) => at.ledger,
        };
        let mut carried = Count::default();
        match end {
            FileEnd::Rotation(_) => {}
            FileEnd::Interruption => {
                // The next file holds these frames, or says that they are missing.
                carried = unstored;
                self.told[Reason::Captured] = self.told[Reason::Captured] - carried;
            }
            FileEnd::Recording { .. } => self.own[Reason::Storage] += unstored,
        }
        if !matches!(end, FileEnd::Recording { .. }) {
            for reason in TOLD {
                ledger[reason] = self.before[reason];
                ledger[reason] += self.told[reason];
            }
        }
        let (start, now) = span;
        let before = (start, &self.before);
        let statistics = Statistics::between(before, (now, &ledger), &self.own, stored.frames);
        self.before = ledger;
        self.told = Ledger::default();
        self.told[Reason::Captured] = carried;
        self.own = Ledger::default();
        statistics
    }
}
