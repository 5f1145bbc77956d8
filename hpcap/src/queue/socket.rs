//! A conversation with `hpcapd` over its UNIX socket: one message each way, file descriptors with
//! the answer.

use std::io::{IoSlice, IoSliceMut};
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr,
    connect, recvmsg, sendmsg, socket,
};

use super::shared::Shared;
use crate::abi::hpcap_attach;
use crate::error::{Context, Error, Kind, Result};

/// File descriptors that can come with one answer: ring, queue page, slot.
const ANSWER_FDS: usize = 3;

/// One end of a conversation.
#[derive(Debug)]
pub struct Socket {
    socket: OwnedFd,
}

impl From<OwnedFd> for Socket {
    fn from(socket: OwnedFd) -> Self {
        Self { socket }
    }
}

impl Socket {
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

    /// Sends `request` and waits for the answer, as it is.
    pub(super) fn ask(&self, tried: &str, request: &hpcap_attach) -> Result<(hpcap_attach, Files)> {
        self.send(request, &[]).map_err(|e| gone(tried, &e))?;
        let (answer, fds) = self
            .receive()
            .map_err(|e| gone(tried, &e))?
            .ok_or_else(|| {
                Error::new(Kind::Gone, tried, "the producer ended before it answered")
            })?;
        Ok((answer, Files(fds)))
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
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// File descriptors that came with an answer.
#[derive(Debug)]
pub(super) struct Files(Vec<OwnedFd>);

impl Files {
    /// The queue page alone.
    pub(super) fn observed(self, tried: &str) -> Result<Shared> {
        let [queue] = self.exactly(tried)?;
        Ok(Shared::file(queue))
    }

    /// What a listener gets.
    pub(super) fn attached(self, tried: &str) -> Result<Shared> {
        let [ring, queue, slot] = self.exactly(tried)?;
        Ok(Shared::file(queue).of_listener((ring, 0), (slot, 0)))
    }

    fn exactly<const N: usize>(self, tried: &str) -> Result<[OwnedFd; N]> {
        self.0.try_into().map_err(|fds: Vec<_>| {
            let why = format!("the producer sent {} file descriptors, not {N}", fds.len());
            Error::new(Kind::Format, tried, why)
        })
    }
}

fn gone(tried: &str, error: &nix::Error) -> Error {
    Error::new(Kind::Gone, tried, format!("the producer is gone: {error}"))
}

/// Sleeps while `*word == value`, for `timeout` at most. May return early for any reason.
pub(super) fn futex_wait(word: &AtomicU32, value: u32, timeout: Duration) {
    let timeout = libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    };
    // SAFETY: `word` is aligned and mapped for the duration of the call, `timeout` is a valid
    // relative time (futex(2), FUTEX_WAIT), and the other arguments are not used. Not PRIVATE:
    // the word is shared with the producer's process.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            value,
            std::ptr::from_ref(&timeout),
            std::ptr::null::<u32>(),
            0u32,
        );
    }
}
