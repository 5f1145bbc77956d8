//! Queues: their properties, their ledgers and their listeners.
//!
//! A queue is a ring of RAW records that one producer writes: the kernel module (through the device
//! `/dev/hpcap_N_Q`) or `hpcapd` (over a socket in `/run/hpcap`, or in the user's own folder). Both look
//! the same from here. [`Queue::open`] takes the name of a queue, or the path of a socket or device, and
//! [`Queue::list`] finds all queues of the machine. Owner and mode of sockets and folders, the
//! credentials of the peer and the seals of the memory are checked before anything of it is used.
//!
//! An open queue can be watched without costing its producer anything: the [ledger](Queue::ledger), the
//! properties and the [listeners](Queue::listeners) are read from shared memory. A frame is seen only by
//! a listener: a [`Stream`](crate::Stream) for most programs, or a [`Listener`] for those that need
//! whole blocks.
//!
//! Offsets count bytes of the stream since the queue started, in 64 bits that never wrap. Sizes are in
//! bytes, times in nanoseconds since 1970.
//!
//! ```
//! use hpcap::{Event, Reason};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use hpcap_engine::{Engine, EngineConfig};
//! # let config = EngineConfig {
//! #     ring_bytes: 4 << 20,
//! #     start_on_attach: true,
//! #     ..EngineConfig::new("hpcap0".parse()?, "gen:size=100,count=10000".parse()?)
//! # };
//! # let (engine, _) = Engine::start(&config)?;
//! # let queue = engine.queue();
//! // A program that is not the producer itself says Queue::open("hpcap0")? here.
//! let mut stream = queue.record("example")?;
//! let mut frames = 0;
//! while let Some(event) = stream.next()? {
//!     if let Event::Frame(_) = event {
//!         frames += 1;
//!     }
//! }
//! let ledger = queue.ledger().ledger;
//! assert_eq!(ledger[Reason::Captured].frames, frames);
//! assert_eq!(ledger.on_the_wire().frames, 10_000);
//! # Ok(())
//! # }
//! ```

mod address;
mod find;
mod info;
pub mod page;
mod validate;

use std::sync::Arc;

use hpcap_ipc::connection::{Connection, request};

use crate::abi::{self, hpcap_attach};
use crate::error::{Error, Kind, Result};
use crate::listener::{Contract, Listener, Request};
use crate::time::Timestamp;

pub use address::QueueAddress;
pub use info::{LedgerSnapshot, QueueEnd, QueueInfo};
pub use page::QueuePage;

/// Connects to one producer: over the path of a socket or device, or to an engine in this process.
pub trait Connect: Send + Sync + std::fmt::Debug {
    /// Opens a new connection.
    ///
    /// # Errors
    /// Fails when the producer cannot be reached.
    fn connect(&self) -> Result<Connection>;
}

/// A queue that a producer serves. Observing the queue costs the producer nothing.
#[derive(Debug)]
pub struct Queue {
    producer: Arc<dyn Connect>,
    page: QueuePage,
    /// Stays open: its end tells that the producer is gone, and it carries requests.
    connection: Connection,
}

/// The state of a listener, as every program can read it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerInfo {
    /// Id of the listener, which its queue never uses again.
    pub id: u64,
    /// Index of the listener's slot.
    pub slot: usize,
    /// Name of the listener's program.
    pub program: String,
    /// Process id of the listener.
    pub pid: u32,
    /// User id of the listener.
    pub uid: u32,
    /// The present contract of the listener.
    pub contract: Contract,
    /// Whether the listener waits for the start of a new file.
    pub starting: bool,
    /// Whether the listener was killed.
    pub killed: bool,
    /// Whether the listener's end is fixed, so that it reads only what was published before.
    pub finished: bool,
    /// Time at which the listener became lossy because it had stalled the ring for too long.
    pub demoted: Option<Timestamp>,
    /// Time at which the listener attached.
    pub attached: Timestamp,
    /// Published bytes that the listener has not acknowledged.
    pub lag_bytes: u64,
}

impl Queue {
    /// Opens the queue of `producer`.
    ///
    /// # Errors
    /// Returns the errors of [`Queue::open`].
    pub fn of(producer: Arc<dyn Connect>) -> Result<Self> {
        let connection = producer.connect()?;
        Self::with(producer, connection, "observe the queue")
    }

    /// Errors say `tried`, which names the queue where its name is known.
    fn with(producer: Arc<dyn Connect>, connection: Connection, tried: &str) -> Result<Self> {
        let (_, shared) = connection.ask(tried, &request(abi::HPCAP_OP_OBSERVE))?;
        let shared = shared.ok_or_else(|| no_memory(tried))?;
        Ok(Self {
            page: QueuePage::map(shared.queue_page())?,
            producer,
            connection,
        })
    }

    /// Attaches a new listener.
    ///
    /// # Errors
    /// Returns [`Kind::Full`] when all 32 slots are taken; [`Kind::Timeout`] when no file can be
    /// started because another listener holds the ring back.
    pub fn attach(&self, request: &Request) -> Result<Listener> {
        Listener::attach(self.producer.connect()?, request)
    }

    /// Properties of the queue that do not change while it runs.
    #[must_use]
    pub fn info(&self) -> &QueueInfo {
        self.page.info()
    }

    /// The queue page.
    #[must_use]
    pub fn page(&self) -> &QueuePage {
        &self.page
    }

    /// Reads the ledger.
    #[must_use]
    pub fn ledger(&self) -> LedgerSnapshot {
        self.page.ledger()
    }

    /// Whether the producer still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.page.ended() && self.is_served()
    }

    /// Whether the producer still serves the queue: also one that has ended, while its listeners read
    /// the rest.
    #[must_use]
    pub fn is_served(&self) -> bool {
        !self.connection.is_gone()
    }

    /// Reads the states of the attached listeners.
    #[must_use]
    pub fn listeners(&self) -> Vec<ListenerInfo> {
        self.page.listeners()
    }

    /// Asks the producer for the settings of its duplicate filter. The text is in the syntax of
    /// `hpcapd --dedup`, or `off`. Returns `None` for the kernel module, which has its settings in
    /// sysfs.
    #[must_use]
    pub fn dedup(&self) -> Option<String> {
        let connection = self.producer.connect().ok()?;
        let (answer, _) = connection
            .ask("ask for duplicates", &request(abi::HPCAP_OP_DEDUP))
            .ok()?;
        Some(abi::text(&answer.message))
    }

    /// Kills listener `id`: it receives nothing more, no longer holds the ring back, and gets an
    /// error.
    ///
    /// # Errors
    /// Returns [`Kind::NotFound`] when the queue has no such listener, [`Kind::Permission`] when
    /// the listener belongs to another user and this user is not root.
    pub fn kill(&self, id: u64) -> Result<()> {
        let message = hpcap_attach {
            id,
            ..request(abi::HPCAP_OP_KILL)
        };
        let tried = format!("kill listener {id} of {}", self.info().name);
        self.producer.connect()?.ask(&tried, &message).map(drop)
    }
}

/// Returns the error for an answer without the memory that belongs to it.
pub(crate) fn no_memory(tried: &str) -> Error {
    Error::new(Kind::Format, tried, "the producer gave no access to memory")
}
