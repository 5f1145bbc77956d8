//! Reads the stream record by record or block by block, acknowledges what was read, and continues
//! after an overrun.

use std::mem::offset_of;
use std::sync::atomic::{Ordering, fence};

use super::{Block, Listener, Mark, Ring, Start, TOLD_LOSSES};
use crate::abi::{self, hpcap_block, hpcap_record, hpcap_slot};
use crate::error::{Error, Kind, Result};
use crate::ledger::{Count, Ledger, Reason};
use crate::raw::{Event, Record, split_record};
use crate::time::Timestamp;

/// Names the operation in errors of reading a record.
const TRIED_RECORD: &str = "read the next record";

/// A whole record that was found but not yet consumed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fetched {
    off: u64,
    bytes: usize,
    /// Index of the record in the ring.
    index: usize,
    /// The header, read once, so that every user of the record sees the same lengths.
    header: hpcap_record,
    /// Whether the record is in the listener's own copy instead of the ring.
    copied: bool,
}

impl Fetched {
    /// Whether the record is padding.
    #[inline]
    pub(crate) fn is_padding(&self) -> bool {
        self.header.is_padding()
    }

    /// Returns the frame of this record, whose bytes are `bytes`.
    #[inline]
    fn frame<'a>(&self, bytes: &'a [u8]) -> Record<'a> {
        Record {
            time: Timestamp::new(self.header.sec, self.header.nsec),
            len: self.header.len,
            data: &bytes[abi::HPCAP_RECORD_BYTES..],
        }
    }
}

/// Returns the bytes of `record`, in the listener's own copy or in the ring.
#[inline]
fn bytes_of<'a>(scratch: &'a [u8], ring: &'a Ring, record: &Fetched) -> &'a [u8] {
    if record.copied {
        &scratch[..record.bytes]
    } else {
        ring.bytes_at(record.index, record.bytes)
    }
}

