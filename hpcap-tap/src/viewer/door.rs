//! Where viewers come in while the tap runs: a FIFO, or a TCP address.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use hpcap::Result;
use hpcap::error::Context;
use hpcap::prompt_writer::PromptWriter;

use super::outlet::{create_file, open_fifo};

/// Largest number of connections through one door at a time.
pub const CONNECTIONS_MAX: usize = 64;

/// An entrance of viewers.
#[derive(Debug)]
pub enum Door {
    /// A FIFO, which takes one viewer.
    Fifo(PathBuf),
    /// An address, which takes any number of viewers.
    Tcp(TcpListener),
}

/// The file or FIFO at the path of an output.
#[derive(Debug)]
pub enum Place {
    /// A file, which is open.
    File(PromptWriter),
    /// A FIFO, whose reader may come later.
    Fifo(Door),
}

impl Place {
    /// Opens the file `path`, or finds that it is a FIFO.
    ///
    /// # Errors
    /// Returns the error of the file system.
    pub fn open(path: &Path) -> Result<Self> {
        let is_fifo = path
            .metadata()
            .is_ok_and(|found| found.file_type().is_fifo());
        if is_fifo {
            return Ok(Self::Fifo(Door::Fifo(path.to_owned())));
        }
        create_file(path).map(Self::File)
    }
}

impl Door {
    /// Serves viewers at `address`.
    ///
    /// # Errors
    /// Returns an error when the address is not of this machine, or is taken.
    pub fn listen(address: SocketAddr) -> Result<Self> {
        let tried = || format!("serve viewers at {address}");
        let listener =
            TcpListener::bind(address)
                .context(tried)
                .map_err(|e| match e.os_error() {
                    Some(libc::EADDRINUSE) => e.or_advise(
                        "another program has the port: `ss -ltnp` says which; name another port",
                    ),
                    Some(libc::EADDRNOTAVAIL) => e.or_advise(
                        "the address is not of this machine: `ip address` lists those that are",
                    ),
                    _ => e,
                })?;
        listener.set_nonblocking(true).context(tried)?;
        Ok(Self::Tcp(listener))
    }

    /// The address of this door, with the port that the system chose if none was named.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Fifo(_) => None,
            Self::Tcp(listener) => listener.local_addr().ok(),
        }
    }

    /// The descriptor that becomes readable when a viewer comes; `None` for a FIFO, which has none.
    #[must_use]
    pub fn wakeup(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Fifo(_) => None,
            Self::Tcp(listener) => Some(listener.as_fd()),
        }
    }

    /// Returns a viewer that has come, with its name; `None` while none has.
    ///
    /// # Errors
    /// Returns errors that close the door.
    pub fn admit(&self) -> Result<Option<(String, PromptWriter)>> {
        match self {
            Self::Fifo(path) => {
                let opened = open_fifo(path)?;
                Ok(opened.map(|outlet| (path.display().to_string(), outlet)))
            }
            Self::Tcp(listener) => match listener.accept() {
                Ok((connection, from)) => {
                    let name = format!("viewer {from}");
                    // A connection that broke at once brings no viewer.
                    Ok(PromptWriter::connection(connection)
                        .ok()
                        .map(|outlet| (name, outlet)))
                }
                Err(e) if is_passing(&e) => Ok(None),
                Err(e) => Err(e).context(|| "accept a viewer"),
            },
        }
    }
}

/// Whether `error` of accept(2) says nothing about the next connection.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
    matches!(error.kind(), WouldBlock | Interrupted | ConnectionAborted)
        || matches!(
            error.raw_os_error(),
            Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
        )
}
