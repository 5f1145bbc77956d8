//! The text of frames, on its way to standard output.
//!
//! Text is written in large pieces: when there is much of it, when nothing came for a while, and at the
//! latest [`DELAY`] after the first frame in it. A reader that stands still never keeps this program from
//! ending.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hpcap::error::{Context, Result};
use hpcap::prompt_writer::PromptWriter;
use nix::time::{ClockId, clock_gettime};

/// Longest time that text waits for more of it.
pub const DELAY: Duration = Duration::from_millis(100);
/// Number of waiting bytes from which text is written.
const PIECE: usize = 64 << 10;
/// Longest wait for the reader before a request to stop is noticed, in milliseconds.
const NOTICE_MS: u16 = 50;
/// Longest time that a reader can keep a program from ending.
const PATIENCE: Duration = Duration::from_secs(1);

/// State of the reader of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// The reader takes the output.
    Present,
    /// The reader has closed the pipe, or reads nothing although this program was asked to stop.
    Gone,
}

/// A buffer in front of standard output.
#[derive(Debug)]
pub struct Output {
    writer: PromptWriter,
    text: Vec<u8>,
    /// Bytes of `text` that are certain: those of frames that were whole.
    certain: usize,
    /// Time since which certain text waits, of the coarse clock.
    waiting_since: Option<Duration>,
}

impl Output {
    /// Creates a buffer in front of `fd`.
    ///
    /// # Errors
    /// Errors of fstat(2).
    pub fn new(fd: OwnedFd) -> Result<Self> {
        Ok(Self {
            writer: PromptWriter::new(fd).context(|| "examine the output")?,
            text: Vec::with_capacity(2 * PIECE),
            certain: 0,
            waiting_since: None,
        })
    }

    /// Drops text that did not become certain, and returns the buffer for more.
    #[inline]
    pub fn begin(&mut self) -> &mut Vec<u8> {
        self.text.truncate(self.certain);
        &mut self.text
    }

    /// Makes the text so far certain.
    #[inline]
    pub fn keep(&mut self) {
        self.certain = self.text.len();
    }

    /// Whether it is time to write.
    #[inline]
    pub fn is_due(&mut self) -> bool {
        if self.certain == 0 {
            return false;
        }
        if self.certain >= PIECE {
            return true;
        }
        let now = coarse_time();
        now.saturating_sub(*self.waiting_since.get_or_insert(now)) >= DELAY
    }

    /// Writes all certain text. Gives up when `stop` is set and the reader reads nothing.
    ///
    /// # Errors
    /// Errors of write(2), but not that the reader has closed the pipe.
    pub fn write(&mut self, stop: &AtomicBool) -> Result<Reader> {
        self.text.truncate(self.certain);
        let mut written = 0;
        let result = loop {
            if written == self.text.len() {
                break Ok(Reader::Present);
            }
            let rest = &self.text[written..];
            if !wait_for_reader(&self.writer, stop) {
                break Ok(Reader::Gone);
            }
            match self.writer.write(rest) {
                Ok(n) => written += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) if e.kind() == io::ErrorKind::BrokenPipe => break Ok(Reader::Gone),
                Err(e) => break Err(e),
            }
        };
        self.text.clear();
        self.certain = 0;
        self.waiting_since = None;
        result.context(|| "write to standard output")
    }
}

/// Waits until a write does not block. Returns `false` if that takes too long after `stop` was set.
fn wait_for_reader(writer: &PromptWriter, stop: &AtomicBool) -> bool {
    let mut stopped: Option<Instant> = None;
    loop {
        // A signal ends the wait, and says nothing about the reader. Other failures are left to write(2), which
        // reports them.
        match writer.wait(NOTICE_MS) {
            Ok(false) => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            _ => return true,
        }
        if stop.load(Ordering::Relaxed)
            && stopped.get_or_insert_with(Instant::now).elapsed() >= PATIENCE
        {
            return false;
        }
    }
}

/// The time of a clock that costs a few nanoseconds and is some milliseconds late.
fn coarse_time() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use super::*;

    fn pipe() -> (io::PipeReader, Output) {
        let (reader, writer) = io::pipe().unwrap();
        (reader, Output::new(writer.into()).unwrap())
    }

    static GO_ON: AtomicBool = AtomicBool::new(false);
    static STOP: AtomicBool = AtomicBool::new(true);

    #[test]
    fn output_drops_text_that_is_not_certain() {
        let (mut reader, mut output) = pipe();
        output.begin().extend_from_slice(b"whole\n");
        output.keep();
        output.begin().extend_from_slice(b"torn");
        output.begin().extend_from_slice(b"next\n");
        output.keep();
        output.begin().extend_from_slice(b"torn again");
        assert_eq!(output.write(&GO_ON).unwrap(), Reader::Present);
        drop(output);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "whole\nnext\n");
    }

    #[test]
    fn output_is_due_when_there_is_much() {
        let (_reader, mut output) = pipe();
        assert!(!output.is_due());
        output.begin().resize(PIECE, b'x');
        assert!(!output.is_due(), "nothing is certain");
        output.keep();
        assert!(output.is_due());
    }

    #[test]
    fn output_is_due_after_the_delay() {
        let (_reader, mut output) = pipe();
        output.begin().push(b'x');
        output.keep();
        let start = Instant::now();
        while !output.is_due() {
            assert!(start.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn output_ends_with_its_reader() {
        let (reader, mut output) = pipe();
        drop(reader);
        output.begin().push(b'x');
        output.keep();
        assert_eq!(output.write(&GO_ON).unwrap(), Reader::Gone);
    }

    #[test]
    fn output_does_not_wait_for_ever_at_the_end() {
        let (_reader, mut output) = pipe();
        output.begin().resize(2 << 20, b'x');
        output.keep();
        assert_eq!(output.write(&STOP).unwrap(), Reader::Gone);
    }

    #[test]
    fn output_reports_a_full_disk() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut output = Output::new(full.into()).unwrap();
        output.begin().push(b'x');
        output.keep();
        let error = output.write(&GO_ON).unwrap_err();
        assert_eq!(error.os_error(), Some(libc::ENOSPC));
    }
}
