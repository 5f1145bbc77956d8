//! Counts the files that a frame-by-frame output has ended, and collects the notices about them.

use hpcap::Count;

use crate::report::event::Notice;
use crate::sink::record::{OutputFailure, Written};
use crate::storage::sealed::Sealed;

/// Counts ended files and their bytes, and collects notices for the session.
#[derive(Debug, Default)]
pub struct FileLog {
    ended: Written,
    notices: Vec<Notice>,
}

impl FileLog {
    /// Adds a file that has ended and holds `bytes` bytes of the output.
    pub fn add(&mut self, sealed: Sealed, bytes: u64) {
        self.ended.bytes += bytes;
        self.ended.files += 1;
        self.notices.push(Notice::FileSealed(Box::new(sealed)));
    }

    /// Bytes in all ended files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.ended.bytes
    }

    /// Bytes and files so far, with `under_way` bytes in the open file.
    #[must_use]
    pub fn written(&self, under_way: u64) -> Written {
        Written {
            bytes: self.ended.bytes + under_way,
            files: self.ended.files,
        }
    }

    /// Adds a warning for the user.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.notices.push(Notice::warning(text));
    }

    /// Takes the notices since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }
}

/// The result of the last flush of an output: after a failure that could pass, the `unflushed`
/// frames are lost, because nobody will try again.
pub fn last_flush(
    result: Result<(), OutputFailure>,
    unflushed: Count,
) -> Result<(), OutputFailure> {
    match result {
        Err(OutputFailure::Storage { error, lost }) if lost.is_zero() => {
            Err(OutputFailure::Storage {
                error,
                lost: unflushed,
            })
        }
        other => other,
    }
}