impl Listener {
    /// Returns the next record, or `None` when no record is published yet. A caller that no longer
    /// needs the records read so far acknowledges them with [`Listener::ack`].
    ///
    /// A lossless listener gets a reference into the ring; a lossy one gets a copy that was intact
    /// when it was made.
    ///
    /// # Errors
    /// Returns [`Kind::Killed`] when the listener was killed, and [`Kind::Overrun`] when it was
    /// overtaken; then continue with [`Listener::resync`].
    #[inline]
    pub fn next_record(&mut self) -> Result<Option<Event<'_>>> {
        if let Some(frame) = self.fetch_frame(false) {
            return Ok(Some(Event::Frame(self.take_frame(&frame))));
        }
        let fetched = self.fetch(false)?;
        Ok(fetched.and_then(|record| self.take(record)))
    }

    /// Finds the next record and checks that it is whole; [`Listener::take`] consumes it. With
    /// `copy`, the record is copied out of the ring even while the contract holds it there,
    /// because the contract may end while the caller still looks at the record.
    pub(crate) fn fetch(&mut self, copy: bool) -> Result<Option<Fetched>> {
        const TRIED: &str = TRIED_RECORD;
        self.check_killed(TRIED)?;
        let published = self.published();
        let lossy = copy || self.is_lossy();
        // This check is also necessary: an unread distance of more than a ring cannot be read.
        if lossy && self.is_overtaken(self.position) {
            return Err(self.overrun(TRIED));
        }
        let available = published.saturating_sub(self.position);
        if available < abi::HPCAP_RECORD_BYTES as u64 {
            return Ok(None);
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "below HPCAP_RECORD_BYTES_MAX"
        )]
        let look = available.min(abi::HPCAP_RECORD_BYTES_MAX as u64) as usize;
        let from = self.position;
        let header = hpcap_record::from_bytes(self.ring.bytes(from, look));
        let needed = match &header {
            Some(header) => abi::HPCAP_RECORD_BYTES + usize::from(header.caplen),
            None => look + 1,
        };
        if lossy {
            let mut copy = std::mem::take(&mut self.scratch);
            copy.clear();
            copy.extend_from_slice(self.ring.bytes(from, needed.min(look)));
            self.scratch = copy;
            if self.is_overtaken(from) {
                return Err(self.overrun(TRIED));
            }
        }
        match header {
            Some(header) if needed <= look => Ok(Some(Fetched {
                off: from,
                bytes: needed,
                index: self.ring.index(from),
                header,
                copied: lossy,
            })),
            _ => Err(self.cut_record(needed, look)),
        }
    }

    #[cold]
    fn cut_record(&self, needed: usize, published: usize) -> Error {
        let why = format!(
            "the record at stream offset {} needs {needed} bytes, and {published} are published",
            self.position
        );
        Error::new(Kind::Format, TRIED_RECORD, why)
    }

    /// Finds the next record if it is a whole frame, like [`Listener::fetch`]. `None` means that
    /// `fetch` must find out what comes next.
    #[inline(always)]
    pub(crate) fn fetch_frame(&mut self, copy: bool) -> Option<Fetched> {
        let off = self.position;
        let mut available = self.readable.saturating_sub(off);
        if available < abi::HPCAP_RECORD_BYTES as u64 {
            self.readable = self.published();
            available = self.readable.saturating_sub(off);
        }
        let copied = copy || self.is_lossy();
        if available < abi::HPCAP_RECORD_BYTES as u64 || (copied && self.is_overtaken(off)) {
            return None;
        }
        let index = self.ring.index(off);
        let header = hpcap_record::from_bytes(self.ring.bytes_at(index, abi::HPCAP_RECORD_BYTES))?;
        let bytes = abi::HPCAP_RECORD_BYTES + usize::from(header.caplen);
        if bytes as u64 > available || header.is_padding() {
            return None;
        }
        if copied {
            self.scratch.clear();
            self.scratch
                .extend_from_slice(self.ring.bytes_at(index, bytes));
            if self.is_overtaken(off) {
                return None;
            }
        }
        Some(Fetched {
            off,
            bytes,
            index,
            header,
            copied,
        })
    }

    /// Consumes the record that the last [`Listener::fetch`] found.
    pub(crate) fn take(&mut self, record: Fetched) -> Option<Event<'_>> {
        self.position = record.off + record.bytes as u64;
        let (event, _) = split_record(bytes_of(&self.scratch, &self.ring, &record))?;
        self.mark.off = self.position;
        match &event {
            Event::Frame(frame) => {
                self.mark.told[Reason::Captured] += Count::new(1, u64::from(frame.len));
            }
            Event::Missed(gap) => {
                for reason in TOLD_LOSSES {
                    self.mark.told[reason] += gap.lost[reason];
                }
            }
            _ => {}
        }
        Some(event)
    }

    /// The frame that the last [`Listener::fetch`] found, without consuming it.
    pub(crate) fn frame(&self, record: &Fetched) -> Record<'_> {
        record.frame(bytes_of(&self.scratch, &self.ring, record))
    }

    /// Consumes the frame that the last [`Listener::fetch`] found, which is no padding.
    #[inline(always)]
    pub(crate) fn take_frame(&mut self, record: &Fetched) -> Record<'_> {
        let frame = record.frame(bytes_of(&self.scratch, &self.ring, record));
        self.position = record.off + record.bytes as u64;
        self.mark.off = self.position;
        self.mark.told[Reason::Captured] += Count::new(1, u64::from(frame.len));
        frame
    }

    /// Acknowledges everything consumed without checking for an overrun; for a reader that has
    /// copied and checked every record itself.
    pub(crate) fn release(&mut self) {
        self.acked = self.position;
        self.slot_u64(offset_of!(hpcap_slot, read_off))
            .store(self.position, Ordering::Release);
    }

    /// Bytes consumed since the last acknowledgement.
    pub(crate) fn unacknowledged(&self) -> u64 {
        self.position - self.acked
    }

    /// Returns the unread bytes of the current block; `None` when there are none.
    /// [`Listener::advance`] consumes them, and they stay valid until [`Listener::ack`].
    #[must_use]
    pub fn block(&self) -> Option<Block<'_>> {
        let block_bytes = self.info().block_bytes;
        let published = self.published();
        let number = self.position / block_bytes;
        let end = (number + 1) * block_bytes;
        let to = published.min(end);
        if to <= self.position {
            return None;
        }
        let entry = self.page.block(number);
        #[expect(clippy::cast_possible_truncation, reason = "at most a block")]
        let bytes = (to - self.position) as usize;
        Some(Block {
            number,
            off: self.position,
            bytes: self.ring.bytes(self.position, bytes),
            file_start: entry.is_some_and(|e| e.file_off == self.position),
            complete: to == end,
            first_ns: entry.map_or(0, |e| e.first_ns),
        })
    }

    /// Consumes `bytes` bytes of [`Listener::block`].
    pub fn advance(&mut self, bytes: u64) {
        self.position += bytes;
        let block_bytes = self.info().block_bytes;
        if self.position.is_multiple_of(block_bytes)
            && let Some(entry) = self.page.block(self.position / block_bytes)
        {
            self.mark = Mark::at(&entry);
        }
    }

    /// Passes over all records before the first one that begins in block `number`, which may lie in the middle of the
    /// block's bytes of the ring: a record can begin in one block and end in the next. Returns `false`, and passes over
    /// nothing, if no such record is published yet, or if it is overwritten.
    ///
    /// The records passed over count as read and are acknowledged: neither the next gap nor the listener's ledger
    /// contains them, and it is no overrun when the producer overwrites them. So everything read before is
    /// acknowledged first.
    ///
    /// # Errors
    /// Returns [`Kind::Overrun`] as [`Listener::ack`] does, for what was read before this call.
    pub fn skip_to_block(&mut self, number: u64) -> Result<bool> {
        self.ack()?;
        let Some(entry) = self.page.block(number) else {
            return Ok(false);
        };
        let ahead = self.position..=self.published();
        if !ahead.contains(&entry.first_off) || self.is_overtaken(entry.first_off) {
            return Ok(false);
        }
        self.position = entry.first_off;
        self.mark = Mark::at(&entry);
        self.release();
        Ok(true)
    }

    /// Acknowledges everything consumed, so that the producer may overwrite it.
    ///
    /// # Errors
    /// Returns [`Kind::Overrun`] when some of it may have been overwritten before this call. Data
    /// read since the last acknowledgement can then be wrong.
    pub fn ack(&mut self) -> Result<()> {
        const TRIED: &str = "acknowledge";
        // The data is read before the state, because the ring does not wait for a killed listener.
        fence(Ordering::Acquire);
        if self.is_lossy() && self.is_overtaken(self.acked) && self.acked != self.position {
            return Err(self.overrun(TRIED));
        }
        self.release();
        Ok(())
    }

    /// Asks the producer to start a new file at the next block.
    pub fn request_file(&mut self) {
        self.slot_u32(offset_of!(hpcap_slot, file_seq))
            .fetch_add(1, Ordering::Release);
    }

    /// Continues after an overrun at the newest block, the oldest whole block, or the newest start
    /// of a file that can still be read. Returns what the listener missed since the last whole
    /// record.
    ///
    /// With [`Start::File`] such a position may not exist yet: request one with
    /// [`Listener::request_file`] and try again. The listener is unchanged then.
    ///
    /// # Errors
    /// Returns [`Kind::Killed`] when the listener was killed, and [`Kind::NotFound`] when no such
    /// position exists yet.
    pub fn resync(&mut self, start: Start) -> Result<Ledger> {
        const TRIED: &str = "resynchronise";
        self.check_killed(TRIED)?;
        let found = self.find_start_beside_producer(start);
        let Some(entry) = found else {
            if self.is_killed() {
                self.killed(TRIED)?;
            }
            let why = "no block to go on with is in the ring yet";
            return Err(Error::new(Kind::NotFound, TRIED, why));
        };
        let now = Mark::at(&entry).told;
        let mut missed = Ledger::default();
        missed[Reason::Overrun] = now[Reason::Captured] - self.mark.told[Reason::Captured];
        for reason in TOLD_LOSSES {
            missed[reason] = now[reason] - self.mark.told[reason];
        }
        self.missed += missed[Reason::Overrun];
        self.mark = Mark::at(&entry);
        self.position = entry.first_off;
        self.release();
        Ok(missed)
    }

    /// Finds a start as [`Listener::find_start`] does. A fast producer can overtake the newest block while it is looked
    /// up, so there are several attempts, as long as the producer goes on: another look at an unchanged ring finds nothing
    /// new. The start of a file can be far away; the caller waits for it.
    fn find_start_beside_producer(&self, start: Start) -> Option<hpcap_block> {
        let mut attempts = if start == Start::File { 1 } else { 1000 };
        loop {
            let before = (self.page.oldest(), self.page.published());
            let found = self.find_start(start);
            attempts -= 1;
            let unchanged = before == (self.page.oldest(), self.page.published());
            if found.is_some() || attempts == 0 || unchanged {
                return found;
            }
        }
    }

    /// Finds a block at or after the listener's position that is completely in the ring.
    fn find_start(&self, start: Start) -> Option<hpcap_block> {
        let block_bytes = self.info().block_bytes;
        let published = self.published();
        let newest = published / block_bytes;
        let oldest = self.page.oldest().max(self.position).div_ceil(block_bytes);
        let fits = |number: u64| {
            let entry = self.page.block(number)?;
            let good = entry.first_off <= published
                && entry.first_off >= self.position
                && (start != Start::File || entry.file_off == number * block_bytes);
            (good && !self.is_overtaken(entry.first_off)).then_some(entry)
        };
        match start {
            Start::Oldest => (oldest..=newest).find_map(fits),
            Start::Newest | Start::File => (oldest..=newest).rev().find_map(fits),
        }
    }
}
