//! A buffered writer that loses no bytes when a write fails.
//!
//! A disk that is full has room again when somebody deletes a file. A program that repeats a failed write must know which
//! bytes were written, or it would write them twice. A [`Sink`] knows.
//!
//! ```
//! use std::io::{self, Write};
//!
//! use hpcap_base::sink::Sink;
//!
//! /// A disk that takes four bytes, is full, takes four bytes again, and so on.
//! #[derive(Default)]
//! struct Disk {
//!     is_full: bool,
//!     bytes: Vec<u8>,
//! }
//!
//! impl Write for Disk {
//!     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
//!         self.is_full = !self.is_full;
//!         if !self.is_full {
//!             return Err(io::ErrorKind::StorageFull.into());
//!         }
//!         let taken = bytes.len().min(4);
//!         self.bytes.extend(&bytes[..taken]);
//!         Ok(taken)
//!     }
//!
//!     fn flush(&mut self) -> io::Result<()> {
//!         Ok(())
//!     }
//! }
//!
//! let mut sink = Sink::new(Disk::default());
//! sink.append(b"a record");
//! assert_eq!(sink.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
//! assert_eq!(sink.get_ref().bytes, b"a re");
//!
//! // The same call again writes the rest.
//! sink.flush()?;
//! assert_eq!(sink.get_ref().bytes, b"a record");
//! # Ok::<(), io::Error>(())
//! ```

use std::io::{self, Write};

/// Number of buffered bytes from which [`Sink::ready`] writes the buffer.
const BUFFER_BYTES: usize = 1 << 20;

/// Collects bytes and writes them in large pieces.
///
/// After an error, bytes that the inner writer took are removed from the buffer and the rest stays.
/// The call can therefore be repeated, for example when a full disk has space again, and no byte is
/// written twice. [`std::io::BufWriter`] does not promise that. Dropping the sink writes nothing.
#[derive(Debug)]
pub struct Sink<W> {
    inner: W,
    pending: Vec<u8>,
    accepted: u64,
}

impl<W: Write> Sink<W> {
    /// Creates a sink with a buffer of 1 MiB in front of `inner`.
    #[must_use]
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            pending: Vec::with_capacity(BUFFER_BYTES + (64 << 10)),
            accepted: 0,
        }
    }

    /// Bytes accepted so far, whether written or still buffered.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Writes the buffer when it is full, so that the bytes appended next fit as a whole.
    ///
    /// # Errors
    /// Returns the error of the inner writer. No byte was accepted, and the call can be repeated.
    #[inline]
    pub fn ready(&mut self) -> io::Result<()> {
        if self.pending.len() >= BUFFER_BYTES {
            self.drain()?;
        }
        Ok(())
    }

    /// Appends bytes to the buffer. Call [`Sink::ready`] before each record to bound the buffer.
    #[inline]
    pub fn append(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        self.accepted += bytes.len() as u64;
    }

    /// Appends `count` zero bytes.
    #[inline]
    pub fn append_zeros(&mut self, count: usize) {
        self.pending.resize(self.pending.len() + count, 0);
        self.accepted += count as u64;
    }

    /// Writes all buffered bytes, and flushes the inner writer.
    ///
    /// # Errors
    /// Returns the error of the inner writer. Bytes that it did not take stay buffered, and the
    /// call can be repeated.
    pub fn flush(&mut self) -> io::Result<()> {
        self.drain()?;
        self.inner.flush()
    }

    fn drain(&mut self) -> io::Result<()> {
        let mut taken = 0;
        let result = loop {
            if taken == self.pending.len() {
                break Ok(());
            }
            match self.inner.write(&self.pending[taken..]) {
                Ok(0) => {
                    break Err(io::Error::new(
                        io::ErrorKind::WriteZero,
                        "the sink takes no more bytes",
                    ));
                }
                Ok(n) => taken += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => break Err(e),
            }
        };
        self.pending.drain(..taken);
        result
    }

    /// The inner writer.
    #[must_use]
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// Writes all buffered bytes and returns the inner writer.
    ///
    /// # Errors
    /// Returns the error of the inner writer. Bytes that it did not take are lost with the sink.
    pub fn into_inner(mut self) -> io::Result<W> {
        self.flush()?;
        Ok(self.inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepts `room` bytes, at most three per call, and then fails until `room` grows.
    struct Narrow {
        taken: Vec<u8>,
        room: usize,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.room == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let n = bytes.len().min(3).min(self.room);
            self.room -= n;
            self.taken.extend_from_slice(&bytes[..n]);
            Ok(n)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn failed_write_can_be_repeated() {
        let mut sink = Sink::new(Narrow {
            taken: Vec::new(),
            room: 7,
        });
        sink.append(b"hello, world");
        assert_eq!(sink.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(sink.get_ref().taken, b"hello, ");
        sink.inner.room = 100;
        sink.append_zeros(2);
        sink.flush().unwrap();
        assert_eq!(sink.get_ref().taken, b"hello, world\0\0");
        assert_eq!(sink.accepted(), 14);
    }
}
