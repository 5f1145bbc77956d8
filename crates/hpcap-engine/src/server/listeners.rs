//! Attaching, waking and killing listeners.

use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::time::Duration;

use hpcap::abi::{self, hpcap_attach, hpcap_listener};
use hpcap::{Error, Kind, Result, Start, Timestamp};
use hpcap_ipc::socket::Socket;
use nix::errno::Errno;

use super::refusal::{Refusal, Verdict, no_descriptors};
use super::requests::answered;
use super::wakeup::wakeup_pair;
use super::{Clients, Peer, hang_up, share};
use crate::engine::{answer, lock};
use crate::poll::Command;
use crate::ring::memory::new_slot;

/// Longest wait for the poll thread's reply. The thread replies earlier than this, even to a
/// listener whose start fails, so only a thread that hangs exceeds it.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A listener that has a slot or is about to get one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Served {
    id: u64,
    uid: u32,
    /// The number of the listener's connection.
    client: u64,
}

impl Clients {
    /// Attaches a listener of `peer`, and sends it the descriptors. Returns the id of the listener.
    pub(super) fn attach(
        &self,
        connection: &Socket,
        message: &hpcap_attach,
        peer: Peer,
    ) -> Verdict<u64> {
        let start = match message.start {
            abi::HPCAP_START_FILE => Start::File,
            abi::HPCAP_START_NEWEST => Start::Newest,
            abi::HPCAP_START_OLDEST => Start::Oldest,
            other => {
                let why = format!("there is no start {other}");
                return Err(Refusal::new(
                    Error::new(Kind::Usage, "attach", why),
                    Errno::EINVAL,
                ));
            }
        };
        if ![abi::HPCAP_LOSSLESS, abi::HPCAP_LOSSY].contains(&message.contract) {
            let why = format!("there is no contract {}", message.contract);
            return Err(Refusal::new(
                Error::new(Kind::Usage, "attach", why),
                Errno::EINVAL,
            ));
        }
        let id = self.admit(peer).map_err(Refusal::with(Errno::EUSERS))?;
        let attached = self.attach_as(id, connection, message, (peer, start));
        if attached.is_err() {
            self.forget(id);
        }
        attached.map(|()| id)
    }

    /// Registers one more listener of this peer, if its share allows it. Returns the listener's id.
    fn admit(&self, peer: Peer) -> Result<u64> {
        let mut listeners = lock(&self.listeners);
        share::SLOTS.admit(peer.uid, listeners.iter().map(|l| l.uid), "attach")?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        listeners.push(Served {
            id,
            uid: peer.uid,
            client: peer.client,
        });
        Ok(id)
    }

    fn attach_as(
        &self,
        id: u64,
        connection: &Socket,
        message: &hpcap_attach,
        (peer, start): (Peer, Start),
    ) -> Verdict<()> {
        let (slot_fd, slot) = new_slot().map_err(Refusal::with(Errno::ENOMEM))?;
        let listener = hpcap_listener {
            id,
            contract: message.contract,
            max_stall_ns: message.max_stall_ns,
            attached_ns: Timestamp::now().as_ns(),
            pid: peer.pid,
            uid: peer.uid,
            name: message.name,
            ..hpcap_listener::zeroed()
        };
        let (reply, replied) = channel();
        self.send(Command::Attach {
            slot,
            listener: Box::new(listener),
            start,
            reply,
        });
        let slot = answer(&replied, ANSWER_LIMIT).map_err(|e| {
            let errno = match e.kind() {
                Kind::Full => Errno::EUSERS,
                Kind::Timeout => Errno::ETIMEDOUT,
                _ => Errno::EIO,
            };
            Refusal::new(e, errno)
        })?;
        let answer = hpcap_attach {
            slot: u32::try_from(slot).unwrap_or(u32::MAX),
            id,
            ..answered(message)
        };
        let fds = [
            self.fds.ring.as_raw_fd(),
            self.fds.queue.as_raw_fd(),
            slot_fd.as_raw_fd(),
        ];
        // The next `receive_request` notices a client that is gone already, so this error is
        // ignored.
        let _ = connection.send(&answer, &fds);
        Ok(())
    }

    /// Sends listener `id` the end of a new wake-up socket. The poll thread gets the other end.
    pub(super) fn give_wakeup(
        &self,
        id: u64,
        connection: &Socket,
        message: &hpcap_attach,
    ) -> Verdict<()> {
        let (ours, theirs) =
            wakeup_pair().map_err(|e| match e.os_error().map(Errno::from_raw) {
                Some(Errno::EMFILE | Errno::ENFILE) => {
                    Refusal::new(no_descriptors(), Errno::EUSERS)
                }
                _ => Refusal::new(e, Errno::EIO),
            })?;
        let (reply, replied) = channel();
        self.send(Command::Wakeup {
            id,
            socket: ours,
            reply,
        });
        answer(&replied, ANSWER_LIMIT).map_err(Refusal::with(Errno::ESRCH))?;
        let _ = connection.send(&answered(message), &[theirs.as_raw_fd()]);
        Ok(())
    }

    /// Kills a listener. A user may kill its own listeners, and root all of them. When this
    /// returns, the slot is free and the connection is shut down.
    pub(super) fn kill(&self, id: u64, peer: Peer) -> Verdict<()> {
        let tried = format!("kill listener {id}");
        let Some(victim) = lock(&self.listeners).iter().find(|l| l.id == id).copied() else {
            let error = Error::new(Kind::NotFound, tried, "there is no such listener");
            return Err(Refusal::new(error, Errno::ESRCH));
        };
        if peer.uid != 0 && peer.uid != victim.uid {
            let why = format!("it belongs to user {}", victim.uid);
            return Err(Refusal::new(
                Error::new(Kind::Permission, tried, why),
                Errno::EPERM,
            ));
        }
        let (reply, replied) = channel();
        self.send(Command::Kill { id, reply });
        answer(&replied, ANSWER_LIMIT).map_err(|e| {
            let errno = match e.kind() {
                Kind::NotFound => Errno::ESRCH,
                _ => Errno::EIO,
            };
            Refusal::new(e, errno)
        })?;
        self.forget(id);
        // The poll thread has marked the slot as killed, so the listener sees that before its
        // connection closes.
        let clients = lock(&self.clients);
        if let Some(client) = clients.iter().find(|c| c.number == victim.client) {
            hang_up(&client.socket);
        }
        Ok(())
    }

    /// Frees the slot of listener `id`, whose client is gone.
    pub(super) fn detach(&self, id: u64) {
        self.forget(id);
        self.send(Command::Detach(id));
    }

    fn forget(&self, id: u64) {
        lock(&self.listeners).retain(|l| l.id != id);
    }
}
