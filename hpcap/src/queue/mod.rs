//! A queue, opened by name: its facts, its ledger, its listeners.

pub mod connection;
pub mod page;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::unistd::{Gid, Group};

use crate::abi::{self, hpcap_attach};
use crate::error::{Error, Kind, Result};
use crate::listener::{Contract, Listener, Request};
use crate::name::QueueName;
use crate::time::Timestamp;

use connection::Connection;
pub use page::{LedgerSnapshot, QueueInfo, QueuePage};

/// Makes connections to one producer: a socket's path, or an engine in this process.
pub trait Connect: Send + Sync + std::fmt::Debug {
    /// A new connection.
    ///
    /// # Errors
    /// When the producer cannot be reached.
    fn connect(&self) -> Result<Connection>;
}

/// A producer behind a UNIX socket.
#[derive(Debug)]
struct Socket(PathBuf);

impl Connect for Socket {
    fn connect(&self) -> Result<Connection> {
        Connection::to(&self.0)
    }
}

/// A queue that a producer serves. Looking at it costs the producer nothing.
#[derive(Debug)]
pub struct Queue {
    producer: Arc<dyn Connect>,
    page: QueuePage,
    /// Kept open: it tells when the producer is gone, and carries requests.
    connection: Connection,
}

/// A listener as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerInfo {
    /// Its id, never used again on this queue.
    pub id: u64,
    /// Its slot.
    pub slot: usize,
    /// Name of the program.
    pub program: String,
    /// Its process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// Its contract, as it is now.
    pub contract: Contract,
    /// Whether it waits for its start, a new file.
    pub starting: bool,
    /// Whether it was killed.
    pub killed: bool,
    /// When it became lossy because it had stalled the ring for too long.
    pub demoted: Option<Timestamp>,
    /// When it attached.
    pub attached: Timestamp,
    /// Bytes that it has not acknowledged.
    pub lag_bytes: u64,
}

impl Queue {
    /// Opens the queue `name` of a running producer.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when nobody serves it, [`Kind::Permission`] when this user may not,
    /// [`Kind::Version`] when the producer is of another version.
    pub fn open(name: QueueName) -> Result<Self> {
        let mut refused = None;
        for dir in connection::run_dirs() {
            let path = connection::socket_path(&dir, name);
            match Connection::to(&path) {
                Ok(connection) => return Self::with(Arc::new(Socket(path)), connection),
                Err(e) if e.kind() == Kind::NotFound => {}
                Err(e) if e.os_error() == Some(libc::ECONNREFUSED) => {
                    let why = format!("its producer is gone and left {} behind", path.display());
                    refused = Some(
                        Error::new(Kind::Gone, format!("open queue {name}"), why)
                            .advise("start hpcapd again: it takes the socket over"),
                    );
                }
                Err(e) if e.kind() == Kind::Permission => {
                    let why = format!("permission denied on {}", path.display());
                    return Err(
                        Error::new(Kind::Permission, format!("open queue {name}"), why)
                            .advise(format!("become a member of {}, or root", group_of(&path))),
                    );
                }
                Err(e) => return Err(e),
            }
        }
        Err(refused.unwrap_or_else(|| {
            let dirs: Vec<_> = connection::run_dirs()
                .iter()
                .map(|dir| dir.display().to_string())
                .collect();
            let why = format!("no producer serves it (looked in {})", dirs.join(", "));
            Error::new(Kind::NotFound, format!("open queue {name}"), why).advise(format!(
                "start one: hpcapd {name}=af_packet:INTERFACE; `hpcapd --status` lists what runs"
            ))
        }))
    }

