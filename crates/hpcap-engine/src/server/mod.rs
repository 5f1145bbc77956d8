//! Connections with clients: one thread per connection, one slot per listener.
//!
//! The kernel closes the socket of a process that ends, for whatever reason, and the server then
//! frees the listener's slot. A listener that is killed loses its slot and its connection at once,
//! whether or not its process notices.

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
use nix::sys::socket::{getsockopt, sockopt};

use crate::engine::{answer, lock};
use crate::poll::Command;
use crate::ring::memory::{QueueMemory, new_slot};
use crate::stages::Dedup;
use hpcap::dedup::DedupSettings;
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

/// The reason why a request is refused, and the errno that the reply carries.
type Refused = (Error, i32);

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
        let served = served.map_err(|e| match e.os_error() {
            Some(libc::EMFILE | libc::ENFILE) => no_descriptors(),
            _ => e,
        });
        if let Err(e) = &served {
            refuse(&connection, e, libc::EUSERS);
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
        refuse(&Socket::from(socket), &no_descriptors(), libc::EUSERS);
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
                    refuse(connection, &error, libc::EINVAL);
                    continue;
                }
                Ok(Asked::End) | Err(_) => return attached,
            };
            let done = match self.check(&message) {
                Err((error, errno)) => Err((error, errno)),
                Ok(()) => match message.op {
                    abi::HPCAP_OP_OBSERVE => connection
                        .send(&answered(&message), &[self.fds.queue.as_raw_fd()])
                        .map_err(|e| (Error::io("answer a client", e.into()), libc::EIO)),
                    abi::HPCAP_OP_ATTACH if attached.is_none() => self
                        .attach(connection, &message, peer)
                        .map(|id| attached = Some(id)),
                    abi::HPCAP_OP_ATTACH => Err((
                        Error::new(Kind::Busy, "attach", "this connection is attached already"),
                        libc::EBUSY,
                    )),
                    abi::HPCAP_OP_KILL => self.kill(message.id, peer).map(|()| {
                        let _ = connection.send(&answered(&message), &[]);
                    }),
                    abi::HPCAP_OP_WAKEUP => match (attached, has_wakeup) {
                        (Some(id), false) => self
                            .give_wakeup(id, connection, &message)
                            .map(|()| has_wakeup = true),
                        (Some(_), true) => Err((
                            Error::new(Kind::Busy, "wake", "this listener has a wake-up socket"),
                            libc::EBUSY,
                        )),
                        (None, _) => Err((
                            Error::new(Kind::Usage, "wake", "this connection has no listener"),
                            libc::EINVAL,
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
                    op => Err((
                        Error::new(Kind::Usage, "answer a client", format!("operation {op}")),
                        libc::EINVAL,
                    )),
                },
            };
            if let Err((error, errno)) = done {
                refuse(connection, &error, errno);
            }
        }
    }

    fn forget(&self, id: u64) {
        lock(&self.listeners).retain(|l| l.id != id);
    }

    fn check(&self, message: &hpcap_attach) -> std::result::Result<(), Refused> {
        if message.magic != abi::HPCAP_ATTACH_MAGIC {
            let error = Error::new(Kind::Format, "read a request", "it is not one");
            return Err((error, libc::EINVAL));
        }
        if message.abi_version != abi::HPCAP_ABI_VERSION {
            let why = format!(
                "the program speaks ABI version {}, this producer version {}",
                message.abi_version,
                abi::HPCAP_ABI_VERSION
            );
            return Err((
                Error::new(Kind::Version, "serve a client", why),
                libc::EPROTO,
            ));
        }
        Ok(())
    }

    fn attach(
        &self,
        connection: &Socket,
        message: &hpcap_attach,
        peer: Peer,
    ) -> std::result::Result<u64, Refused> {
        let start = match message.start {
            abi::HPCAP_START_FILE => Start::File,
            abi::HPCAP_START_NEWEST => Start::Newest,
            abi::HPCAP_START_OLDEST => Start::Oldest,
            other => {
                let why = format!("start {other} is none of those that exist");
                return Err((Error::new(Kind::Usage, "attach", why), libc::EINVAL));
            }
        };
        if ![abi::HPCAP_LOSSLESS, abi::HPCAP_LOSSY].contains(&message.contract) {
            let why = format!("contract {} is none of those that exist", message.contract);
            return Err((Error::new(Kind::Usage, "attach", why), libc::EINVAL));
        }
        let id = self.admit(peer).map_err(|e| (e, libc::EUSERS))?;
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
    ) -> std::result::Result<(), Refused> {
        let (slot_fd, slot) = new_slot().map_err(|e| (e, libc::ENOMEM))?;
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
                Kind::Full => libc::EUSERS,
                Kind::Timeout => libc::ETIMEDOUT,
                _ => libc::EIO,
            };
            (e, errno)
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
    fn give_wakeup(
        &self,
        id: u64,
        connection: &Socket,
        message: &hpcap_attach,
    ) -> std::result::Result<(), Refused> {
        let (ours, theirs) = wakeup_pair().map_err(|e| match e.os_error() {
            Some(libc::EMFILE | libc::ENFILE) => (no_descriptors(), libc::EUSERS),
            _ => (e, libc::EIO),
        })?;
        let (reply, replied) = channel();
        self.send(Command::Wakeup {
            id,
            socket: ours,
            reply,
        });
        answer(&replied, ANSWER_LIMIT).map_err(|e| (e, libc::ESRCH))?;
        let _ = connection.send(&answered(message), &[theirs.as_raw_fd()]);
        Ok(())
    }

    /// Kills a listener. A user may kill its own listeners, and root all of them. When this
    /// returns, the slot is free and the connection is shut down.
    fn kill(&self, id: u64, peer: Peer) -> std::result::Result<(), Refused> {
        let tried = format!("kill listener {id}");
        let Some(victim) = lock(&self.listeners).iter().find(|l| l.id == id).copied() else {
            let error = Error::new(Kind::NotFound, tried, "there is no such listener");
            return Err((error, libc::ESRCH));
        };
        if peer.uid != 0 && peer.uid != victim.uid {
            let why = format!("it belongs to user {}", victim.uid);
            return Err((Error::new(Kind::Permission, tried, why), libc::EPERM));
        }
        let (reply, replied) = channel();
        self.send(Command::Kill { id, reply });
        answer(&replied, ANSWER_LIMIT).map_err(|e| {
            let errno = match e.kind() {
                Kind::NotFound => libc::ESRCH,
                _ => libc::EIO,
            };
            (e, errno)
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

/// The error of a process that has reached its limit of open files.
fn no_descriptors() -> Error {
    let why = "the producer has no file descriptors left";
    Error::new(Kind::Full, "serve another client", why)
        .advise("raise its limit of open files (ulimit -n, LimitNOFILE=)")
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

/// Sends a negative reply with the text of `error`.
fn refuse(connection: &Socket, error: &Error, errno: i32) {
    let answer = hpcap_attach {
        magic: abi::HPCAP_ATTACH_MAGIC,
        abi_version: abi::HPCAP_ABI_VERSION,
        error: errno,
        message: abi::field(&error.why_and_advice()),
        ..hpcap_attach::zeroed()
    };
    let _ = connection.send(&answer, &[]);
}
