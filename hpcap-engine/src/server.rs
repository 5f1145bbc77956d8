//! The conversations with clients: one thread for each, one slot for each listener.
//!
//! A client that dies closes its socket, whatever killed it: that is how its death is
//! noticed, and its slot freed.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hpcap::abi::{self, hpcap_attach, hpcap_listener};
use hpcap::error::Context;
use hpcap::queue::socket::{Request as Asked, Socket};
use hpcap::{Error, Kind, Result, Start, Timestamp};
use nix::sys::socket::{UnixCredentials, getsockopt, sockopt};

use crate::engine::{answer, lock};
use crate::poll::Command;
use crate::ring::memory::{QueueMemory, new_slot};
use crate::stages::Dedup;
use crate::stages::dedup::DedupSettings;

/// Clients at a time: all slots, and as many who only look.
const CLIENTS_MAX: usize = 4 * abi::HPCAP_SLOTS;

/// The poll thread answers within its own limit for starts; this one is only for its death.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A question to engines alone, beside the operations of the C header, which are for listeners: how
/// duplicates are removed. The answer's `message` says it as `hpcapd --dedup` takes it, or `off`.
pub(crate) const OP_DEDUP: u32 = 1 << 31;

/// What is handed to clients.
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

/// A listener that this engine serves.
#[derive(Debug, Clone, Copy)]
struct Served {
    id: u64,
    slot: usize,
    uid: u32,
}

/// A conversation under way: its socket, to end it, and its thread.
#[derive(Debug)]
struct Client {
    socket: OwnedFd,
    thread: JoinHandle<()>,
}

/// All conversations about one queue.
#[derive(Debug)]
pub(crate) struct Conversations {
    fds: QueueFds,
    commands: Mutex<Sender<Command>>,
    next_id: AtomicU64,
    listeners: Mutex<Vec<Served>>,
    clients: Mutex<Vec<Client>>,
    dedup: Mutex<Option<DedupSettings>>,
}

impl Conversations {
    pub(crate) fn new(
        fds: QueueFds,
        commands: Sender<Command>,
        dedup: Option<DedupSettings>,
    ) -> Self {
        Self {
            fds,
            commands: Mutex::new(commands),
            next_id: AtomicU64::new(1),
            listeners: Mutex::new(Vec::new()),
            clients: Mutex::new(Vec::new()),
            dedup: Mutex::new(dedup),
        }
    }

    /// Serves the client at the other end of `socket` in a thread of its own.
    pub(crate) fn serve(all: &Arc<Self>, socket: OwnedFd) -> Result<()> {
        let mut clients = lock(&all.clients);
        clients.retain(|client| !client.thread.is_finished());
        if clients.len() >= CLIENTS_MAX {
            let connection = Socket::from(socket);
            let why = format!("{CLIENTS_MAX} clients are connected already");
            let error = Error::new(Kind::Full, "serve another client", why);
            refuse(&connection, &error, libc::EUSERS);
            return Err(error);
        }
        let copy = socket
            .as_fd()
            .try_clone_to_owned()
            .context(|| "duplicate a socket")?;
        let owner = Arc::clone(all);
        let thread = thread::Builder::new()
            .name("client".into())
            .stack_size(128 << 10)
            .spawn(move || owner.converse(&Socket::from(socket)))
            .context(|| "start a thread for a client")?;
        clients.push(Client {
            socket: copy,
            thread,
        });
        Ok(())
    }

    /// Ends all conversations.
    pub(crate) fn close(&self) {
        let clients = std::mem::take(&mut *lock(&self.clients));
        for client in &clients {
            let socket = client.socket.as_raw_fd();
            let _ = nix::sys::socket::shutdown(socket, nix::sys::socket::Shutdown::Both);
        }
        for client in clients {
            let _ = client.thread.join();
        }
    }

    /// Has duplicates removed with `dedup` from now on, or no more, and tells so.
    pub(crate) fn set_dedup(&self, dedup: Option<Dedup>) {
        // Of two calls at once, the one that is told last is done last.
        let mut told = lock(&self.dedup);
        *told = dedup.as_ref().map(|dedup| *dedup.settings());
        self.send(Command::Dedup(dedup.map(Box::new)));
    }

