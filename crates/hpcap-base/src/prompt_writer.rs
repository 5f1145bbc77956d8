//! Writes to pipes, sockets and terminals without waiting for their readers.
//!
//! A reader may stand still for as long as it likes: a viewer that a person has paused, a pager, a
//! program that was stopped. A program that captures must not stand still with it. A write to a
//! [`PromptWriter`] takes what there is room for, and fails with `WouldBlock` if there is none. The
//! program waits for room with a limit of time ([`PromptWriter::wait`]), or together with other
//! descriptors ([`PromptWriter::room`]).
//!
//! ```
//! use std::io::{ErrorKind, Read, Write};
//! use std::os::fd::OwnedFd;
//!
//! use hpcap_base::prompt_writer::PromptWriter;
//!
//! # fn main() -> std::io::Result<()> {
//! let (mut reader, writer) = std::io::pipe()?;
//! let mut writer = PromptWriter::new(OwnedFd::from(writer))?;
//! let mut taken = 0;
//! let full = loop {
//!     match writer.write(&[0; 4096]) {
//!         Ok(bytes) => taken += bytes,
//!         Err(error) => break error,
//!     }
//! };
//! assert_eq!(full.kind(), ErrorKind::WouldBlock);
//! assert!(!writer.wait(10)?, "there is no room within 10 ms");
//!
//! reader.read_exact(&mut vec![0; taken])?;
//! assert!(writer.wait(10)?);
//! # Ok(())
//! # }
//! ```

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};

/// Bytes that a pipe or a terminal takes without blocking when poll(2) reports it as writable (PIPE_BUF).
pub const CHUNK_BYTES: usize = 4096;

/// Size in bytes that a pipe is given, so that its reader may pause for a moment.
const PIPE_BYTES: i32 = 1 << 20;

/// How bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Directly: a file on a disk or a device has no reader that could block the write.
    File,
    /// Through a file description that this process has opened for itself. It is non-blocking, which other processes
    /// with the same pipe do not notice.
    OwnPipe,
    /// In chunks for which poll(2) has reported room. Other processes share the description of the pipe
    /// or terminal, so it is not made non-blocking.
    Shared,
    /// With the flag MSG_DONTWAIT in each call, because other processes may share the socket.
    Socket,
}

/// A writer that never waits for a reader.
#[derive(Debug)]
pub struct PromptWriter {
    file: Arc<File>,
    way: Way,
}

/// The descriptor of a [`PromptWriter`], to wait until it takes bytes.
#[derive(Debug, Clone)]
pub struct Room(Arc<File>);

