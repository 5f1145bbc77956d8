//! A window on what is read, of bounded size.

use std::io::{self, Read};

use crate::error::{Error, Kind, Result};

/// The largest window, in bytes.
pub(super) const WINDOW_BYTES_MAX: usize = 1 << 20;
const READ_BYTES: usize = 256 << 10;

/// Unread bytes of a source, as many as asked for.
#[derive(Debug)]
pub(super) struct Input<R> {
    source: R,
    name: String,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes from the start of the file to the window.
    offset: u64,
    eof: bool,
}

impl<R: Read> Input<R> {
    pub(super) fn new(source: R, name: String) -> Self {
        Self {
            source,
            name,
            buffer: vec![0; WINDOW_BYTES_MAX + READ_BYTES],
            start: 0,
            end: 0,
            offset: 0,
            eof: false,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The unread bytes that are there.
    #[inline]
    pub(super) fn window(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Sees to it that the window has `bytes` bytes, [`WINDOW_BYTES_MAX`] at most; `false`
    /// where the source ends before.
    #[inline]
    pub(super) fn want(&mut self, bytes: usize) -> Result<bool> {
        if self.end - self.start >= bytes {
            return Ok(true);
        }
        self.fill(bytes)
    }

    #[cold]
    fn fill(&mut self, bytes: usize) -> Result<bool> {
        let bytes = bytes.min(WINDOW_BYTES_MAX);
        if self.start + bytes.max(READ_BYTES) > self.buffer.len() {
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
        Ok(self.end - self.start >= bytes)
    }

    /// Moves the window on by `bytes` of it.
    #[inline]
    pub(super) fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset += bytes as u64;
    }

    /// Moves the window on by any number of bytes; `false` where the source ends before.
    pub(super) fn skip(&mut self, mut bytes: u64) -> Result<bool> {
        loop {
            let here = (self.end - self.start) as u64;
            let step = here.min(bytes);
            self.consume(usize::try_from(step).unwrap_or(0));
            bytes -= step;
            if bytes == 0 {
                return Ok(true);
            }
            if !self.want(1)? {
                return Ok(false);
            }
        }
    }

    /// The error that ends a damaged file: where, and what is wrong there.
    pub(super) fn damaged(&self, why: impl Into<String>) -> Error {
        Error::new(
            Kind::Format,
            format!("read {} past byte {}", self.name, self.offset),
            why,
        )
    }
}
