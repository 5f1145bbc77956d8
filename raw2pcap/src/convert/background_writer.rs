//! A file that is written by a thread of its own: what the kernel does for a write takes about
//! as long as making what is written, and a converter has more than one processor.

use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use hpcap::compress::Compressor;

/// Writes that may be under way; each holds what one call was given.
const DEPTH: usize = 3;

/// A file, written in order, a little later.
///
/// An error is reported by a later call than the one whose bytes it concerns, by
/// [`Write::flush`] at the latest. After an error, every call fails.
#[derive(Debug)]
pub(super) struct BackgroundWriter {
    full: Option<Sender<Vec<u8>>>,
    spare: Receiver<Vec<u8>>,
    under_way: usize,
    worker: Option<JoinHandle<io::Result<()>>>,
}

impl BackgroundWriter {
    /// Writes to `file`, compressed by the same thread.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(super) fn new(mut file: Compressor<File>) -> io::Result<Self> {
        let (full, incoming) = channel::<Vec<u8>>();
        let (done, spare) = channel();
        let worker = thread::Builder::new().name("write".into()).spawn(move || {
            for bytes in incoming {
                file.write_all(&bytes)?;
                // Nobody wants it back: then everybody has gone, and this ends, too.
                let _ = done.send(bytes);
            }
            file.finish().map(drop)
        })?;
        Ok(Self {
            full: Some(full),
            spare,
            under_way: 0,
            worker: Some(worker),
        })
    }

    /// Ends the file.
    ///
    /// # Errors
    /// That of any write.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.full = None;
        match self.worker.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            _ => Err(io::Error::other("an earlier write has failed")),
        }
    }

    /// A buffer whose bytes are written.
    fn reclaim(&mut self) -> io::Result<Vec<u8>> {
        match self.spare.recv() {
            Ok(buffer) => {
                self.under_way -= 1;
                Ok(buffer)
            }
            Err(_) => Err(self.failure()),
        }
    }

    /// Why the thread has ended.
    fn failure(&mut self) -> io::Error {
        self.full = None;
        let outcome = self.worker.take().map(JoinHandle::join);
        match outcome {
            Some(Ok(Err(e))) => e,
            _ => io::Error::other("an earlier write has failed"),
        }
    }
}

impl Write for BackgroundWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut buffer = if self.under_way < DEPTH {
            Vec::with_capacity(bytes.len())
        } else {
            self.reclaim()?
        };
        buffer.clear();
        buffer.extend_from_slice(bytes);
        let sent = self.full.as_ref().is_some_and(|to| to.send(buffer).is_ok());
        if !sent {
            return Err(self.failure());
        }
        self.under_way += 1;
        Ok(bytes.len())
    }

    /// Waits until everything is written.
    fn flush(&mut self) -> io::Result<()> {
        while self.under_way > 0 {
            self.reclaim()?;
        }
        Ok(())
    }
}

impl Drop for BackgroundWriter {
    /// The thread does not outlive it.
    fn drop(&mut self) {
        self.full = None;
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hpcap::compress::Compression;

    fn behind(file: File) -> BackgroundWriter {
        BackgroundWriter::new(Compressor::new(file, Compression::None).unwrap()).unwrap()
    }

    #[test]
    fn everything_arrives_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let mut behind = behind(File::create(&path).unwrap());
        let mut all = Vec::new();
        for i in 0..1000_u32 {
            let piece = vec![i.to_le_bytes()[0]; i as usize % 300];
            behind.write_all(&piece).unwrap();
            all.extend(piece);
        }
        behind.flush().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), all);
        behind.write_all(b"end").unwrap();
        behind.finish().unwrap();
        all.extend(b"end");
        assert_eq!(std::fs::read(&path).unwrap(), all);
    }

    #[test]
    fn an_error_is_told_by_the_flush_at_the_latest() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut behind = behind(full);
        let first = behind.write_all(b"x").and_then(|()| behind.flush());
        assert_eq!(first.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(behind.write_all(b"y").is_err());
        // Nothing is under way any more that could fail.
        for _ in 0..10 {
            assert!(behind.write_all(b"z").is_err());
        }
    }
}