impl AsFd for Room {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl PromptWriter {
    fn of(file: File, way: Way) -> Self {
        if matches!(way, Way::OwnPipe | Way::Shared) {
            // A pipe of the usual size works, too, and a terminal has no size.
            let _ = fcntl(&file, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
        }
        let file = Arc::new(file);
        Self { file, way }
    }

    /// Writes to `file`, whatever it is.
    ///
    /// # Errors
    /// Errors of fstat(2).
    pub fn new(file: impl Into<File>) -> io::Result<Self> {
        let file = file.into();
        let kind = file.metadata()?.file_type();
        if kind.is_socket() {
            return Ok(Self::of(file, Way::Socket));
        }
        if kind.is_fifo() {
            // Opening this path makes another description of the same pipe. It fails if nobody reads the pipe any more,
            // which the first write reports, or if the pipe belongs to another user.
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            return Ok(match Self::open_fifo(Path::new(&path)) {
                Ok(Some(writer)) => writer,
                Ok(None) | Err(_) => Self::of(file, Way::Shared),
            });
        }
        let way = if file.is_terminal() {
            Way::Shared
        } else {
            Way::File
        };
        Ok(Self::of(file, way))
    }

    /// Opens the FIFO `path`; `None` while nobody reads it.
    ///
    /// # Errors
    /// Errors of open(2).
    pub fn open_fifo(path: &Path) -> io::Result<Option<Self>> {
        let opened = OpenOptions::new()
            .write(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(path);
        match opened {
            Ok(file) => Ok(Some(Self::of(file, Way::OwnPipe))),
            Err(e) if e.raw_os_error() == Some(libc::ENXIO) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Writes to a peer that has connected.
    ///
    /// # Errors
    /// When the connection cannot be made non-blocking.
    pub fn connection(connection: TcpStream) -> io::Result<Self> {
        connection.set_nonblocking(true)?;
        connection.set_nodelay(true)?;
        let file = File::from(OwnedFd::from(connection));
        Ok(Self::of(file, Way::Socket))
    }

    /// The descriptor to wait for until this writer takes bytes; `None` for a file and a device, which
    /// always take them.
    #[must_use]
    pub fn room(&self) -> Option<Room> {
        (self.way != Way::File).then(|| Room(Arc::clone(&self.file)))
    }

    /// The file on a disk or the device that is written, to look at its properties; `None` for what has a
    /// reader.
    #[must_use]
    pub fn file(&self) -> Option<Arc<File>> {
        (self.way == Way::File).then(|| Arc::clone(&self.file))
    }

    /// Waits until this writer takes bytes or fails at once, at most `timeout_ms` milliseconds. Returns
    /// `false` if there is no room by then.
    ///
    /// # Errors
    /// Errors of poll(2), such as `Interrupted` after a signal.
    pub fn wait(&self, timeout_ms: u16) -> io::Result<bool> {
        if self.way == Way::File {
            return Ok(true);
        }
        let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)];
        Ok(poll(&mut fds, PollTimeout::from(timeout_ms))? > 0)
    }
}

impl Write for PromptWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.way {
            Way::File | Way::OwnPipe => (&*self.file).write(bytes),
            Way::Shared => {
                if !self.wait(0)? {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                (&*self.file).write(&bytes[..bytes.len().min(CHUNK_BYTES)])
            }
            Way::Socket => {
                let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                send(self.file.as_raw_fd(), bytes, flags).map_err(io::Error::from)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use super::*;

    /// Writes until there is no room.
    fn fill(writer: &mut PromptWriter) -> io::ErrorKind {
        loop {
            if let Err(e) = writer.write(&[0; 1 << 16]) {
                return e.kind();
            }
        }
    }

    /// Returns the reading end of a pipe, and a writer that works in the way `way`.
    fn pipe(way: Way) -> (io::PipeReader, PromptWriter) {
        let (reader, writer) = io::pipe().unwrap();
        let writer = match way {
            Way::Shared => PromptWriter::of(File::from(OwnedFd::from(writer)), way),
            _ => PromptWriter::new(OwnedFd::from(writer)).unwrap(),
        };
        assert_eq!(writer.way, way);
        (reader, writer)
    }

    #[test]
    fn paused_reader_does_not_block_the_writer() {
        for way in [Way::OwnPipe, Way::Shared] {
            let (mut reader, mut writer) = pipe(way);
            assert!(writer.wait(0).unwrap());
            assert_eq!(fill(&mut writer), io::ErrorKind::WouldBlock);
            assert!(!writer.wait(0).unwrap());
            reader.read_exact(&mut [0; CHUNK_BYTES * 2]).unwrap();
            assert!(writer.wait(0).unwrap());
            assert!(writer.write(&[5; CHUNK_BYTES * 3]).unwrap() >= CHUNK_BYTES);
            drop(reader);
            assert_eq!(fill(&mut writer), io::ErrorKind::BrokenPipe);
        }
    }

    #[test]
    fn shared_pipe_is_written_in_chunks() {
        let (_reader, mut writer) = pipe(Way::Shared);
        assert_eq!(writer.write(&[5; CHUNK_BYTES * 3]).unwrap(), CHUNK_BYTES);
    }

    #[test]
    fn shared_pipe_stays_blocking() {
        let (reader, writer) = io::pipe().unwrap();
        let shared = writer.try_clone().unwrap();
        let _prompt = PromptWriter::new(OwnedFd::from(writer)).unwrap();
        let flags = OFlag::from_bits_truncate(fcntl(&shared, FcntlArg::F_GETFL).unwrap());
        assert!(!flags.contains(OFlag::O_NONBLOCK));
        drop(reader);
    }

    #[test]
    fn pipe_without_reader_is_broken() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut writer = PromptWriter::new(OwnedFd::from(writer)).unwrap();
        assert!(writer.wait(0).unwrap());
        assert_eq!(fill(&mut writer), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn connection_without_reader_does_not_block() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let viewer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut writer = PromptWriter::connection(listener.accept().unwrap().0).unwrap();
        assert_eq!(fill(&mut writer), io::ErrorKind::WouldBlock);
        drop(viewer);
    }

    #[test]
    fn fifo_without_reader_is_not_open() {
        let name = format!("hpcap-prompt-writer-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(PromptWriter::open_fifo(&path).unwrap().is_none());
        let reader = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(&path)
            .unwrap();
        let mut writer = PromptWriter::open_fifo(&path).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(fill(&mut writer), io::ErrorKind::WouldBlock);
        drop(reader);
        assert_eq!(fill(&mut writer), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn device_always_takes_bytes() {
        let null = File::options().write(true).open("/dev/null").unwrap();
        let mut writer = PromptWriter::new(null).unwrap();
        assert!(writer.room().is_none() && writer.wait(0).unwrap());
        assert_eq!(writer.write(&[0; 1 << 20]).unwrap(), 1 << 20);
    }

    #[test]
    fn wait_ends_when_the_reader_reads() {
        let (mut reader, mut writer) = pipe(Way::OwnPipe);
        assert_eq!(fill(&mut writer), io::ErrorKind::WouldBlock);
        let reading = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(10));
            reader.read_exact(&mut [0; 1 << 16]).unwrap();
            reader
        });
        let start = Instant::now();
        assert!(writer.wait(60_000).unwrap());
        assert!(start.elapsed() < Duration::from_secs(60));
        drop(reading.join().unwrap());
    }
}
