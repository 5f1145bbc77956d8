//! A file under way that is written frame by frame.

use std::io::{self, Write};

use hpcap::pcapfile::CaptureWriter;
use hpcap::raw::writer::Writer;

use crate::storage::error::StorageError;
use crate::storage::file::CaptureFile;
use crate::storage::tail::{Tail, Unwritten};

/// Makes the bytes of a file, in one format.
pub trait RecordWriter {
    /// Bytes that the writer has made so far, those in its buffer included.
    fn bytes(&self) -> u64;

    /// Moves the bytes from the buffer to the tail of the file.
    ///
    /// # Errors
    /// None in fact, because the tail is memory.
    fn flush(&mut self) -> io::Result<()>;
}

impl RecordWriter for Writer<Unwritten> {
    fn bytes(&self) -> u64 {
        self.offset()
    }

    fn flush(&mut self) -> io::Result<()> {
        Self::flush(self)
    }
}

impl RecordWriter for CaptureWriter<Unwritten> {
    fn bytes(&self) -> u64 {
        Self::bytes(self)
    }

    fn flush(&mut self) -> io::Result<()> {
        Self::flush(self)
    }
}

/// A file under way: the writer of its records, and the bytes that are not in the file yet.
#[derive(Debug)]
pub struct OpenFile<W> {
    /// The file.
    pub file: CaptureFile,
    /// The writer of the file's records.
    pub writer: W,
    /// Whether somebody has renamed the file. The next file follows at once.
    pub renamed: bool,
    tail: Tail,
    /// Bytes in the file that `writer` did not make.
    carried: u64,
}

impl<W: RecordWriter> OpenFile<W> {
    /// A file whose `writer` writes into `tail`.
    #[must_use]
    pub fn new(file: CaptureFile, writer: W, tail: Tail) -> Self {
        Self {
            file,
            writer,
            renamed: false,
            tail,
            carried: 0,
        }
    }

    /// Bytes of the file so far, those that are not written yet included. The next record gets this
    /// offset.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.writer.bytes() + self.carried
    }

    /// Offset in bytes up to which the file on the disk holds whole records.
    #[must_use]
    pub fn stored(&self) -> u64 {
        self.tail.written()
    }

    /// Appends whole records, which another file did not take.
    pub fn append(&mut self, records: &[u8]) {
        // Neither call fails: the bytes go into memory.
        let _ = self.writer.flush();
        let _ = self.tail.writer().write_all(records);
        self.carried += records.len() as u64;
    }

    /// Writes everything to the file.
    ///
    /// # Errors
    /// [`StorageError`]; the call can be repeated.
    pub fn write(&mut self) -> Result<(), StorageError> {
        // This does not fail: the bytes go into memory.
        let _ = self.writer.flush();
        self.tail.write_to(&mut self.file)
    }

    /// Takes the records that are not in the file.
    #[must_use]
    pub fn take_unwritten(&mut self) -> Vec<u8> {
        // This does not fail: the bytes go into memory.
        let _ = self.writer.flush();
        self.tail.take()
    }
}
