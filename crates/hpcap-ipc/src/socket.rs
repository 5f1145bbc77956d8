//! A connection to `hpcapd` over its UNIX socket. Each request and each answer is one message; file
//! descriptors come with the answer.
//!
//! ```
//! use hpcap_ipc::connection::request;
//! use hpcap_ipc::socket::{Request, Socket};
//! use hpcap_sys::abi::HPCAP_OP_OBSERVE;
//! use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let kind = (AddressFamily::Unix, SockType::SeqPacket);
//! let (ours, theirs) = socketpair(kind.0, kind.1, None, SockFlag::SOCK_CLOEXEC)?;
//! let (client, producer) = (Socket::from(ours), Socket::from(theirs));
//! client.send(&request(HPCAP_OP_OBSERVE), &[])?;
//! let Request::Message(message) = producer.receive_request()? else {
//!     panic!("the client has sent a message");
//! };
//! assert_eq!(message.op, HPCAP_OP_OBSERVE);
//! drop(client);
//! assert!(matches!(producer.receive_request()?, Request::End));
//! # Ok(())
//! # }
//! ```

use std::io::{IoSlice, IoSliceMut};
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, connect, getsockopt,
    recvmsg, sendmsg, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

use crate::descriptors;
use crate::shared::Shared;
use hpcap_base::error::{Context, Error, Kind, Result};
use hpcap_sys::abi::hpcap_attach;

/// A message from a client, as the producer receives it.
#[derive(Debug)]
pub enum Request {
    /// A message without file descriptors.
    Message(Box<hpcap_attach>),
    /// A message with file descriptors, which no valid request has. The descriptors are closed.
    WithDescriptors,
    /// The client has closed its end, or sent a message that is too short.
    End,
}

