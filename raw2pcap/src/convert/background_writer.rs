//! A file that a thread of its own writes. The kernel's work for a write takes about as long as
//! encoding the frames, so that two threads convert almost twice as fast as one.

use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use hpcap::compress::Compressor;

/// Largest number of buffers queued for the thread. Each holds the bytes of one call.
const DEPTH: usize = 3;

/// Writes a file in the background, in the order of the calls.
///
/// The error of a write is returned by a later call, at the latest by [`Write::flush`]. After an
/// error, every call fails.
#[derive(Debug)]
pub(super) struct BackgroundWriter {
    full: Option<Sender<Vec<u8>>>,
    spare: Receiver<Vec<u8>>,
    under_way: usize,
    worker: Option<JoinHandle<io::Result<()>>>,
}

impl BackgroundWriter {
    /// Starts the thread, which compresses and writes to `file`.
    ///
    /// # Errors
    /// The error of starting the thread.
    pub(super) fn new(mut file: Compressor<File>) -> io::Result<Self> {
        let (full, incoming) = channel::<Vec<u8>>();
        let (done, spare) = channel();
        let worker = thread::Builder::new().name("write".into()).spawn(move || {
            for bytes in incoming {
                file.write_all(&bytes)?;
                // Sending fails only after the receiver was dropped; then the loop ends soon, too.
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

    /// Writes the rest and waits for the thread to end.
    ///
    /// # Errors
    /// The first error of any write.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.full = None;
        match self.worker.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            _ => Err(io::Error::other("an earlier write has failed")),
        }
    }

    /// Waits for a buffer whose bytes were written.
    fn reclaim(&mut self) -> io::Result<Vec<u8>> {
        match self.spare.recv() {
            Ok(buffer) => {
                self.under_way -= 1;
                Ok(buffer)
            }
            Err(_) => Err(self.failure()),
        }
    }

    /// Returns the error with which the thread ended.
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

    /// Waits until every byte is written.
    fn flush(&mut self) -> io::Result<()> {
        while self.under_way > 0 {
            self.reclaim()?;
        }
        Ok(())
    }
}

impl Drop for BackgroundWriter {
    /// Waits for the thread to end.
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

    fn start(file: File) -> BackgroundWriter {
        BackgroundWriter::new(Compressor::new(file, Compression::None).unwrap()).unwrap()
    }

    #[test]
    fn writer_keeps_the_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let mut writer = start(File::create(&path).unwrap());
        let mut all = Vec::new();
        for i in 0..1000_u32 {
            let bytes = vec![i.to_le_bytes()[0]; i as usize % 300];
            writer.write_all(&bytes).unwrap();
            all.extend(bytes);
        }
        writer.flush().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), all);
        writer.write_all(b"end").unwrap();
        writer.finish().unwrap();
        all.extend(b"end");
        assert_eq!(std::fs::read(&path).unwrap(), all);
    }

    #[test]
    fn flush_returns_the_write_error() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut writer = start(full);
        let first = writer.write_all(b"x").and_then(|()| writer.flush());
        assert_eq!(first.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(writer.write_all(b"y").is_err());
        // The thread has ended: every later call fails at once.
        for _ in 0..10 {
            assert!(writer.write_all(b"z").is_err());
        }
    }
}
