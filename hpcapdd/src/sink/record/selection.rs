//! Which frames a frame-by-frame recording keeps, and when it ends.

use hpcap::filter::Filter;
use hpcap::listener::Moment;
use hpcap::raw::Record;
use hpcap::{Count, Ledger, Reason};

use crate::report::event::EndedBy;
use crate::sink::record::Written;

/// Selects frames, and the bytes that are kept of each.
#[derive(Debug, Default)]
pub struct Selector {
    /// Keeps only the frames that match; `None` keeps all frames.
    pub filter: Option<Filter>,
    /// Bytes kept of each frame; `None` keeps whole frames.
    pub caplen: Option<usize>,
}

impl Selector {
    /// Whether the frame of `record` is kept.
    #[must_use]
    pub fn keeps(&self, record: &Record<'_>) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| filter.matches(record.data, u32::from(record.len)))
    }

    /// Returns the part of `record` that is kept.
    #[must_use]
    pub fn cut<'a>(&self, mut record: Record<'a>) -> Record<'a> {
        if let Some(caplen) = self.caplen {
            record.data = &record.data[..record.data.len().min(caplen)];
        }
        record
    }
}

/// Limits at which a frame-by-frame recording ends.
#[derive(Debug, Clone, Copy, Default)]
pub struct RecordLimits {
    /// The recording ends after this many frames.
    pub frames: Option<u64>,
    /// The recording ends when the output holds at least this many bytes.
    pub bytes: Option<u64>,
    /// The recording ends after this many files.
    pub files: Option<u64>,
}

impl RecordLimits {
    /// Returns the limit that `stored` frames or the `written` output has reached, if any.
    #[must_use]
    pub fn reached(&self, stored: Count, written: Written) -> Option<EndedBy> {
        let over = |limit: Option<u64>, n: u64| limit.is_some_and(|limit| n >= limit);
        if over(self.frames, stored.frames) {
            Some(EndedBy::Frames)
        } else if over(self.files, written.files) {
            Some(EndedBy::Files)
        } else if over(self.bytes, written.bytes) {
            Some(EndedBy::Bytes)
        } else {
            None
        }
    }
}

/// The queue's ledger as this recording sees it: frames that the recorder's own filter refused are
/// counted as filtered instead of captured.
#[must_use]
pub fn own_ledger(mut ledger: Ledger, filtered: Count) -> Ledger {
    let captured = ledger[Reason::Captured];
    ledger[Reason::Captured] = captured - filtered;
    ledger[Reason::Filtered] += filtered;
    ledger
}

/// `now` with the ledger as this recording sees it.
#[must_use]
pub fn own_moment(mut now: Moment, filtered: Count) -> Moment {
    now.ledger = own_ledger(now.ledger, filtered);
    now
}