/// How long a client waits for an answer: longer than the start of a file may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// One end of a connection.
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
    /// Fails when no producer listens on the socket, or access is denied.
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
        // A stopped producer accepts as many connections as its backlog holds; then connect(2)
        // blocks.
        let seconds = i64::try_from(ANSWER_LIMIT.as_secs()).unwrap_or(i64::MAX);
        let limit = TimeVal::new(seconds, 0);
        setsockopt(&socket, sockopt::SendTimeout, &limit).context(tried)?;
        match connect(socket.as_raw_fd(), &address) {
            Ok(()) => Ok(Self { socket }),
            Err(Errno::EAGAIN) => Err(silent(&tried(), None)),
            Err(e) => Err(e).context(tried),
        }
    }

    /// Sends `request`, waits for the answer, and returns it unchecked.
    pub(crate) fn ask(&self, tried: &str, request: &hpcap_attach) -> Result<(hpcap_attach, Files)> {
        let sent = match self.send(request, &[]) {
            Err(e @ (Errno::EPIPE | Errno::ECONNRESET)) => Err(e),
            Err(e) => return Err(unanswered(tried, Some(e))),
            Ok(()) => Ok(()),
        };
        // A producer that refuses a connection answers at once and closes it. That answer can still
        // be read, although the request could not be sent or the connection was reset.
        self.await_answer(tried)?;
        let received = match self.receive() {
            Err(Errno::ECONNRESET) => self.receive(),
            other => other,
        };
        match received {
            Ok(Some((answer, fds))) => Ok((answer, Files(fds))),
            Ok(None) => Err(unanswered(tried, sent.err())),
            Err(e) => Err(unanswered(tried, Some(e))),
        }
    }

    /// Returns the user of the process at the other end.
    pub(crate) fn peer_uid(&self) -> nix::Result<u32> {
        getsockopt(&self.socket, sockopt::PeerCredentials).map(|peer| peer.uid())
    }

    /// Waits until a message can be received, at most [`ANSWER_LIMIT`].
    fn await_answer(&self, tried: &str) -> Result<()> {
        let start = Instant::now();
        loop {
            let left = ANSWER_LIMIT.saturating_sub(start.elapsed());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, timeout) {
                Ok(0) if left.is_zero() => return Err(silent(tried, self.peer())),
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(e) => return Err(unanswered(tried, Some(e))),
            }
        }
    }

    /// Returns the process id of the other end.
    fn peer(&self) -> Option<i32> {
        getsockopt(&self.socket, sockopt::PeerCredentials)
            .ok()
            .map(|peer| peer.pid())
    }

    /// Sends one message together with file descriptors.
    ///
    /// # Errors
    /// Returns errors of the system.
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

    /// Receives a request. The kernel discards file descriptors that come with it before this
    /// process gets them; the result is then [`Request::WithDescriptors`].
    ///
    /// # Errors
    /// Returns errors of the system.
    pub fn receive_request(&self) -> nix::Result<Request> {
        let mut bytes = [0; size_of::<hpcap_attach>()];
        let mut iov = [IoSliceMut::new(&mut bytes)];
        // The call provides no buffer for control messages, so the kernel discards their
        // descriptors.
        let received = recvmsg::<()>(
            self.socket.as_raw_fd(),
            &mut iov,
            None,
            MsgFlags::MSG_CMSG_CLOEXEC,
        )?;
        let (count, flags) = (received.bytes, received.flags);
        if flags.contains(MsgFlags::MSG_CTRUNC) {
            return Ok(Request::WithDescriptors);
        }
        Ok(hpcap_attach::from_bytes(&bytes[..count])
            .map_or(Request::End, |message| Request::Message(Box::new(message))))
    }

    /// Receives an answer with its file descriptors; `None` when the other end has closed the
    /// connection or sent a message that is too short.
    ///
    /// # Errors
    /// Returns errors of the system, and `EBADMSG` for more descriptors than an answer has, all of
    /// which are then closed.
    pub fn receive(&self) -> nix::Result<Option<(hpcap_attach, Vec<OwnedFd>)>> {
        let mut bytes = [0; size_of::<hpcap_attach>()];
        let (count, fds) = descriptors::receive(self.socket.as_fd(), &mut bytes)?;
        Ok(hpcap_attach::from_bytes(&bytes[..count]).map(|message| (message, fds)))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The file descriptors that came with an answer.
#[derive(Debug)]
pub(crate) struct Files(Vec<OwnedFd>);

impl Files {
    /// Returns the memory of an observer: the queue page.
    pub(crate) fn observed(self, tried: &str) -> Result<Shared> {
        let [queue] = self.exactly(tried)?;
        check_seals(&queue, tried)?;
        Ok(Shared::file(queue))
    }

    /// Returns the memory of a listener.
    pub(crate) fn attached(self, tried: &str) -> Result<Shared> {
        let [ring, queue, slot] = self.exactly(tried)?;
        for file in [&ring, &queue, &slot] {
            check_seals(file, tried)?;
        }
        Ok(Shared::file(queue).of_listener((ring, 0), (slot, 0)))
    }

    /// Returns the listener's end of a wake-up socket.
    pub(crate) fn wakeup(self, tried: &str) -> Result<OwnedFd> {
        let [socket] = self.exactly(tried)?;
        Ok(socket)
    }

    fn exactly<const N: usize>(self, tried: &str) -> Result<[OwnedFd; N]> {
        self.0.try_into().map_err(|fds: Vec<_>| {
            let why = format!("the producer sent {} file descriptors, not {N}", fds.len());
            Error::new(Kind::Format, tried, why)
        })
    }
}

/// Refuses memory that is not sealed against shrinking: if its creator shortened it, the next
/// access would kill this process.
fn check_seals(file: &OwnedFd, tried: &str) -> Result<()> {
    let seals = fcntl(file, FcntlArg::F_GET_SEALS).map(SealFlag::from_bits_retain);
    if seals.is_ok_and(|seals| seals.contains(SealFlag::F_SEAL_SHRINK)) {
        return Ok(());
    }
    let why = "the producer could take its memory away: it is not sealed";
    Err(Error::new(Kind::Format, tried, why))
}

/// Returns the error for a missing answer. It does not say whether the producer still runs.
fn unanswered(tried: &str, error: Option<Errno>) -> Error {
    match error {
        Some(Errno::EBADMSG) => Error::new(
            Kind::Full,
            tried,
            "the answer came with more file descriptors than this process can take",
        )
        .advise("raise the limit of open files (ulimit -n)"),
        None | Some(Errno::EPIPE | Errno::ECONNRESET) => Error::new(
            Kind::Gone,
            tried,
            "the producer ended before it answered, or closed the connection",
        ),
        Some(other) => Error::io(tried, other.into()),
    }
}

/// Returns the error for a producer that exists but does not answer.
fn silent(tried: &str, pid: Option<i32>) -> Error {
    let (who, look) = match pid {
        Some(pid) => (
            format!("the producer (process {pid})"),
            format!("ps -o pid,stat,wchan {pid}"),
        ),
        None => (
            "the producer".to_owned(),
            "ps -C hpcapd -o pid,stat".to_owned(),
        ),
    };
    let why = format!("{who} does not answer within {} s", ANSWER_LIMIT.as_secs());
    Error::new(Kind::Timeout, tried, why).advise(format!(
        "`{look}` shows whether it is stopped (T): `kill -CONT` lets it go on"
    ))
}

/// Sleeps while `*word == value`, but at most for `timeout`. May return early for any reason.
pub(crate) fn futex_wait(word: &AtomicU32, value: u32, timeout: Duration) {
    let timeout = libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    };
    // SAFETY: `word` is aligned and mapped for the duration of the call, `timeout` is a valid
    // relative time (futex(2), FUTEX_WAIT), and the other arguments are not used. The futex is not
    // PRIVATE, because the producer's process shares the word.
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
