//! Where the bytes of a viewer go. Only a file on a disk is waited for.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use hpcap::error::Context;
use hpcap::{Error, Result};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{MsgFlags, send};

/// Size in bytes that a pipe is given, so that its reader may pause for a moment.
const PIPE_BYTES: i32 = 1 << 20;

/// Permissions of new files: frames are confidential.
const FILE_MODE: u32 = 0o640;

/// How bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A file, which is always waited for.
    File,
    /// A pipe that this program opened and made non-blocking.
    Pipe,
    /// A socket, whose open description other processes may share. Each call says that it does not
    /// wait.
    Socket,
}

/// Something that bytes can be written to. When it is full, a write fails with `WouldBlock`.
#[derive(Debug)]
pub struct Outlet {
    file: Arc<File>,
    kind: Kind,
}

/// The descriptor of an outlet, to wait until it takes bytes.
#[derive(Debug, Clone)]
pub struct Room(Arc<File>);

impl AsFd for Room {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Outlet {
    fn of(file: File, kind: Kind) -> Self {
        if kind == Kind::Pipe {
            // A pipe of the usual size works, too.
            let _ = fcntl(&file, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
        }
        let file = Arc::new(file);
        Self { file, kind }
    }

    /// Creates or replaces the file `path`.
    ///
    /// # Errors
    /// Returns the error of the file system.
    pub fn create(path: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE)
            .open(path)
            .context(|| format!("write {}", path.display()))?;
        Ok(Self::of(file, Kind::File))
    }

    /// Opens the FIFO `path`; `None` while nobody reads it.
    ///
    /// # Errors
    /// Returns the error of the file system.
    pub fn open_fifo(path: &Path) -> Result<Option<Self>> {
        let opened = OpenOptions::new()
            .write(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(path);
        match opened {
            Ok(file) => Ok(Some(Self::of(file, Kind::Pipe))),
            Err(e) if e.raw_os_error() == Some(libc::ENXIO) => Ok(None),
            Err(e) => Err(Error::io(format!("write {}", path.display()), e)),
        }
    }

    /// Writes to standard output.
    ///
    /// # Errors
    /// Returns a usage error when standard output is a terminal, because frames are no text.
    pub fn stdout() -> Result<Self> {
        const TRIED: &str = "write to standard output";
        let stdout = io::stdout();
        if stdout.is_terminal() {
            return Err(Error::usage("output -", "standard output is a terminal")
                .advise("pipe it into a program: hpcap-tap hpcap0 -w - | tcpdump -r -"));
        }
        let fd = stdout.as_fd().try_clone_to_owned().context(|| TRIED)?;
        let file = File::from(fd);
        let kind = file.metadata().context(|| TRIED)?.file_type();
        if kind.is_socket() {
            return Ok(Self::of(file, Kind::Socket));
        }
        if !kind.is_fifo() {
            return Ok(Self::of(file, Kind::File));
        }
        // Other processes share the open description of a pipe, and must not find it non-blocking. The
        // path makes another description of the same pipe.
        let own = format!("/proc/self/fd/{}", file.as_raw_fd());
        match Self::open_fifo(Path::new(&own)) {
            Ok(Some(outlet)) => Ok(outlet),
            // Nobody reads the pipe any more: the first write says so.
            Ok(None) => Ok(Self::of(file, Kind::Pipe)),
            Err(e) => Err(e),
        }
    }

    /// Writes to a viewer that has connected.
    ///
    /// # Errors
    /// Returns an error when the connection cannot be made non-blocking.
    pub fn connection(connection: TcpStream) -> io::Result<Self> {
        connection.set_nonblocking(true)?;
        connection.set_nodelay(true)?;
        let file = File::from(OwnedFd::from(connection));
        Ok(Self::of(file, Kind::Socket))
    }

    /// The descriptor to wait for until this outlet takes bytes; `None` for a file.
    #[must_use]
    pub fn room(&self) -> Option<Room> {
        (self.kind != Kind::File).then(|| Room(Arc::clone(&self.file)))
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.kind {
            Kind::File | Kind::Pipe => (&*self.file).write(bytes),
            Kind::Socket => {
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
    use std::net::TcpListener;

    use super::*;

    /// Writes until the outlet is full.
    fn fill(outlet: &mut Outlet) -> io::ErrorKind {
        loop {
            if let Err(e) = outlet.write(&[0; 1 << 16]) {
                return e.kind();
            }
        }
    }

    #[test]
    fn connection_without_reader_does_not_block() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let viewer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut outlet = Outlet::connection(listener.accept().unwrap().0).unwrap();
        assert_eq!(fill(&mut outlet), io::ErrorKind::WouldBlock);
        drop(viewer);
    }

    #[test]
    fn fifo_without_reader_is_not_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(Outlet::open_fifo(&path).unwrap().is_none());
        let reader = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(&path)
            .unwrap();
        let mut outlet = Outlet::open_fifo(&path).unwrap().unwrap();
        assert_eq!(fill(&mut outlet), io::ErrorKind::WouldBlock);
        drop(reader);
        assert_eq!(fill(&mut outlet), io::ErrorKind::BrokenPipe);
    }
}
