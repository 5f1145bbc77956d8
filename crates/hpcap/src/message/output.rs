//! A stream that can be slow, full, broken or unread.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::write;

/// Limit of the bytes that wait for a stream.
const BACKLOG_BYTES: usize = 256 << 10;

/// Bytes that a pipe takes without blocking when poll(2) reports it as writable.
const CHUNK: usize = 4096;

/// A stream, and the lines that wait for it.
#[derive(Debug)]
pub(super) struct Output {
    fd: OwnedFd,
    lines: VecDeque<Vec<u8>>,
    /// Bytes of the first line that are already written.
    written: usize,
    bytes: usize,
    /// Whether the stream ends within a line whose rest could not be written.
    torn: bool,
    /// Whether the last write failed.
    failing: bool,
    lost: u64,
}

impl Output {
    pub(super) fn of(fd: OwnedFd) -> Self {
        Self {
            fd,
            lines: VecDeque::new(),
            written: 0,
            bytes: 0,
            torn: false,
            failing: false,
            lost: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Adds a line; when the backlog is full, the line is lost and counted.
    pub(super) fn push(&mut self, line: Vec<u8>) {
        if self.bytes + line.len() > BACKLOG_BYTES {
            self.lost += 1;
            return;
        }
        self.bytes += line.len();
        self.lines.push_back(line);
    }

    /// Returns the number of lines lost since the last call.
    pub(super) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Adds lines that were lost elsewhere to the number of lost lines.
    pub(super) fn add_lost(&mut self, lines: u64) {
        self.lost += lines;
    }

    /// Whether lines were lost and the stream has room for a line that says so.
    pub(super) fn can_tell_lost(&self) -> bool {
        self.lost > 0 && self.lines.is_empty() && !self.failing
    }

    fn is_writable(&self) -> bool {
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLOUT)];
        // Other states than "not writable" are left to write(2), which reports the error.
        // A signal says nothing about the stream.
        !matches!(poll(&mut fds, PollTimeout::ZERO), Ok(0) | Err(Errno::EINTR))
    }

    /// Writes as much as the stream takes without blocking. Returns whether it took bytes or
    /// failed.
    pub(super) fn flush(&mut self) -> bool {
        let mut moved = false;
        while let Some(line) = self.lines.front() {
            if !self.is_writable() {
                break;
            }
            if std::mem::take(&mut self.torn) && write(&self.fd, b"\n").is_err() {
                self.torn = true;
            }
            let rest = &line[self.written..];
            match write(&self.fd, &rest[..rest.len().min(CHUNK)]) {
                Ok(n) => {
                    self.failing = false;
                    self.written += n;
                    if self.written == line.len() {
                        self.pop();
                    }
                }
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                Err(_) => {
                    self.failing = true;
                    self.torn |= self.written > 0;
                    self.pop();
                    self.lost += 1;
                }
            }
            moved = true;
        }
        moved
    }

    fn pop(&mut self) {
        self.bytes -= self.lines.pop_front().map_or(0, |line| line.len());
        self.written = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use super::*;

    #[test]
    fn output_keeps_text_for_a_full_pipe() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut output = Output::of(writer.into());
        let line = [vec![b'x'; 9999], vec![b'\n']].concat();
        for _ in 0..20 {
            output.push(line.clone());
            output.flush();
        }
        assert!(!output.is_empty());
        let mut read = 0;
        let mut buffer = [0; 4096];
        while read < 20 * line.len() {
            read += reader.read(&mut buffer).unwrap();
            output.flush();
        }
        assert!(output.is_empty());
        assert_eq!((read, output.take_lost()), (20 * line.len(), 0));
    }

    #[test]
    fn output_bounds_its_backlog() {
        let (_reader, writer) = std::io::pipe().unwrap();
        let mut output = Output::of(writer.into());
        for _ in 0..1000 {
            output.push(vec![b'x'; 4096]);
            output.flush();
        }
        assert!(output.bytes <= BACKLOG_BYTES);
        assert!(output.take_lost() > 900);
    }

    #[test]
    fn output_counts_failed_writes() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut output = Output::of(full.into());
        output.push(b"a\n".to_vec());
        output.push(b"b\n".to_vec());
        assert!(output.flush());
        assert!(output.is_empty());
        assert!(!output.can_tell_lost());
        assert_eq!(output.take_lost(), 2);
    }
}
