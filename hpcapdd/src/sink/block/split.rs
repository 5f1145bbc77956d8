//! Ends a file in the middle of the producer's file, and goes on in a new one. No frame is lost.
//!
//! The producer starts at most one file every 100 ms, and a file may have to end earlier: at the
//! length that `--rotate-size`, `--keep-size` or `ulimit -f` allows, or where the disk refuses a
//! write. The records that reach to the end of the last block, or beyond it, then begin the new
//! file, so that every record is whole in one file.

use hpcap::listener::Moment;
use hpcap::raw::tag::Tag;
use hpcap::{Reason, Timestamp};

use super::BlockSink;
use crate::report::event::Notice;
use crate::sink::block::block_view::BlockView;
use crate::sink::file_header::{Place, header_of, ledger_tag};
use crate::storage::error::StorageError;

/// Bytes that the end of a file needs: a ledger, and the header of the padding behind it.
pub(super) const END_BYTES: u64 = 1 << 10;

impl BlockSink {
    /// Longest file, in bytes, that this recorder may write.
    pub(super) fn file_bytes_max(&self) -> u64 {
        let asked = self.limits.rotate_bytes.unwrap_or(u64::MAX);
        asked.min(self.writer.file_bytes_max())
    }

    /// Ends the file under way within its last whole block, and goes on in a new file with the block
    /// of `view`. `caplen` is the capture length in force. Returns false if this is impossible: a
    /// queue in plain mode has no padding in the middle of its stream, and the old file must be
    /// readable.
    ///
    /// # Errors
    /// [`StorageError`] if the new file cannot be made. The recording then goes on in the file under way.
    pub(super) fn split(
        &mut self,
        view: &BlockView<'_>,
        caplen: u32,
    ) -> Result<bool, StorageError> {
        if self.info.plain {
            return Ok(false);
        }
        let Some(at) = self.writer.end_with_room(END_BYTES) else {
            return Ok(false);
        };
        let now = Moment {
            off: at.end,
            ledger: at.told,
            ..Moment::from(&view.entry)
        };
        let place = Place {
            recording: self.info.recording,
            stream_off: at.end,
            file_number: self.file_number,
        };
        let header = header_of(&self.info, place, caplen, "", &at.told);
        let header = Tag::FileHeader(Box::new(header)).to_body();
        // The part of the block that is in the old file is stored again, in the new one or, after an
        // error, in the old one.
        let again = self.writer.untrusted_bytes();
        let gone_on = self.writer.go_on(&at, view, &[header]);
        let left = self.writer.untrusted_bytes();
        self.tally.stored_bytes -= again.saturating_sub(left).min(self.tally.stored_bytes);
        let Some(old) = gone_on? else {
            return Ok(false);
        };
        let ledger = Tag::Ledger(Box::new(ledger_tag(Timestamp::now(), &now))).to_body();
        let captured = at.told[Reason::Captured];
        if let Some((sealed, error)) = old.seal(self.writer.geometry(), at.end, captured, &[ledger])
        {
            self.warn_of_end(error);
            self.note_sealed(sealed);
        }
        self.reached = at.told;
        Ok(true)
    }

    /// Tells the user that the end of a file could not be written.
    pub(super) fn warn_of_end(&mut self, error: Option<StorageError>) {
        if let Some(error) = error {
            self.notices.push(Notice::warning(format!(
                "{error}\n  the file ends without padding; it is whole otherwise"
            )));
        }
    }
}
