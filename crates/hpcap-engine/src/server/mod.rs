//! Connections with clients: one thread per connection, one slot per listener.
//!
//! The kernel closes the socket of a process that ends, for whatever reason, and the server then
//! frees the listener's slot. A listener that is killed loses its slot and its connection at once,
//! whether or not its process notices.

mod refusal;
mod share;
mod wakeup;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hpcap::abi::{self, hpcap_attach, hpcap_listener};
use hpcap::error::Context;
use hpcap::{Error, Kind, Result, Start, Timestamp};
use hpcap_ipc::socket::{Request as Asked, Socket};
use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt};

use crate::engine::{answer, lock};
use crate::poll::Command;
use crate::ring::memory::{QueueMemory, new_slot};
use crate::stages::Dedup;
use hpcap::dedup::DedupSettings;
use refusal::{Refusal, Verdict, no_descriptors, refuse};
pub(crate) use wakeup::WakeupSocket;
use wakeup::wakeup_pair;

/// Longest wait for the poll thread's reply. The thread replies earlier than this, even to a
/// listener whose start fails, so only a thread that hangs exceeds it.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// File descriptors of the queue's memory, which clients receive.
#[derive(Debug)]
pub(crate) struct QueueFds {
    ring: OwnedFd,
    queue: OwnedFd,
}

impl QueueFds {
    pub(crate) fn of(memory: &QueueMemory) -> Result<Self> {
        let copy = |fd: std::os::fd::BorrowedFd<'_>| {
            fd.try_clone_to_owned()
                .context(|| "duplicate a file descriptor")
        };
        Ok(Self {
            ring: copy(memory.ring_fd())?,
            queue: copy(memory.queue_fd())?,
        })
    }
}

/// A listener that has a slot or is about to get one.
#[derive(Debug, Clone, Copy)]
struct Served {
    id: u64,
    uid: u32,
    /// The number of the listener's connection.
    client: u64,
}

/// An open connection: its socket, to shut it down, and its thread.
#[derive(Debug)]
struct Client {
    number: u64,
    uid: u32,
    socket: OwnedFd,
    thread: JoinHandle<()>,
}

/// The process at the other end of a connection.
#[derive(Debug, Clone, Copy)]
struct Peer {
    /// The number of the connection.
    client: u64,
    pid: u32,
    uid: u32,
}

impl Peer {
    fn of(socket: BorrowedFd<'_>, client: u64) -> Self {
        let credentials = getsockopt(&socket, sockopt::PeerCredentials).ok();
        Self {
            client,
            pid: credentials.map_or(0, |c| u32::try_from(c.pid()).unwrap_or(0)),
            uid: credentials.map_or(u32::MAX, |c| c.uid()),
        }
    }
}

/// All connections to one queue.
#[derive(Debug)]
pub(crate) struct Clients {
    fds: QueueFds,
    commands: Mutex<Sender<Command>>,
    next_id: AtomicU64,
    next_client: AtomicU64,
    listeners: Mutex<Vec<Served>>,
    clients: Mutex<Vec<Client>>,
    dedup: Mutex<Option<DedupSettings>>,
}

impl Clients {
    pub(crate) fn new(
        fds: QueueFds,
        commands: Sender<Command>,
        dedup: Option<DedupSettings>,
    ) -> Self {
        Self {
            fds,
            commands: Mutex::new(commands),
            next_id: AtomicU64::new(1),
            next_client: AtomicU64::new(1),
            listeners: Mutex::new(Vec::new()),
            clients: Mutex::new(Vec::new()),
            dedup: Mutex::new(dedup),
        }
    }

    /// Serves the client at the other end of `socket` in a thread of its own.
    ///
    /// # Errors
    /// [`Kind::Full`] when there are too many clients; the system's error when there are not enough
    /// threads or descriptors for one more. The client receives the error, too.
    pub(crate) fn serve(all: &Arc<Self>, socket: OwnedFd) -> Result<()> {
        let copy = socket.as_fd().try_clone_to_owned();
        let connection = Socket::from(socket);
        let served = copy
            .context(|| "serve another client")
            .and_then(|copy| Self::start(all, &connection, copy));
        let served = served.map_err(|e| match e.os_error().map(Errno::from_raw) {
            Some(Errno::EMFILE | Errno::ENFILE) => no_descriptors(),
            _ => e,
        });
        if let Err(e) = &served {
            refuse(&connection, e, Errno::EUSERS);
        }
        served
    }

    /// Starts a thread for `connection`; `socket` is another descriptor of the same connection.
    fn start(all: &Arc<Self>, connection: &Socket, socket: OwnedFd) -> Result<()> {
        const TRIED: &str = "serve another client";
        let number = all.next_client.fetch_add(1, Ordering::Relaxed);
        let peer = Peer::of(connection.as_fd(), number);
        let copy = socket.try_clone().context(|| TRIED)?;
        // Locked until the client is in the list, because its thread removes it from there at the
        // end.
        let mut clients = lock(&all.clients);
        share::CONNECTIONS.admit(peer.uid, clients.iter().map(|c| c.uid), TRIED)?;
        let owner = Arc::clone(all);
        let thread = thread::Builder::new()
            .name("client".into())
            .stack_size(128 << 10)
            .spawn(move || owner.serve_client(Socket::from(socket), peer))
            .context(|| TRIED)?;
        clients.push(Client {
            number,
            uid: peer.uid,
            socket: copy,
            thread,
        });
        Ok(())
    }

