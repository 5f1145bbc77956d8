//! A window on what is read from a file, of bounded size.

use std::io::{self, Read};

use crate::error::{Error, Result};

/// Bytes asked for at once.
pub(crate) const READ_BYTES: usize = 256 << 10;

/// The unread bytes of a source, as many as asked for.
#[derive(Debug)]
pub(crate) struct Window<R> {
    source: R,
    name: String,
    buffer: Vec<u8>,
    /// Unread bytes are `start..end` of the buffer.
    start: usize,
    end: usize,
    /// Bytes from the start of the file to the window.
    offset: u64,
    eof: bool,
}

impl<R: Read> Window<R> {
    /// A window of `bytes_max` bytes at most on `source`, which errors call `name`.
    pub(crate) fn new(source: R, name: String, bytes_max: usize) -> Self {
        Self {
            source,
            name,
            buffer: vec![0; bytes_max + READ_BYTES],
            start: 0,
            end: 0,
            offset: 0,
            eof: false,
        }
    }

    /// What errors call the source.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Errors shall call the source `name`.
    pub(crate) fn set_name(&mut self, name: String) {
        self.name = name;
    }

    /// Bytes from the start of the file to the window.
    #[inline]
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The source stands at byte `offset` of the file.
    pub(crate) fn set_offset(&mut self, offset: u64) {
        self.offset = offset;
    }

    /// Whether nothing follows on the window.
    #[inline]
    pub(crate) fn is_last(&self) -> bool {
        self.eof
    }

    /// The unread bytes that are there.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Moves the window on by `bytes` of it.
    #[inline]
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset += bytes as u64;
    }

    /// Reads until the window has `bytes` bytes (no more than it was made for), or the source
    /// ends.
    ///
    /// # Errors
    /// Those of the source, with the place in the file.
    #[cold]
    pub(crate) fn fill(&mut self, bytes: usize) -> Result<()> {
        debug_assert!(bytes <= self.buffer.len() - READ_BYTES);
        // Moving little to the front costs less than a larger part of the processor's cache.
        let left = self.end - self.start;
        if left < READ_BYTES / 4 || self.start + bytes.max(READ_BYTES) > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        while self.end - self.start < bytes && !self.eof {
            let until = self.buffer.len().min(self.end + READ_BYTES);
            match self.source.read(&mut self.buffer[self.end..until]) {
                Ok(0) => self.eof = true,
                Ok(n) => self.end += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    let at = self.offset + (self.end - self.start) as u64;
                    return Err(Error::io(format!("read {} at byte {at}", self.name), e));
                }
            }
        }
        Ok(())
    }
}
