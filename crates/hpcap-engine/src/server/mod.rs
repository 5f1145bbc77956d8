//! Connections with clients: one thread per connection, one slot per listener.
//!
//! The kernel closes the socket of a process that ends, for whatever reason, and the server then
//! frees the listener's slot. A listener that is killed loses its slot and its connection at once,
//! whether or not its process notices.

mod listeners;
mod refusal;
mod requests;
mod share;
mod wakeup;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use hpcap::Result;
use hpcap::dedup::DedupSettings;
use hpcap::error::Context;
use hpcap_ipc::socket::Socket;
use nix::errno::Errno;
use nix::sys::socket::{Shutdown, getsockopt, shutdown, sockopt};

use crate::engine::lock;
use crate::poll::Command;
use crate::ring::memory::QueueMemory;
use crate::stages::Dedup;
use listeners::Served;
use refusal::{no_descriptors, refuse};
pub(crate) use wakeup::WakeupSocket;

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
    /// [`Kind::Full`](hpcap::Kind::Full) when there are too many clients; the system's error when there are not enough
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

    /// Returns the reply to [`HPCAP_OP_DEDUP`](hpcap::abi::HPCAP_OP_DEDUP).
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
        let attached = self.answer_requests(&connection, peer);
        // The descriptor is closed before the client leaves the list that counts open connections.
        drop(connection);
        if let Some(id) = attached {
            self.detach(id);
        }
        lock(&self.clients).retain(|client| client.number != peer.client);
    }
}

/// Shuts down the connection `socket`, which wakes every thread that receives from it or sends to
/// it.
fn hang_up(socket: &OwnedFd) {
    let _ = shutdown(socket.as_raw_fd(), Shutdown::Both);
}