    /// Tells a client that the process has no file descriptor left for it.
    pub(crate) fn turn_away(socket: OwnedFd) {
        refuse(&Socket::from(socket), &no_descriptors(), Errno::EUSERS);
    }

    /// Shuts down all connections and waits for their threads.
    pub(crate) fn close(&self) {
        let clients = std::mem::take(&mut *lock(&self.clients));
        for client in &clients {
            hang_up(&client.socket);
        }
        for client in clients {
            let _ = client.thread.join();
        }
    }

    /// Sends the poll thread new settings of the duplicate filter, and keeps them for later
    /// replies.
    pub(crate) fn set_dedup(&self, dedup: Option<Dedup>) {
        // The lock is held while the command is sent, so that commands and replies agree on their
        // order.
        let mut told = lock(&self.dedup);
        *told = dedup.as_ref().map(|dedup| *dedup.settings());
        self.send(Command::Dedup(dedup.map(Box::new)));
    }

    /// Returns the reply to [`abi::HPCAP_OP_DEDUP`].
    fn dedup(&self) -> String {
        let told = *lock(&self.dedup);
        told.map_or_else(|| "off".to_owned(), |settings| settings.to_string())
    }

    fn send(&self, command: Command) {
        // The error is ignored: a poll thread that has ended has no listeners left.
        let _ = lock(&self.commands).send(command);
    }

    /// Serves one connection until the client closes it.
    fn serve_client(&self, connection: Socket, peer: Peer) {
        let attached = self.answer_all(&connection, peer);
        // The descriptor is closed before the client leaves the list that counts open connections.
        drop(connection);
        if let Some(id) = attached {
            self.forget(id);
            self.send(Command::Detach(id));
        }
        lock(&self.clients).retain(|client| client.number != peer.client);
    }

    /// Answers the requests of one client until it closes its end. Returns the id of its listener,
    /// if it has attached one.
    fn answer_all(&self, connection: &Socket, peer: Peer) -> Option<u64> {
        let mut attached = None;
        let mut has_wakeup = false;
        loop {
            let message = match connection.receive_request() {
                Ok(Asked::Message(message)) => message,
                Ok(Asked::WithDescriptors) => {
                    let why = "a request has no file descriptors";
                    let error = Error::new(Kind::Usage, "answer a client", why);
                    refuse(connection, &error, Errno::EINVAL);
                    continue;
                }
                Ok(Asked::End) | Err(_) => return attached,
            };
            let done = match self.check(&message) {
                Err(refusal) => Err(refusal),
                Ok(()) => match message.op {
                    abi::HPCAP_OP_OBSERVE => connection
                        .send(&answered(&message), &[self.fds.queue.as_raw_fd()])
                        .map_err(|e| {
                            Refusal::new(Error::io("answer a client", e.into()), Errno::EIO)
                        }),
                    abi::HPCAP_OP_ATTACH if attached.is_none() => self
                        .attach(connection, &message, peer)
                        .map(|id| attached = Some(id)),
                    abi::HPCAP_OP_ATTACH => Err(Refusal::new(
                        Error::new(Kind::Busy, "attach", "this connection is attached already"),
                        Errno::EBUSY,
                    )),
                    abi::HPCAP_OP_KILL => self.kill(message.id, peer).map(|()| {
                        let _ = connection.send(&answered(&message), &[]);
                    }),
                    abi::HPCAP_OP_WAKEUP => match (attached, has_wakeup) {
                        (Some(id), false) => self
                            .give_wakeup(id, connection, &message)
                            .map(|()| has_wakeup = true),
                        (Some(_), true) => Err(Refusal::new(
                            Error::new(Kind::Busy, "wake", "this listener has a wake-up socket"),
                            Errno::EBUSY,
                        )),
                        (None, _) => Err(Refusal::new(
                            Error::new(Kind::Usage, "wake", "this connection has no listener"),
                            Errno::EINVAL,
                        )),
                    },
                    abi::HPCAP_OP_DEDUP => {
                        let answer = hpcap_attach {
                            message: abi::field(&self.dedup()),
                            ..answered(&message)
                        };
                        let _ = connection.send(&answer, &[]);
                        Ok(())
                    }
                    op => Err(Refusal::new(
                        Error::new(Kind::Usage, "answer a client", format!("operation {op}")),
                        Errno::EINVAL,
                    )),
                },
            };
            if let Err(refusal) = done {
                refusal.send(connection);
            }
        }
    }

    fn forget(&self, id: u64) {
        lock(&self.listeners).retain(|l| l.id != id);
    }

    fn check(&self, message: &hpcap_attach) -> Verdict<()> {
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

    fn attach(&self, connection: &Socket, message: &hpcap_attach, peer: Peer) -> Verdict<u64> {
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
    fn give_wakeup(&self, id: u64, connection: &Socket, message: &hpcap_attach) -> Verdict<()> {
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
    fn kill(&self, id: u64, peer: Peer) -> Verdict<()> {
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
}

/// Shuts down the connection `socket`, which wakes every thread that receives from it or sends to
/// it.
fn hang_up(socket: &OwnedFd) {
    use nix::sys::socket::{Shutdown, shutdown};
    let _ = shutdown(socket.as_raw_fd(), Shutdown::Both);
}

/// Returns the positive reply to `message`.
fn answered(message: &hpcap_attach) -> hpcap_attach {
    hpcap_attach {
        magic: abi::HPCAP_ATTACH_MAGIC,
        abi_version: abi::HPCAP_ABI_VERSION,
        error: 0,
        message: [0; 168],
        ..*message
    }
}