    /// The answer to [`OP_DEDUP`].
    fn dedup(&self) -> String {
        let told = *lock(&self.dedup);
        told.map_or_else(|| "off".to_owned(), |settings| settings.to_string())
    }

    fn send(&self, command: Command) {
        // A poll thread that has ended has detached everybody.
        let _ = lock(&self.commands).send(command);
    }

    /// One conversation, until the client closes it.
    fn converse(&self, connection: &Socket) {
        let peer = getsockopt(&connection.as_fd(), sockopt::PeerCredentials).ok();
        let mut served: Option<Served> = None;
        loop {
            let message = match connection.receive_request() {
                Ok(Asked::Message(message)) => message,
                Ok(Asked::WithDescriptors) => {
                    let why = "a request has no file descriptors";
                    let error = Error::new(Kind::Usage, "answer a client", why);
                    refuse(connection, &error, libc::EINVAL);
                    continue;
                }
                Ok(Asked::End) | Err(_) => break,
            };
            let done = match self.check(&message) {
                Err((error, errno)) => Err((error, errno)),
                Ok(()) => match message.op {
                    abi::HPCAP_OP_OBSERVE => connection
                        .send(&answered(&message), &[self.fds.queue.as_raw_fd()])
                        .map_err(|e| (Error::io("answer a client", e.into()), libc::EIO)),
                    abi::HPCAP_OP_ATTACH if served.is_none() => self
                        .attach(connection, &message, peer.as_ref())
                        .map(|new| served = Some(new)),
                    abi::HPCAP_OP_ATTACH => Err((
                        Error::new(Kind::Busy, "attach", "this connection is attached already"),
                        libc::EBUSY,
                    )),
                    abi::HPCAP_OP_KILL => self.kill(message.id, peer.as_ref()).map(|()| {
                        let _ = connection.send(&answered(&message), &[]);
                    }),
                    OP_DEDUP => {
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
        if let Some(served) = served {
            lock(&self.listeners).retain(|l| l.id != served.id);
            self.send(Command::Detach(served.slot));
        }
    }

    fn check(&self, message: &hpcap_attach) -> std::result::Result<(), (Error, i32)> {
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
        peer: Option<&UnixCredentials>,
    ) -> std::result::Result<Served, (Error, i32)> {
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
        let (slot_fd, slot) = new_slot().map_err(|e| (e, libc::ENOMEM))?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let uid = peer.map_or(u32::MAX, UnixCredentials::uid);
        let listener = hpcap_listener {
            id,
            contract: message.contract,
            max_stall_ns: message.max_stall_ns,
            attached_ns: Timestamp::now().as_ns(),
            pid: peer.map_or(0, |p| u32::try_from(p.pid()).unwrap_or(0)),
            uid,
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
        let served = Served { id, slot, uid };
        lock(&self.listeners).push(served);
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
        // A client that is gone already is noticed by the next `receive`.
        let _ = connection.send(&answer, &fds);
        Ok(served)
    }

    /// A user may kill its own listeners, and root all.
    fn kill(
        &self,
        id: u64,
        peer: Option<&UnixCredentials>,
    ) -> std::result::Result<(), (Error, i32)> {
        let tried = format!("kill listener {id}");
        let uid = peer.map_or(u32::MAX, UnixCredentials::uid);
        let Some(victim) = lock(&self.listeners).iter().find(|l| l.id == id).copied() else {
            let error = Error::new(Kind::NotFound, tried, "there is no such listener");
            return Err((error, libc::ESRCH));
        };
        if uid != 0 && uid != victim.uid {
            let why = format!("it belongs to user {}", victim.uid);
            return Err((Error::new(Kind::Permission, tried, why), libc::EPERM));
        }
        self.send(Command::Kill(victim.slot));
        Ok(())
    }
}

/// The positive answer to `message`.
fn answered(message: &hpcap_attach) -> hpcap_attach {
    hpcap_attach {
        magic: abi::HPCAP_ATTACH_MAGIC,
        abi_version: abi::HPCAP_ABI_VERSION,
        error: 0,
        message: [0; 168],
        ..*message
    }
}

/// The negative answer, with the error's own words.
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
