//! Counts of each interface of a stream, for the statistics of pcapng.

use hpcap::pcapfile::Interface;
use hpcap::raw::{FileHeader, LedgerTag};
use hpcap::{Count, Ledger, Reason, Timestamp};

/// An interface and its counts. An interface is a queue with one filter and one caplen. If either
/// changes, the stream gets another interface with counts of its own.
#[derive(Debug, Clone)]
pub(super) struct InterfaceCounts {
    pub(super) interface: Interface,
    /// Counts of the queue, as far as the files have them.
    pub(super) ledger: Ledger,
    /// When the counts start and end, by the clock of the frames.
    pub(super) start: Option<Timestamp>,
    pub(super) end: Option<Timestamp>,
}

/// The interfaces of a stream in the order of the files, and the counts of the open file.
#[derive(Debug, Default)]
pub(super) struct Interfaces {
    all: Vec<InterfaceCounts>,
    file: FileCounts,
}

/// Counts of the open file.
#[derive(Debug, Default)]
struct FileCounts {
    before: Option<Ledger>,
    end: Option<Ledger>,
    frames: Count,
    lost: Ledger,
}

impl FileCounts {
    /// Returns what the queue counted while the file was recorded.
    fn ledger(&self) -> Ledger {
        match (self.before, self.end) {
            (Some(before), Some(end)) => {
                let mut ledger = end.since(&before);
                // Losses of the recorder are in its gaps, not in the ledger of the queue.
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

/// Whether the times in a file's header come from the clock of its frames.
fn shares_clock(header: &FileHeader) -> bool {
    header.clock_source != "file"
}

impl Interfaces {
    /// Takes in the header of a file.
    pub(super) fn header(&mut self, header: &FileHeader) {
        if self.file.end.is_some() {
            // A ledger was read before this header: the header belongs to the next file.
            self.settle();
        }
        self.describe(header);
        self.file.before.get_or_insert(header.ledger);
        if let Some(counted) = self.all.last_mut().filter(|_| shares_clock(header)) {
            counted.start.get_or_insert(header.start);
        }
    }

    /// Adds the interface of a file that is not open yet.
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

    /// Counts a frame of `len` bytes.
    #[inline]
    pub(super) fn frame(&mut self, len: u16) {
        self.file.frames += Count::new(1, u64::from(len));
        if self.all.is_empty() {
            self.add(Interface::default());
        }
    }

    /// Counts the frames of a gap as lost.
    pub(super) fn gap(&mut self, lost: &Ledger) {
        self.file.lost += lost;
    }

    /// Takes in the ledger at the end of a file.
    pub(super) fn ledger(&mut self, tag: &LedgerTag) {
        self.file.end = Some(tag.ledger);
        if let Some(counted) = self.all.last_mut().filter(|c| c.start.is_some()) {
            counted.end = Some(tag.end);
        }
    }

    /// Adds the counts of the open file to its interface.
    pub(super) fn settle(&mut self) {
        let ledger = std::mem::take(&mut self.file).ledger();
        if self.all.is_empty() && ledger != Ledger::default() {
            self.add(Interface::default());
        }
        if let Some(counted) = self.all.last_mut() {
            counted.ledger += &ledger;
        }
    }

    /// Returns all interfaces; the position of each is its version.
    pub(super) fn all(&self) -> &[InterfaceCounts] {
        &self.all
    }

    /// Returns the version of the last interface.
    #[inline]
    pub(super) fn version(&self) -> usize {
        self.all.len().saturating_sub(1)
    }
}
