//! A connection to a producer of any kind: requests, answers, and the shared memory that an answer
//! gives access to.
//!
//! ```
//! use hpcap_base::{Kind, QueueName};
//! use hpcap_ipc::connection::{Connection, socket_path};
//!
//! # fn main() -> hpcap_base::Result<()> {
//! # let dir = tempfile::tempdir().unwrap();
//! let path = socket_path(dir.path(), QueueName::new(0, 1));
//! assert!(path.ends_with("hpcap0:1.sock"));
//! // Nobody serves this queue.
//! assert_eq!(Connection::to(&path).unwrap_err().kind(), Kind::NotFound);
//! # Ok(())
//! # }
//! ```

use std::env;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::device::{self, Device};
use crate::folder::{Folder, is_socket};
use crate::shared::Shared;
use crate::socket::{Socket, futex_wait};
use crate::wakeup::Wakeup;
use hpcap_base::error::{Context, Error, Kind, Result};
use hpcap_base::name::QueueName;
use hpcap_sys::abi::{self, hpcap_attach};

/// The folder of the system's producers, which only root can create.
pub(crate) const SYSTEM_DIR: &str = "/run/hpcap";

/// Returns the folders in which sockets of producers are searched, in this order. If
/// `$HPCAP_RUN_DIR` is set, it is the only one. Otherwise `/run/hpcap` comes first, and for users
/// other than root their own folder second: `$XDG_RUNTIME_DIR/hpcap` or `/tmp/hpcap-UID`.
#[must_use]
pub fn run_dirs() -> Vec<PathBuf> {
    if let Some(dir) = env::var_os("HPCAP_RUN_DIR") {
        return vec![dir.into()];
    }
    let user = nix::unistd::geteuid();
    // Root can always create the system's folder. It uses no other, which another user could have
    // created.
    if user.is_root() {
        return vec![PathBuf::from(SYSTEM_DIR)];
    }
    let own = env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|dir| dir.is_absolute())
        .map_or_else(
            || PathBuf::from(format!("/tmp/hpcap-{user}")),
            |dir| dir.join("hpcap"),
        );
    vec![PathBuf::from(SYSTEM_DIR), own]
}

/// Returns the path of the socket of queue `name` in folder `dir`.
#[must_use]
pub fn socket_path(dir: &Path, name: QueueName) -> PathBuf {
    dir.join(format!("{name}.sock"))
}

/// A connection to `hpcapd`, to an engine in this process, or to the kernel module.
#[derive(Debug)]
pub struct Connection(Way);

#[derive(Debug)]
enum Way {
    Socket(Socket),
    Device(Device),
}

impl From<OwnedFd> for Connection {
    /// Takes over a connected socket.
    fn from(socket: OwnedFd) -> Self {
        Self(Way::Socket(Socket::from(socket)))
    }
}

impl Connection {
    /// Connects to the kernel module's device or to the socket at `path`. Files of other kinds are
    /// not opened. A socket is trusted only if root, the user of this process or the owner of the
    /// folder serves it.
    ///
    /// # Errors
    /// Returns [`Kind::NotFound`] when there is no producer, [`Kind::Permission`] when access is
    /// denied or the process at the other end cannot be trusted.
    pub fn to(path: &Path) -> Result<Self> {
        let way = if device::is_named(path) {
            Way::Device(Device::open(path)?)
        } else {
            Way::Socket(trusted_socket(path)?)
        };
        Ok(Self(way))
    }

    /// Sends `request` and waits for the answer. An answer to an observer or a listener comes with
    /// shared memory.
    ///
    /// # Errors
    /// Returns the producer's error, in its own words; [`Kind::Version`] when the producer speaks
    /// another version; [`Kind::Gone`] when the producer ends before it has answered.
    pub fn ask(
        &self,
        tried: &str,
        request: &hpcap_attach,
    ) -> Result<(hpcap_attach, Option<Shared>)> {
        let (answer, files) = match &self.0 {
            Way::Socket(socket) => {
                let (answer, files) = socket.ask(tried, request)?;
                (answer, Some(files))
            }
            Way::Device(device) => (device.ask(tried, request)?, None),
        };
        judge(tried, &answer)?;
        let shared = match (request.op, files, &self.0) {
            (abi::HPCAP_OP_OBSERVE, Some(files), _) => files.observed(tried)?,
            (abi::HPCAP_OP_ATTACH, Some(files), _) => files.attached(tried)?,
            (abi::HPCAP_OP_OBSERVE, None, Way::Device(device)) => device.observed(tried)?,
            (abi::HPCAP_OP_ATTACH, None, Way::Device(device)) => device.attached(tried)?,
            _ => return Ok((answer, None)),
        };
        Ok((answer, Some(shared)))
    }