    /// The queues that producers serve on this machine.
    #[must_use]
    pub fn list() -> Vec<QueueName> {
        let mut names: Vec<QueueName> = connection::run_dirs()
            .iter()
            .filter_map(|dir| std::fs::read_dir(dir).ok())
            .flatten()
            .filter_map(|entry| {
                let name = entry.ok()?.file_name();
                name.to_str()?.strip_suffix(".sock")?.parse().ok()
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The queue of `producer`.
    ///
    /// # Errors
    /// As [`Queue::open`].
    pub fn of(producer: Arc<dyn Connect>) -> Result<Self> {
        let connection = producer.connect()?;
        Self::with(producer, connection)
    }

    fn with(producer: Arc<dyn Connect>, connection: Connection) -> Result<Self> {
        const TRIED: &str = "observe the queue";
        let (_, fds) = connection.ask(TRIED, &request(abi::HPCAP_OP_OBSERVE))?;
        let [page] = fds.as_slice() else {
            let why = format!("the producer sent {} file descriptors, not 1", fds.len());
            return Err(Error::new(Kind::Format, TRIED, why));
        };
        Ok(Self {
            page: QueuePage::map(std::os::fd::AsFd::as_fd(page))?,
            producer,
            connection,
        })
    }

    /// Becomes a listener.
    ///
    /// # Errors
    /// [`Kind::Full`] when all 32 slots are taken; [`Kind::Timeout`] when no file can be
    /// started because another listener holds the ring back.
    pub fn attach(&self, request: &Request) -> Result<Listener> {
        Listener::attach(self.producer.connect()?, request)
    }

    /// The constants.
    #[must_use]
    pub fn info(&self) -> &QueueInfo {
        self.page.info()
    }

    /// The queue page itself.
    #[must_use]
    pub fn page(&self) -> &QueuePage {
        &self.page
    }

    /// The ledger now.
    #[must_use]
    pub fn ledger(&self) -> LedgerSnapshot {
        self.page.ledger()
    }

    /// Whether the producer still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.page.ended() && !self.connection.is_gone()
    }

    /// The listeners now.
    #[must_use]
    pub fn listeners(&self) -> Vec<ListenerInfo> {
        let published = self.page.published();
        (0..abi::HPCAP_SLOTS)
            .map(|slot| (slot, self.page.listener(slot)))
            .filter(|(_, l)| l.state != abi::HPCAP_SLOT_FREE)
            .map(|(slot, l)| {
                let starting = l.state == abi::HPCAP_SLOT_STARTING;
                ListenerInfo {
                    id: l.id,
                    slot,
                    program: abi::text(&l.name),
                    pid: l.pid,
                    uid: l.uid,
                    contract: Contract::from_abi(l.contract, l.max_stall_ns),
                    starting,
                    killed: l.state == abi::HPCAP_SLOT_KILLED,
                    demoted: (l.demoted_ns != 0).then_some(Timestamp::from_ns(l.demoted_ns)),
                    attached: Timestamp::from_ns(l.attached_ns),
                    lag_bytes: if starting {
                        0
                    } else {
                        published.saturating_sub(l.read_off)
                    },
                }
            })
            .collect()
    }

    /// Kills listener `id`: it gets nothing more, holds nothing more, and is told so.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when there is no such listener, [`Kind::Permission`] when it
    /// belongs to another user and this one is not root.
    pub fn kill(&self, id: u64) -> Result<()> {
        let message = hpcap_attach {
            id,
            ..request(abi::HPCAP_OP_KILL)
        };
        let tried = format!("kill listener {id} of {}", self.info().name);
        self.producer.connect()?.ask(&tried, &message).map(drop)
    }
}

/// The group that owns the socket at `path`, by name where it has one.
fn group_of(path: &Path) -> String {
    let Ok(socket) = std::fs::metadata(path) else {
        return "the group that owns the socket (hpcapd --group)".into();
    };
    match Group::from_gid(Gid::from_raw(socket.gid())) {
        Ok(Some(group)) => format!("group {}", group.name),
        _ => format!("group {}", socket.gid()),
    }
}

/// A request for `op`, everything else zero.
pub(crate) fn request(op: u32) -> hpcap_attach {
    hpcap_attach {
        magic: abi::HPCAP_ATTACH_MAGIC,
        abi_version: abi::HPCAP_ABI_VERSION,
        op,
        ..hpcap_attach::zeroed()
    }
}
