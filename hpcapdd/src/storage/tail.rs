//! The end of a file that is written frame by frame: bytes that are not in the file yet, and room
//! that is kept for the last bytes of the file.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use crate::storage::error::StorageError;
use crate::storage::file::CaptureFile;

/// Bytes that are reserved behind the written data for the tags or statistics that end a file,
/// because the disk may be full by then.
pub const ROOM_BYTES: u64 = 16 << 10;

/// Bytes that a writer of records has made and that are not in the file yet. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Unwritten(Rc<RefCell<Vec<u8>>>);

impl Write for Unwritten {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Appends whole records to a file. What the file does not take stays here, so that another file
/// can take it.
#[derive(Debug, Default)]
pub struct Tail {
    unwritten: Unwritten,
    /// Offset behind the last record that is in the file.
    at: u64,
    /// Bytes of `unwritten` that are in the file.
    done: u64,
}

impl Tail {
    /// The sink of the bytes that a writer of records makes.
    #[must_use]
    pub fn writer(&self) -> Unwritten {
        self.unwritten.clone()
    }

    /// Offset in bytes up to which the file holds whole records.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.at
    }

    /// Writes everything to `file`, for which [`CaptureFile::make_buffered`] was called. First
    /// reserves room for it and for the end of the file.
    ///
    /// # Errors
    /// [`StorageError`]. The call can be repeated.
    pub fn write_to(&mut self, file: &mut CaptureFile) -> Result<(), StorageError> {
        let mut bytes = self.unwritten.0.borrow_mut();
        if bytes.is_empty() {
            return Ok(());
        }
        let len = bytes.len() as u64;
        file.reserve_room(self.at, len + ROOM_BYTES)?;
        file.write(&bytes, self.at, &mut self.done)?;
        bytes.clear();
        self.at += len;
        self.done = 0;
        Ok(())
    }

    /// Takes the records that are not in the file.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        self.done = 0;
        std::mem::take(&mut *self.unwritten.0.borrow_mut())
    }
}
