//! Reads the records of one listener: marks and notes apply to the frame behind them, and an overrun
//! is a gap.

use hpcap::listener::{Listener, Moment, Start, TOLD_LOSSES};
use hpcap::pcapfile::Marks;
use hpcap::raw::{Altered, Event, Gap, Record};
use hpcap::{Count, Kind, Ledger, Reason, Result};

use crate::sink::Ending;
use crate::sink::record::duplicate_mark::DuplicateMark;
use crate::sink::record::selection::Selector;

/// The reading state of one listener.
#[derive(Debug)]
pub struct RecordStream {
    mark: DuplicateMark,
    /// Original length and time of the next frame, if its record cannot hold them.
    altered: Option<Altered>,
    /// Whether this machine sent the next frame.
    sent: bool,
    /// Whether the ring overwrote records that were not read.
    overtaken: bool,
    /// Stream offset up to which records were given back to the ring.
    acked: u64,
}

/// The next record of a stream.
#[derive(Debug)]
pub enum Next<'a> {
    /// A frame.
    Frame {
        /// The frame.
        record: Record<'a>,
        /// What the tags before the frame say of it.
        marks: Marks,
    },
    /// A gap that the producer reports.
    Gap(Box<Gap>),
    /// A record that holds nothing to store.
    Other,
    /// There is no unread record.
    Nothing,
    /// The ring overwrote unread records: call [`RecordStream::resync`].
    Overtaken,
}

impl RecordStream {
    /// Reads on from the position of `listener`.
    #[must_use]
    pub fn new(listener: &Listener) -> Self {
        Self {
            mark: DuplicateMark::default(),
            altered: None,
            sent: false,
            overtaken: false,
            acked: listener.position(),
        }
    }

    /// Whether the ring overwrote records that were not read.
    #[must_use]
    #[inline]
    pub fn is_overtaken(&self) -> bool {
        self.overtaken
    }

    /// Reads the next record.
    ///
    /// # Errors
    /// Errors of the listener that end the recording.
    #[inline(always)]
    pub fn next<'a>(&mut self, listener: &'a mut Listener) -> Result<Next<'a>> {
        let event = match listener.next_record() {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(Next::Nothing),
            Err(e) if e.kind() == Kind::Overrun => {
                self.overtaken = true;
                self.mark.void();
                self.altered = None;
                self.sent = false;
                return Ok(Next::Overtaken);
            }
            Err(e) => return Err(e),
        };
        let duplicate = self.mark.of(&event);
        Ok(match event {
            Event::Frame(record) => Next::Frame {
                record,
                marks: Marks {
                    duplicate,
                    sent: std::mem::take(&mut self.sent),
                    altered: self.altered.take(),
                },
            },
            Event::Missed(gap) => Next::Gap(gap),
            Event::Altered(had) => {
                self.altered = Some(had);
                Next::Other
            }
            Event::Sent => {
                self.sent = true;
                Next::Other
            }
            Event::FileStart(_)
            | Event::FileEnd(_)
            | Event::Padding(_)
            | Event::Duplicate
            | Event::Damaged(_) => Next::Other,
        })
    }

    /// Goes on with the oldest record of the ring after an overrun. Returns what was missed, or
    /// `None` if there is no whole record yet.
    ///
    /// # Errors
    /// Errors of the listener that end the recording.
    pub fn resync(&mut self, listener: &mut Listener) -> Result<Option<Ledger>> {
        match listener.resync(Start::Oldest) {
            Ok(missed) => {
                self.overtaken = false;
                self.acked = listener.position();
                Ok(Some(missed))
            }
            Err(e) if e.kind() == Kind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Gives the records that were read back to the ring.
    ///
    /// # Errors
    /// Errors of the listener that end the recording.
    pub fn ack(&mut self, listener: &mut Listener) -> Result<()> {
        self.acked = listener.position();
        match listener.ack() {
            // An overrun does no harm here, because each record was checked when it was taken.
            Err(e) if e.kind() == Kind::Overrun => Ok(()),
            other => other,
        }
    }

    /// Whether records were read that are not given back to the ring.
    #[must_use]
    pub fn holds_records(&self, listener: &Listener) -> bool {
        self.acked != listener.position()
    }

    /// Whether records that are not given back take an eighth of the ring.
    #[must_use]
    pub fn holds_much(&self, listener: &Listener) -> bool {
        listener.position() - self.acked >= listener.info().ring_bytes / 8
    }

    /// Returns what is missing between the last record that was read and `end`, where the recording
    /// of this listener ends. Frames that `selector` does not keep are not missing.
    #[must_use]
    pub fn missing_at_end(
        &self,
        listener: &mut Listener,
        selector: &Selector,
        end: &Moment,
        ending: &Ending,
    ) -> Ledger {
        let mut lost = Ledger::default();
        if ending.limited {
            return lost;
        }
        let told = *listener.told();
        for reason in TOLD_LOSSES {
            lost[reason] = end.ledger[reason] - told[reason];
        }
        if self.overtaken {
            lost[Reason::Overrun] = end.ledger[Reason::Captured] - told[Reason::Captured];
        } else if !ending.complete {
            lost[Reason::Storage] = count_rest(listener, selector, end.off);
        }
        lost
    }
}

/// Counts the frames before stream offset `until` that `selector` keeps and that will not be stored.
fn count_rest(listener: &mut Listener, selector: &Selector, until: u64) -> Count {
    let mut rest = Count::default();
    while listener.position() < until
        && let Ok(Some(event)) = listener.next_record()
    {
        if let Event::Frame(record) = event
            && selector.keeps(&record)
        {
            rest += Count::new(1, u64::from(record.len));
        }
    }
    rest
}
