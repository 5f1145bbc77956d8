//! A listener reads the records or blocks of a queue at its own pace, without copying them.
//!
//! A *lossless* listener holds the ring back: the producer does not overwrite what the listener has
//! not acknowledged. The producer can overtake a *lossy* listener, which then gets an error and the
//! number of frames that it missed. Reading and acknowledging need no system call; waiting sleeps.
//!
//! Most programs read a [`Stream`](crate::Stream), which acknowledges and goes on after an overrun by
//! itself. A program uses a listener when it needs more control:
//!
//! - A recorder takes whole [blocks](Listener::block) and writes them to a disk without looking at a
//!   single record. It acknowledges a block only when the block is on the disk.
//! - A program with work of its own asks what is [available](Listener::available) and never waits.
//!
//! Three rules follow from the ring:
//!
//! 1. What was read is valid until it is acknowledged, if the listener is lossless. What a lossy
//!    listener read is valid only if the acknowledgement after it succeeds.
//! 2. A lossless listener must acknowledge while it reads, not only when it has caught up: a producer
//!    that is faster would wait for ever for room, and lose frames for all listeners.
//! 3. The end of the queue comes after everything that was published before it. Then
//!    [`Listener::wait`] returns [`Waited::Ended`], and [`Listener::queue_end`] says why.
//!
//! ```
//! use std::time::Duration;
//!
//! use hpcap::{Contract, Request, Start, Waited};
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
//! let request = Request {
//!     contract: Contract::Lossless,
//!     start: Start::File,
//!     program: "example".into(),
//! };
//! let mut listener = queue.attach(&request)?;
//! let mut stored = 0;
//! while listener.wait(1 << 16, Duration::from_secs(1))? != Waited::Ended {
//!     while let Some(block) = listener.block() {
//!         let bytes = block.bytes.len() as u64;
//!         stored += bytes; // write(2) would be here
//!         listener.advance(bytes);
//!         listener.ack()?;
//!     }
//! }
//! // Each frame takes a header of 12 bytes and its 100 bytes.
//! assert!(stored > 10_000 * 112);
//! # Ok(())
//! # }
//! ```

mod end;
mod in_place;
mod poll;
mod read;
mod request;
mod ring;
mod wait;

use std::sync::atomic::{AtomicU32, AtomicU64};

use crate::abi::{self, hpcap_attach, hpcap_block, hpcap_slot};
use crate::error::{Error, Kind, Result};
use crate::ledger::{Count, Ledger};
use crate::queue::page::{QueuePage, validate_slot};
use crate::queue::{LedgerSnapshot, QueueEnd, QueueInfo, no_memory};
pub use end::{End, Moment, TOLD_LOSSES};
use hpcap_ipc::connection::{Connection, request};
use hpcap_ipc::memory::Mapping;
use hpcap_ipc::wakeup::Wakeup;
pub use in_place::RingBytes;
pub(crate) use read::Fetched;
pub use request::{Contract, Request, Start};
use ring::Ring;

/// Result of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The requested number of bytes is unread, or fewer bytes that are the last ones.
    Ready,
    /// The timeout has expired.
    TimedOut,
    /// Everything is read, and nothing more will be published.
    Ended,
}

/// Unread bytes of one block of the stream.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// Number of the block: stream offset / block size.
    pub number: u64,
    /// Stream offset of `bytes[0]`.
    pub off: u64,
    /// The bytes from the listener's position to the end of the block or of the published part.
    pub bytes: &'a [u8],
    /// Whether a file starts at `off`.
    pub file_start: bool,
    /// Whether `bytes` reaches the end of the block.
    pub complete: bool,
    /// Time of the first frame that starts in the block, in ns since 1970; 0 = no frame yet.
    pub first_ns: u64,
}

/// The ledger according to the stream before a stream offset.
#[derive(Debug, Clone, Copy)]
struct Mark {
    off: u64,
    told: Ledger,
}

impl Mark {
    /// The mark before the first record that begins in the block of `entry`.
    fn at(entry: &hpcap_block) -> Self {
        Self {
            off: entry.first_off,
            told: Ledger::from_counts(&entry.ledger),
        }
    }
}

/// An attached listener. Dropping it detaches it.
#[derive(Debug)]
pub struct Listener {
    ring: Ring,
    page: QueuePage,
    slot: Mapping,
    slot_index: usize,
    id: u64,
    connection: Connection,
    /// The descriptor for poll(2), if the program has asked for one.
    wakeup: Option<Wakeup>,
    /// Whether the producer has closed the wake-up socket.
    wakeup_closed: bool,
    position: u64,
    /// Stream offset up to which every byte was published when the listener last looked.
    readable: u64,
    acked: u64,
    start: Moment,
    mark: Mark,
    missed: Count,
    /// Copy of one record, for a listener that the producer can overtake during the read.
    scratch: Vec<u8>,
}

