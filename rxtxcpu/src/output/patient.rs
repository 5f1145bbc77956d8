//! Waiting for a reader that reads nothing.
//!
//! A worker whose reader pauses waits with its frames in the ring of the kernel, which counts those for
//! which there is no room. The wait gives way to a request to stop.

use std::fmt::Debug;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hpcap::pipe::Pipe;

/// Longest time that a reader can keep the program from ending.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether a thread may wait for a reader.
pub trait Waiting: Debug + Send + Sync {
    /// Whether it may wait: no stop was requested, and a request would be noticed.
    fn may_wait(&self) -> bool;
}

/// A pipe or a file. A write waits for the reader as long as that is allowed, and then for a moment
/// more. After that it fails with `WouldBlock`, and so does each later one.
#[derive(Debug)]
pub struct Patient {
    pipe: Pipe,
    waiting: Arc<dyn Waiting>,
    /// When the reader began to keep the program from ending.
    since: Option<Instant>,
}

impl Patient {
    pub(super) fn new(pipe: Pipe, waiting: Arc<dyn Waiting>) -> Self {
        Self {
            pipe,
            waiting,
            since: None,
        }
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let error = match self.pipe.write(bytes) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => e,
                done => return done,
            };
            if self.waiting.may_wait() {
                continue;
            }
            if self.since.get_or_insert_with(Instant::now).elapsed() >= PATIENCE {
                return Err(error);
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pipe.flush()
    }
}

/// Writes `text` to standard output, unless its reader reads nothing for a while.
///
/// # Errors
/// Errors of write(2); `WouldBlock` if the reader reads nothing.
pub fn print(text: &str) -> io::Result<()> {
    /// The program has done its work.
    #[derive(Debug)]
    struct Ending;
    impl Waiting for Ending {
        fn may_wait(&self) -> bool {
            false
        }
    }
    let pipe = Pipe::stdout().map_err(io::Error::other)?;
    let mut stdout = Patient::new(pipe, Arc::new(Ending));
    for piece in text.as_bytes().chunks(4096) {
        stdout.write_all(piece)?;
        stdout.since = None;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::OwnedFd;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Allows some waits.
    #[derive(Debug)]
    struct Some(AtomicUsize);

    impl Waiting for Some {
        fn may_wait(&self) -> bool {
            let left = self.0.load(Ordering::Relaxed);
            self.0.store(left.saturating_sub(1), Ordering::Relaxed);
            left > 0
        }
    }

    #[test]
    fn writer_gives_up_after_a_request_to_stop() {
        let (reader, writer) = io::pipe().unwrap();
        let waits = Arc::new(Some(AtomicUsize::new(3)));
        let pipe = Pipe::of(File::from(OwnedFd::from(writer))).unwrap();
        let mut patient = Patient::new(pipe, Arc::clone(&waits) as Arc<dyn Waiting>);
        let error = loop {
            if let Err(e) = patient.write(&[0; 4096]) {
                break e;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(waits.0.load(Ordering::Relaxed), 0);
        drop(reader);
        let error = patient.write(&[0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
