//! A window of bounded size on the bytes of a file.
//!
//! A reader of records takes a file in large pieces, and a record may lie on the edge of two of them. A [`Window`] shows
//! the next bytes as one slice. The caller says how many bytes it needs, looks at them, and consumes what it has used.
//!
//! ```
//! use hpcap_base::window::Window;
//!
//! let file = b"3abc2de".as_slice();
//! let mut window = Window::new(file, "the example".into(), 16);
//! let mut words = Vec::new();
//! loop {
//!     window.fill(1)?;
//!     let Some(&digit) = window.bytes().first() else {
//!         break;
//!     };
//!     let length = usize::from(digit - b'0');
//!     window.fill(1 + length)?;
//!     words.push(window.bytes()[1..1 + length].to_vec());
//!     window.consume(1 + length);
//! }
//! assert_eq!(words, [b"abc".to_vec(), b"de".to_vec()]);
//! assert_eq!(window.offset(), 7);
//! # Ok::<(), hpcap_base::Error>(())
//! ```

use std::io::{self, Read};

use crate::error::{Error, Result};

/// Bytes requested in one read.
pub const READ_BYTES: usize = 256 << 10;

/// A buffer with the next unread bytes of a source.
#[derive(Debug)]
pub struct Window<R> {
    source: R,
    name: String,
    buffer: Vec<u8>,
    /// The unread bytes are `start..end` of the buffer.
    start: usize,
    end: usize,
    /// Offset of the window from the start of the file, in bytes.
    offset: u64,
    eof: bool,
}

impl<R: Read> Window<R> {
    /// Creates a window of at most `bytes_max` bytes on `source`, which error messages call `name`.
    pub fn new(source: R, name: String, bytes_max: usize) -> Self {
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

    /// The name of the source in error messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sets the name of the source in error messages.
    pub fn set_name(&mut self, name: String) {
        self.name = name;
    }

    /// Offset of the window from the start of the file, in bytes.
    #[inline]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Sets the offset in the file at which the source starts.
    pub fn set_offset(&mut self, offset: u64) {
        self.offset = offset;
    }

    /// Whether the source has ended, so that no bytes follow the window.
    #[inline]
    pub fn is_last(&self) -> bool {
        self.eof
    }

    /// The unread bytes in the window.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Consumes `bytes` bytes of the window.
    #[inline]
    pub fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset += bytes as u64;
    }

    /// Reads until the window has `bytes` bytes (at most its capacity) or the source ends.
    ///
    /// # Errors
    /// Returns the error of the source, with the offset in the file.
    #[cold]
    pub fn fill(&mut self, bytes: usize) -> Result<()> {
        debug_assert!(bytes <= self.buffer.len() - READ_BYTES);
        // Moving a few bytes to the front is cheaper than using more of the processor's cache.
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
