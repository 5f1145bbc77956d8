//! The conversation with a producer, whichever it is: questions, answers, and the memory that
//! comes with them.

use std::env;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::device::{self, Device};
use super::shared::Shared;
use super::socket::{Socket, futex_wait};
use crate::abi::{self, hpcap_attach};
use crate::error::{Error, Kind, Result};
use crate::name::QueueName;
use crate::queue::page::version_error;

/// The folders where the sockets of producers are looked for, in this order:
/// `$HPCAP_RUN_DIR` alone where it is set; otherwise `/run/hpcap`, and the user's own
/// `$XDG_RUNTIME_DIR/hpcap` or `/tmp/hpcap-UID`.
#[must_use]
pub fn run_dirs() -> Vec<PathBuf> {
    if let Some(dir) = env::var_os("HPCAP_RUN_DIR") {
        return vec![dir.into()];
    }
    let own = env::var_os("XDG_RUNTIME_DIR").map_or_else(
        || PathBuf::from(format!("/tmp/hpcap-{}", nix::unistd::geteuid())),
        |dir| Path::new(&dir).join("hpcap"),
    );
    vec![PathBuf::from("/run/hpcap"), own]
}

/// The socket of queue `name` in folder `dir`.
#[must_use]
pub fn socket_path(dir: &Path, name: QueueName) -> PathBuf {
    dir.join(format!("{name}.sock"))
}

/// A conversation with `hpcapd`, with an engine in this process, or with the kernel module.
#[derive(Debug)]
pub struct Connection(Way);

#[derive(Debug)]
enum Way {
    Socket(Socket),
    Device(Device),
}

impl From<OwnedFd> for Connection {
    /// Over a socket that is connected already.
    fn from(socket: OwnedFd) -> Self {
        Self(Way::Socket(Socket::from(socket)))
    }
}

impl Connection {
    /// Connects to the socket or device at `path`.
    ///
    /// # Errors
    /// When there is no producer, or access is denied.
    pub fn to(path: &Path) -> Result<Self> {
        let way = if device::is_device(path)? {
            Way::Device(Device::open(path)?)
        } else {
            Way::Socket(Socket::to(path)?)
        };
        Ok(Self(way))
    }

    /// Sends `request` and waits for the answer. The memory is there for an observer or a
    /// listener.
    ///
    /// # Errors
    /// What the producer answers, with its own words; [`Kind::Version`] when it speaks
    /// another version; [`Kind::Gone`] when it dies meanwhile.
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

    /// Sleeps while `waiting`, the word in this listener's slot, is 1, for `timeout` at most. May
    /// return early for any reason.
    pub(crate) fn sleep(&self, waiting: &AtomicU32, timeout: Duration) {
        match &self.0 {
            Way::Socket(_) => futex_wait(waiting, 1, timeout),
            Way::Device(device) => device.wait(timeout),
        }
    }

    /// Whether the other end is gone.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        // POLLHUP and POLLERR come unasked.
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

/// Whether an answer is a good one.
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

/// What sort of failure a producer's errno is.
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