impl Listener {
    /// Attaches over `connection`, as `wanted` says.
    pub(crate) fn attach(connection: Connection, wanted: &Request) -> Result<Self> {
        const TRIED: &str = "attach to the queue";
        let (contract, max_stall_ns) = wanted.contract.to_abi();
        let message = hpcap_attach {
            contract,
            max_stall_ns,
            start: match wanted.start {
                Start::File => abi::HPCAP_START_FILE,
                Start::Newest => abi::HPCAP_START_NEWEST,
                Start::Oldest => abi::HPCAP_START_OLDEST,
            },
            name: abi::field(&wanted.program),
            ..request(abi::HPCAP_OP_ATTACH)
        };
        let (answer, shared) = connection.ask(TRIED, &message)?;
        let shared = shared.ok_or_else(|| no_memory(TRIED))?;
        let slot_index = answer.slot as usize;
        if slot_index >= abi::HPCAP_SLOTS {
            let why = format!("the producer gave slot {slot_index}, and there is none");
            return Err(Error::new(Kind::Format, TRIED, why));
        }
        let page = QueuePage::map(shared.queue_page())?;
        let info = page.info();
        let (ring, slot) = shared.map_listener(info.ring_bytes, info.page_bytes)?;
        let ring = Ring {
            map: ring,
            bytes: info.ring_bytes,
        };
        // SAFETY: the mapping is a page, which is larger than the structure, and any bytes are a
        // valid value.
        let seen = unsafe { slot.as_ptr().cast::<hpcap_slot>().read_volatile() };
        validate_slot(&seen)?;
        let moment = Moment::from(&seen.start);
        let start = moment.off;
        let listener = Self {
            ring,
            page,
            slot,
            slot_index,
            id: answer.id,
            connection,
            wakeup: None,
            wakeup_closed: false,
            position: start,
            readable: start,
            acked: start,
            mark: Mark {
                off: start,
                told: moment.ledger,
            },
            start: moment,
            missed: Count::default(),
            scratch: Vec::new(),
        };
        listener.check_killed(TRIED)?;
        Ok(listener)
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

    /// Id of this listener, unique on its queue.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The present contract; a lossless listener may have become lossy.
    #[must_use]
    pub fn contract(&self) -> Contract {
        let seen = self.page.listener(self.slot_index);
        Contract::from_abi(seen.contract, seen.max_stall_ns)
    }

    /// Stream offset of the next unread byte.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Stream offset up to which every byte is written and belongs to this listener: at most the
    /// listener's end, once that is fixed.
    #[must_use]
    pub fn published(&self) -> u64 {
        let published = self.page.published();
        self.end_off().map_or(published, |end| end.min(published))
    }

    /// Number of unread bytes.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.published().saturating_sub(self.position)
    }

    /// Whether nothing more will be published for this listener, because its end is fixed, the
    /// source ended, or the producer is gone.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.end_state().is_some() || self.page.ended() || self.is_abandoned()
    }

    /// How the queue ended; `None` while it runs, and when its producer died before declaring the
    /// end.
    #[must_use]
    pub fn queue_end(&self) -> Option<QueueEnd> {
        self.page.end()
    }

    /// Whether the producer died without declaring the end of its queue.
    #[must_use]
    pub fn producer_died(&self) -> bool {
        let ended = || self.end_state().is_some() || self.page.ended();
        !ended() && self.is_abandoned() && !ended()
    }

    /// Whether the producer has closed the connection or the wake-up socket, as the kernel does for a
    /// process that has ended. It closes one after the other.
    fn is_abandoned(&self) -> bool {
        self.wakeup_closed || self.connection.is_gone()
    }

    /// Reads the queue's ledger.
    #[must_use]
    pub fn ledger(&self) -> LedgerSnapshot {
        self.page.ledger()
    }

    /// Frames and bytes that this listener missed because it was overtaken, in total.
    #[must_use]
    pub fn missed(&self) -> Count {
        self.missed
    }

    /// The index entry of block number `number`; `None` when the producer no longer has it.
    #[must_use]
    pub fn block_entry(&self, number: u64) -> Option<hpcap_block> {
        self.page.block(number)
    }

    fn slot_u64(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: the field is inside the slot's page and aligned (an offset of the ABI's
        // structure). The memory stays mapped as long as `self`, and both processes access it only
        // atomically.
        unsafe { AtomicU64::from_ptr(self.slot.as_ptr().add(offset).cast()) }
    }

    fn slot_u32(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: as in `slot_u64`.
        unsafe { AtomicU32::from_ptr(self.slot.as_ptr().add(offset).cast()) }
    }

    /// Whether the ring does not wait for this listener, because of its contract or because it was
    /// killed.
    fn is_lossy(&self) -> bool {
        let (state, contract) = self.page.listener_state(self.slot_index);
        contract == abi::HPCAP_LOSSY || state == abi::HPCAP_SLOT_KILLED || self.is_killed()
    }

    fn is_killed(&self) -> bool {
        self.end_state() == Some(abi::HPCAP_SLOT_KILLED)
    }

    /// Returns the error of a killed listener, once it has read everything that was published
    /// before.
    fn check_killed(&self, tried: &str) -> Result<()> {
        if !self.is_killed() || self.position < self.published() {
            return Ok(());
        }
        self.killed(tried)
    }

    fn killed(&self, tried: &str) -> Result<()> {
        let why = format!("listener {} of {} was killed", self.id, self.info().name);
        Err(Error::new(Kind::Killed, tried, why))
    }

    fn overrun(&self, tried: &str) -> Error {
        let why = format!(
            "the producer has overtaken listener {} of {}",
            self.id,
            self.info().name
        );
        Error::new(Kind::Overrun, tried, why)
            .advise("go on with resync(), which tells how much is missing")
    }

    /// Whether bytes from `off` on may have been overwritten; must be called after reading them.
    fn is_overtaken(&self, off: u64) -> bool {
        self.page.oldest() > off
    }
}
