//! A buffered sink that loses nothing when a write fails.

use std::io::{self, Write};

/// Bytes that are collected before they are written.
const BUFFER_BYTES: usize = 1 << 20;

/// Collects bytes and writes them in large pieces.
///
/// It differs from [`std::io::BufWriter`] in what an error means: bytes that the sink took
/// are gone from the buffer, the rest is kept, so that the call can be tried again (when a
/// full disk has space again) and nothing is written twice. Nothing is written on drop.
#[derive(Debug)]
pub struct Sink<W> {
    inner: W,
    pending: Vec<u8>,
    accepted: u64,
}

impl<W: Write> Sink<W> {
    /// A buffer of 1 MiB before `inner`.
    #[must_use]
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            pending: Vec::with_capacity(BUFFER_BYTES + (64 << 10)),
            accepted: 0,
        }
    }

    /// Bytes that were accepted so far, written or not.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Makes room, so that what is appended afterwards is taken as a whole.
    ///
    /// # Errors
    /// That of the sink; nothing was accepted, and the call can be repeated.
    #[inline]
    pub fn ready(&mut self) -> io::Result<()> {
        if self.pending.len() >= BUFFER_BYTES {
            self.drain()?;
        }
        Ok(())
    }

    /// Appends bytes to the buffer. Call [`Sink::ready`] before each record, which bounds it.
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

    /// Writes everything, and flushes the sink below.
    ///
    /// # Errors
    /// That of the sink; what it did not take is kept, and the call can be repeated.
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

    /// The sink below.
    #[must_use]
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// Writes everything and gives the sink back.
    ///
    /// # Errors
    /// That of the sink; what it did not take is lost with it.
    pub fn into_inner(mut self) -> io::Result<W> {
        self.flush()?;
        Ok(self.inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `room` bytes, at most three in a call, then fails until there is room again.
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
    fn a_failed_write_can_be_repeated_and_writes_nothing_twice() {
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