    /// Returns a file descriptor that becomes readable when the producer wakes the listener of this
    /// connection: the device itself, or a socket that `hpcapd` makes.
    ///
    /// # Errors
    /// Returns [`Kind::Version`] when the producer is too old to have such sockets; [`Kind::Full`]
    /// when the producer or this process has no file descriptor left.
    pub fn wakeup(&self) -> Result<Wakeup> {
        const TRIED: &str = "make the listener wait with poll(2)";
        let socket = match &self.0 {
            Way::Device(_) => return Ok(Wakeup::Device),
            Way::Socket(socket) => socket,
        };
        let (answer, files) = socket.ask(TRIED, &request(abi::HPCAP_OP_WAKEUP))?;
        judge(TRIED, &answer).map_err(|e| match e.kind() {
            Kind::Usage => Error::new(
                Kind::Version,
                TRIED,
                "the producer does not know the request",
            )
            .advise("install hpcapd and this program from the same release"),
            _ => e,
        })?;
        Ok(Wakeup::Socket(files.wakeup(TRIED)?))
    }

    /// Sleeps while `waiting`, the word in this listener's slot, is 1, but at most for `timeout`.
    /// May return early for any reason.
    pub fn sleep(&self, waiting: &AtomicU32, timeout: Duration) {
        match &self.0 {
            Way::Socket(_) => futex_wait(waiting, 1, timeout),
            Way::Device(device) => device.wait(timeout),
        }
    }

    /// Whether the other end of the connection is closed.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        // poll(2) reports POLLHUP and POLLERR without being asked to.
        let mut fds = [PollFd::new(self.as_fd(), PollFlags::empty())];
        match poll(&mut fds, PollTimeout::ZERO) {
            Ok(0) => false,
            Ok(_) => fds[0].revents().is_some_and(|events| {
                events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL)
            }),
            Err(_) => false,
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Way::Socket(socket) => socket.as_fd(),
            Way::Device(device) => device.as_fd(),
        }
    }
}

/// Connects to the socket at `path`, after checking that it is a socket in a trusted folder, and
/// checks the user at the other end.
fn trusted_socket(path: &Path) -> Result<Socket> {
    let tried = || format!("connect to {}", path.display());
    let failed = |kind, why: String| Error::new(kind, tried(), why);
    let (Some(dir), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str())) else {
        return Err(failed(Kind::Usage, "it is not the path of a socket".into()));
    };
    let folder = Folder::open(dir)?;
    match folder.find(name)? {
        None => return Err(failed(Kind::NotFound, "there is no such socket".into())),
        Some(stat) if !is_socket(&stat) => {
            return Err(failed(Kind::Format, "it is not a socket".into())
                .advise("something else took the name of a queue: remove it"));
        }
        Some(_) => {}
    }
    let socket = Socket::to(path)?;
    let peer = socket.peer_uid().context(tried)?;
    if !folder.trusts(peer) {
        let why = format!(
            "it leads to a process of user {peer}, which is neither root, nor you, nor the owner of {}",
            dir.display()
        );
        return Err(failed(Kind::Permission, why));
    }
    Ok(socket)
}

/// Returns an error when the producer refused or the answer cannot be used.
fn judge(tried: &str, answer: &hpcap_attach) -> Result<()> {
    if answer.magic != abi::HPCAP_ATTACH_MAGIC {
        let why = "the answer is not a producer's";
        return Err(Error::new(Kind::Format, tried, why));
    }
    if answer.abi_version != abi::HPCAP_ABI_VERSION {
        return Err(version_error(tried, answer.abi_version));
    }
    if answer.error == 0 {
        return Ok(());
    }
    let message = abi::text(&answer.message);
    let (why, advice) = message.split_once('\n').unwrap_or((message.as_str(), ""));
    let error = Error::new(kind_of(answer.error), tried, why);
    Err(if advice.is_empty() {
        error
    } else {
        error.advise(advice)
    })
}

/// Returns the error for two ABI versions that do not match; it names both.
#[must_use]
pub fn version_error(tried: &str, theirs: u32) -> Error {
    let ours = abi::HPCAP_ABI_VERSION;
    Error::new(
        Kind::Version,
        tried,
        format!("the producer speaks ABI version {theirs}, this program version {ours}"),
    )
    .advise("install the producer and the tools from the same release, and restart both")
}

/// Returns a request for operation `op` whose other fields are zero.
#[must_use]
pub fn request(op: u32) -> hpcap_attach {
    hpcap_attach {
        magic: abi::HPCAP_ATTACH_MAGIC,
        abi_version: abi::HPCAP_ABI_VERSION,
        op,
        ..hpcap_attach::zeroed()
    }
}

/// Converts the errno in a producer's answer to a kind of error.
fn kind_of(errno: i32) -> Kind {
    match errno {
        libc::EUSERS | libc::ENOMEM | libc::ENOSPC => Kind::Full,
        libc::EPROTO => Kind::Version,
        libc::ESRCH | libc::ENOENT => Kind::NotFound,
        libc::EACCES | libc::EPERM => Kind::Permission,
        libc::EBUSY => Kind::Busy,
        libc::ETIMEDOUT => Kind::Timeout,
        libc::ENODEV => Kind::Gone,
        libc::EINVAL => Kind::Usage,
        _ => Kind::Io,
    }
}
