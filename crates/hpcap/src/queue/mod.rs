//! A queue, opened by name: its facts, its ledger, its listeners.

pub mod connection;
mod descriptors;
pub mod device;
mod find;
pub mod folder;
pub mod page;
mod shared;
pub mod socket;

use std::sync::Arc;

use crate::abi::{self, hpcap_attach};
use crate::error::{Error, Kind, Result};
use crate::listener::{Contract, Listener, Request};
use crate::time::Timestamp;

use connection::Connection;
pub use page::{LedgerSnapshot, QueueEnd, QueueInfo, QueuePage};
pub use shared::Shared;

/// Makes connections to one producer: the path of a socket or device, or an engine in this process.
pub trait Connect: Send + Sync + std::fmt::Debug {
    /// A new connection.
    ///
    /// # Errors
    /// When the producer cannot be reached.
    fn connect(&self) -> Result<Connection>;
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
    /// Whether its end is fixed: it reads what is left before that.
    pub finished: bool,
    /// When it became lossy because it had stalled the ring for too long.
    pub demoted: Option<Timestamp>,
    /// When it attached.
    pub attached: Timestamp,
    /// Bytes that it has not acknowledged.
    pub lag_bytes: u64,
}

impl Queue {
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
        let (_, shared) = connection.ask(TRIED, &request(abi::HPCAP_OP_OBSERVE))?;
        let shared = shared.ok_or_else(|| no_memory(TRIED))?;
        Ok(Self {
            page: shared.map_queue()?,
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
        self.page.listeners()
    }

    /// How the producer removes duplicates, as `hpcapd --dedup` takes it, or `off`; `None` where
    /// it does not say so: the kernel module has its settings in sysfs.
    #[must_use]
    pub fn dedup(&self) -> Option<String> {
        let connection = self.producer.connect().ok()?;
        let (answer, _) = connection
            .ask("ask for duplicates", &request(abi::HPCAP_OP_DEDUP))
            .ok()?;
        Some(abi::text(&answer.message))
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

/// An answer without the memory that belongs to it.
pub(crate) fn no_memory(tried: &str) -> Error {
    Error::new(Kind::Format, tried, "the producer gave no access to memory")
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
