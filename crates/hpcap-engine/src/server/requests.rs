//! The requests of one client, and the replies.

use std::os::fd::AsRawFd;

use hpcap::abi::{self, hpcap_attach};
use hpcap::{Error, Kind};
use hpcap_ipc::socket::{Request as Asked, Socket};
use nix::errno::Errno;

use super::refusal::{Refusal, Verdict, refuse};
use super::{Clients, Peer};

/// A client's connection, and what the client has got over it.
struct Conversation<'a> {
    connection: &'a Socket,
    peer: Peer,
    /// The id of the client's listener.
    attached: Option<u64>,
    /// Whether the listener has a wake-up socket.
    has_wakeup: bool,
}

impl Conversation<'_> {
    /// The id of the listener that is to get a wake-up socket.
    fn listener_without_wakeup(&self) -> Verdict<u64> {
        match (self.attached, self.has_wakeup) {
            (Some(id), false) => Ok(id),
            (Some(_), true) => Err(Refusal::new(
                Error::new(Kind::Busy, "wake", "this listener has a wake-up socket"),
                Errno::EBUSY,
            )),
            (None, _) => Err(Refusal::new(
                Error::new(Kind::Usage, "wake", "this connection has no listener"),
                Errno::EINVAL,
            )),
        }
    }
}

impl Clients {
    /// Answers the requests of one client until it closes its end. Returns the id of its listener,
    /// if it has attached one.
    pub(super) fn answer_requests(&self, connection: &Socket, peer: Peer) -> Option<u64> {
        let mut client = Conversation {
            connection,
            peer,
            attached: None,
            has_wakeup: false,
        };
        loop {
            let message = match connection.receive_request() {
                Ok(Asked::Message(message)) => message,
                Ok(Asked::WithDescriptors) => {
                    let why = "a request has no file descriptors";
                    let error = Error::new(Kind::Usage, "answer a client", why);
                    refuse(connection, &error, Errno::EINVAL);
                    continue;
                }
                Ok(Asked::End) | Err(_) => return client.attached,
            };
            let done = check(&message).and_then(|()| self.answer_request(&mut client, &message));
            if let Err(refusal) = done {
                refusal.send(connection);
            }
        }
    }

    /// Carries out one request, and sends the positive reply.
    fn answer_request(&self, client: &mut Conversation<'_>, message: &hpcap_attach) -> Verdict<()> {
        let connection = client.connection;
        match message.op {
            abi::HPCAP_OP_OBSERVE => connection
                .send(&answered(message), &[self.fds.queue.as_raw_fd()])
                .map_err(|e| Refusal::new(Error::io("answer a client", e.into()), Errno::EIO)),
            abi::HPCAP_OP_ATTACH if client.attached.is_some() => Err(Refusal::new(
                Error::new(Kind::Busy, "attach", "this connection is attached already"),
                Errno::EBUSY,
            )),
            abi::HPCAP_OP_ATTACH => {
                client.attached = Some(self.attach(connection, message, client.peer)?);
                Ok(())
            }
            abi::HPCAP_OP_KILL => {
                self.kill(message.id, client.peer)?;
                let _ = connection.send(&answered(message), &[]);
                Ok(())
            }
            abi::HPCAP_OP_WAKEUP => {
                let id = client.listener_without_wakeup()?;
                self.give_wakeup(id, connection, message)?;
                client.has_wakeup = true;
                Ok(())
            }
            abi::HPCAP_OP_DEDUP => {
                let answer = hpcap_attach {
                    message: abi::field(&self.dedup()),
                    ..answered(message)
                };
                let _ = connection.send(&answer, &[]);
                Ok(())
            }
            op => Err(Refusal::new(
                Error::new(Kind::Usage, "answer a client", format!("operation {op}")),
                Errno::EINVAL,
            )),
        }
    }
}

/// Refuses a message that is no request, and a request of another version.
fn check(message: &hpcap_attach) -> Verdict<()> {
    if message.magic != abi::HPCAP_ATTACH_MAGIC {
        let error = Error::new(Kind::Format, "read a request", "it is not one");
        return Err(Refusal::new(error, Errno::EINVAL));
    }
    if message.abi_version != abi::HPCAP_ABI_VERSION {
        let why = format!(
            "the program speaks ABI version {}, this producer version {}",
            message.abi_version,
            abi::HPCAP_ABI_VERSION
        );
        return Err(Refusal::new(
            Error::new(Kind::Version, "serve a client", why),
            Errno::EPROTO,
        ));
    }
    Ok(())
}

/// Returns the positive reply to `message`.
pub(super) fn answered(message: &hpcap_attach) -> hpcap_attach {
    hpcap_attach {
        magic: abi::HPCAP_ATTACH_MAGIC,
        abi_version: abi::HPCAP_ABI_VERSION,
        error: 0,
        message: [0; 168],
        ..*message
    }
}
