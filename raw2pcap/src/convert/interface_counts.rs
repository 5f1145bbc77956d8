//! What is known of each interface of a stream, for the statistics of pcapng.

use hpcap::pcapfile::Interface;
use hpcap::raw::{FileHeader, LedgerTag};
use hpcap::{Count, Ledger, Reason, Timestamp};

/// An interface: a queue with one filter and one capture length. Where these change, another
/// interface follows, with counts of its own.
#[derive(Debug, Clone)]
pub(super) struct InterfaceCounts {
    pub(super) interface: Interface,
    /// What the queue counted, as far as the files say.
    pub(super) ledger: Ledger,
    /// When the counts start and end, in the clock of the frames.
    pub(super) start: Option<Timestamp>,
    pub(super) end: Option<Timestamp>,
}

/// The interfaces of a stream, in their order, and what is counted of the last one.
#[derive(Debug, Default)]
pub(super) struct Interfaces {
    all: Vec<InterfaceCounts>,
    file: FileCounts,
}

/// What is known of the file that is open.
#[derive(Debug, Default)]
struct FileCounts {
    before: Option<Ledger>,
    end: Option<Ledger>,
    frames: Count,
    lost: Ledger,
}

impl FileCounts {
    /// What the queue counted during the file.
    fn ledger(&self) -> Ledger {
        match (self.before, self.end) {
            (Some(before), Some(end)) => {
                let mut ledger = end.since(&before);
                // Losses of the recorder alone are only in its gaps.
                for reason in [Reason::Overrun, Reason::Storage] {
                    ledger[reason] = self.lost[reason];
                }
                ledger
            }
            _ => {
                let mut ledger = self.lost;
                ledger[Reason::Captured] += self.frames;
                ledger
            }
        }
    }
}

/// Whether a file's own times are in the clock of its frames.
fn shares_clock(header: &FileHeader) -> bool {
    header.clock_source != "file"
}

impl Interfaces {
    /// A file begins, or its header was read.
    pub(super) fn header(&mut self, header: &FileHeader) {
        if self.file.end.is_some() {
            // Of another file, one behind the other.
            self.settle();
        }
        self.describe(header);
        self.file.before.get_or_insert(header.ledger);
        if let Some(counted) = self.all.last_mut().filter(|_| shares_clock(header)) {
            counted.start.get_or_insert(header.start);
        }
    }

    /// The interface of a file that is not open yet.
    pub(super) fn describe(&mut self, header: &FileHeader) {
        let interface = Interface::of(header);
        let is_same = self
            .all
            .last()
            .is_some_and(|counted| counted.interface == interface);
        if !is_same {
            self.settle();
            self.add(interface);
        }
    }

    fn add(&mut self, interface: Interface) {
        self.all.push(InterfaceCounts {
            interface,
            ledger: Ledger::default(),
            start: None,
            end: None,
        });
    }

    /// A frame was read.
    #[inline]
    pub(super) fn frame(&mut self, len: u16) {
        self.file.frames += Count::new(1, u64::from(len));
        if self.all.is_empty() {
            self.add(Interface::default());
        }
    }

    /// Frames are missing.
    pub(super) fn gap(&mut self, lost: &Ledger) {
        self.file.lost += lost;
    }

    /// The end of a file says what its queue counted.
    pub(super) fn ledger(&mut self, tag: &LedgerTag) {
        self.file.end = Some(tag.ledger);
        if let Some(counted) = self.all.last_mut().filter(|c| c.start.is_some()) {
            counted.end = Some(tag.end);
        }
    }

    /// A file ends.
    pub(super) fn settle(&mut self) {
        let ledger = std::mem::take(&mut self.file).ledger();
        if self.all.is_empty() && ledger != Ledger::default() {
            self.add(Interface::default());
        }
        if let Some(counted) = self.all.last_mut() {
            counted.ledger += &ledger;
        }
    }

    /// All of them; the place of each is its version.
    pub(super) fn all(&self) -> &[InterfaceCounts] {
        &self.all
    }

    /// The last one's place.
    #[inline]
    pub(super) fn version(&self) -> usize {
        self.all.len().saturating_sub(1)
    }
}
