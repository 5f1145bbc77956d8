//! The conversation with a producer: one message each way, file descriptors with the answer.

use std::env;
use std::io::{IoSlice, IoSliceMut};
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr,
    connect, recvmsg, sendmsg, socket,
};

use crate::abi::{self, hpcap_attach};
use crate::error::{Context, Error, Kind, Result};
use crate::name::QueueName;
use crate::queue::page::version_error;

/// File descriptors that can come with one answer: ring, queue page, slot.
pub const ANSWER_FDS: usize = 3;

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

/// One end of a conversation.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
}

impl From<OwnedFd> for Connection {
    fn from(socket: OwnedFd) -> Self {
        Self { socket }
    }
}

impl Connection {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// When nobody listens there, or access is denied.
    pub fn to(path: &Path) -> Result<Self> {
        let tried = || format!("connect to {}", path.display());
        let socket = socket(
            AddressFamily::Unix,
            SockType::SeqPacket,
            SockFlag::SOCK_CLOEXEC,
            None,
        )
        .context(tried)?;
        let address = UnixAddr::new(path).context(tried)?;
        connect(socket.as_raw_fd(), &address).context(tried)?;
        Ok(Self { socket })
    }

    /// Sends `request` and waits for the answer and its file descriptors.
    ///
    /// # Errors
    /// What the producer answers, with its own words; [`Kind::Version`] when it speaks
    /// another version; [`Kind::Gone`] when it dies meanwhile.
    pub fn ask(&self, tried: &str, request: &hpcap_attach) -> Result<(hpcap_attach, Vec<OwnedFd>)> {
        self.send(request, &[]).map_err(|e| gone(tried, &e))?;
        let (answer, fds) = self
            .receive()
            .map_err(|e| gone(tried, &e))?
            .ok_or_else(|| {
                Error::new(Kind::Gone, tried, "the producer ended before it answered")
            })?;
        if answer.magic != abi::HPCAP_ATTACH_MAGIC {
            return Err(Error::new(
                Kind::Format,
                tried,
                "the answer is not a producer's",
            ));
        }
        if answer.abi_version != abi::HPCAP_ABI_VERSION {
            return Err(version_error(tried, answer.abi_version));
        }
        if answer.error != 0 {
            let message = abi::text(&answer.message);
            let (why, advice) = message.split_once('\n').unwrap_or((message.as_str(), ""));
            let error = Error::new(kind_of(answer.error), tried, why);
            return Err(if advice.is_empty() {
                error
            } else {
                error.advise(advice)
            });
        }
        Ok((answer, fds))
    }

    /// Sends one message with file descriptors.
    ///
    /// # Errors
    /// The system's.
    pub fn send(&self, message: &hpcap_attach, fds: &[RawFd]) -> nix::Result<()> {
        let rights = [ControlMessage::ScmRights(fds)];
        let control: &[ControlMessage<'_>] = if fds.is_empty() { &[] } else { &rights };
        sendmsg::<()>(
            self.socket.as_raw_fd(),
            &[IoSlice::new(message.as_bytes())],
            control,
            MsgFlags::MSG_NOSIGNAL,
            None,
        )
        .map(drop)
    }

    /// Receives one message; `None` when the other end has closed, or sent something short.
    ///
    /// # Errors
    /// The system's.
    pub fn receive(&self) -> nix::Result<Option<(hpcap_attach, Vec<OwnedFd>)>> {
        let mut bytes = [0; size_of::<hpcap_attach>()];
        let mut control = nix::cmsg_space!([RawFd; ANSWER_FDS]);
        let mut iov = [IoSliceMut::new(&mut bytes)];
        let received = recvmsg::<()>(
            self.socket.as_raw_fd(),
            &mut iov,
            Some(&mut control),
            MsgFlags::MSG_CMSG_CLOEXEC,
        )?;
        let mut fds = Vec::new();
        for message in received.cmsgs()? {
            if let ControlMessageOwned::ScmRights(rights) = message {
                // SAFETY: the kernel has just opened these descriptors for this process, and
                // nobody else knows of them.
                fds.extend(
                    rights
                        .into_iter()
                        .map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }),
                );
            }
        }
        let count = received.bytes;
        Ok(hpcap_attach::from_bytes(&bytes[..count]).map(|message| (message, fds)))
    }

    /// Whether the other end is gone.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
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
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn gone(tried: &str, error: &nix::Error) -> Error {
    Error::new(Kind::Gone, tried, format!("the producer is gone: {error}"))
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
        libc::EINVAL => Kind::Usage,
        _ => Kind::Io,
    }
}
