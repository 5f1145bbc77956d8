//! Requests that are refused.

use hpcap::abi::{self, hpcap_attach};
use hpcap::{Error, Kind};
use hpcap_ipc::socket::Socket;
use nix::errno::Errno;

/// The result of a request.
pub(super) type Verdict<T> = std::result::Result<T, Refusal>;

/// Why a request is refused: the error is for people, and the client's program decides by the
/// errno.
#[derive(Debug)]
pub(super) struct Refusal {
    error: Error,
    errno: Errno,
}

impl Refusal {
    pub(super) fn new(error: Error, errno: Errno) -> Self {
        Self { error, errno }
    }

    /// Returns a function that makes a refusal of an error, for `map_err`.
    pub(super) fn with(errno: Errno) -> impl FnOnce(Error) -> Self {
        move |error| Self::new(error, errno)
    }

    /// Sends the refusal to the client.
    pub(super) fn send(&self, connection: &Socket) {
        refuse(connection, &self.error, self.errno);
    }
}

/// The error of a process that has reached its limit of open files.
pub(super) fn no_descriptors() -> Error {
    let why = "the producer has no file descriptors left";
    Error::new(Kind::Full, "serve another client", why)
        .advise("raise its limit of open files (ulimit -n, LimitNOFILE=)")
}

/// Sends a negative reply with the text of `error`.
pub(super) fn refuse(connection: &Socket, error: &Error, errno: Errno) {
    let answer = hpcap_attach {
        magic: abi::HPCAP_ATTACH_MAGIC,
        abi_version: abi::HPCAP_ABI_VERSION,
        error: errno as i32,
        message: abi::field(&error.why_and_advice()),
        ..hpcap_attach::zeroed()
    };
    let _ = connection.send(&answer, &[]);
}
