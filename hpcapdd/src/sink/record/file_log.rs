//! Counts the files that a frame-by-frame output has ended, and collects the notices about them.

use crate::report::event::Notice;
use crate::sink::record::Written;
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
