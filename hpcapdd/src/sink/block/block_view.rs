//! A view of one block in the ring, or of its published part.

use hpcap::abi::hpcap_block;
use hpcap::listener::{Listener, Moment};
use hpcap::{Ledger, Timestamp};

use crate::sink::block::walk::{Walk, walk};

/// The bytes of one block in the ring, from its start.
#[derive(Debug, Clone, Copy)]
pub struct BlockView<'a> {
    /// Stream offset of the block.
    pub off: u64,
    /// Bytes from `off` up to the end of the block, or up to the end of its published or wanted
    /// part.
    pub bytes: &'a [u8],
    /// Whether `bytes` is the whole block.
    pub complete: bool,
    /// The block's entry in the index.
    pub entry: hpcap_block,
}

/// Facts about a block that are still needed when it is stored and given back to the ring.
#[derive(Debug, Clone, Copy)]
pub struct StoredBlock {
    /// Stream offset of the block.
    pub off: u64,
    /// Stream offset of the first record that starts in the block.
    pub first_off: u64,
    /// Time of the block's first frame.
    pub first_time: Option<Timestamp>,
    /// Earliest and latest time of a frame of the block.
    pub span: Option<(Timestamp, Timestamp)>,
    /// The ledger before that record, as the stream tells it.
    pub told: Ledger,
}

impl<'a> BlockView<'a> {
    /// A view of the block that starts at the position of `listener`, without anything at or behind
    /// stream offset `until`. `None` if nothing of the block is published before `until`.
    #[must_use]
    pub fn of(listener: &'a Listener, until: u64) -> Option<Self> {
        let block = listener.block()?;
        let wanted = usize::try_from(until.saturating_sub(block.off)).unwrap_or(usize::MAX);
        let bytes = &block.bytes[..block.bytes.len().min(wanted)];
        if bytes.is_empty() {
            return None;
        }
        Some(Self {
            off: block.off,
            bytes,
            complete: block.complete && bytes.len() == block.bytes.len(),
            entry: listener.block_entry(block.number)?,
        })
    }

    /// The facts about the block that are still needed when it is stored.
    #[must_use]
    pub fn stored_block(&self) -> StoredBlock {
        let time = |ns: u64| (ns != 0).then(|| Timestamp::from_ns(ns));
        StoredBlock {
            off: self.off,
            first_off: self.entry.first_off,
            first_time: time(self.entry.first_ns),
            span: time(self.entry.earliest_ns).zip(time(self.entry.latest_ns)),
            told: self.told_before(),
        }
    }

    /// Stream offset behind the view.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.off + self.bytes.len() as u64
    }

    /// Whether a file starts with the block.
    #[must_use]
    pub fn starts_file(&self) -> bool {
        self.entry.file_off == self.off
    }

    /// The ledger as the stream tells it before the first record that starts in the block.
    #[must_use]
    pub fn told_before(&self) -> Ledger {
        Moment::from(&self.entry).ledger
    }

    /// Counts the records that start in the block and end before stream offset `until`. `None` if
    /// the first of them starts behind `until`.
    #[must_use]
    pub fn records(&self, until: u64) -> Option<Walk> {
        let at = |off: u64| usize::try_from(off.checked_sub(self.off)?).ok();
        let end = at(until.min(self.end()))?;
        Some(walk(self.bytes.get(at(self.entry.first_off)?..end)?))
    }
}
