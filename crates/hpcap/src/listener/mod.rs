//! A listener: reads a queue's records or whole blocks, without copying, at its own pace.
//!
//! A *lossless* listener holds the ring back: what it has not acknowledged stays. A *lossy*
//! one can be overtaken; it is told so, and how much it missed. Looking and acknowledging
//! cost no system call; waiting sleeps.

mod end;
mod read;
mod ring;
mod wait;

use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

use crate::abi::{self, hpcap_attach, hpcap_block, hpcap_slot};
use crate::error::{Error, Kind, Result};
use crate::ledger::{Count, Ledger};
use crate::memory::Mapping;
use crate::queue::connection::Connection;
use crate::queue::page::{QueuePage, validate_slot};
use crate::queue::{LedgerSnapshot, QueueEnd, QueueInfo, no_memory, request};
pub use end::{End, Moment, TOLD_LOSSES};
use ring::Ring;

/// What a listener and the ring owe each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    /// The ring waits for this listener, however long.
    Lossless,
    /// The ring waits for this listener for so long at most; then it becomes lossy.
    LosslessFor(Duration),
    /// The ring overruns this listener when it is slow.
    Lossy,
}

impl Contract {
    pub(crate) fn from_abi(contract: u32, max_stall_ns: u64) -> Self {
        match contract {
            abi::HPCAP_LOSSLESS if max_stall_ns == 0 => Self::Lossless,
            abi::HPCAP_LOSSLESS => Self::LosslessFor(Duration::from_nanos(max_stall_ns)),
            _ => Self::Lossy,
        }
    }

    /// `(contract, max_stall_ns)` of the ABI.
    fn to_abi(self) -> (u32, u64) {
        match self {
            Self::Lossless => (abi::HPCAP_LOSSLESS, 0),
            Self::LosslessFor(limit) => (
                abi::HPCAP_LOSSLESS,
                u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).max(1),
            ),
            Self::Lossy => (abi::HPCAP_LOSSY, 0),
        }
    }
}

/// Where a new listener starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the start of a file; the producer starts one where that is needed.
    File,
    /// At the next record.
    Newest,
    /// At the oldest record that can be found: the first of the oldest whole block.
    Oldest,
}

/// What a program asks for when it attaches.
#[derive(Debug, Clone)]
pub struct Request {
    /// The contract.
    pub contract: Contract,
    /// Where to start.
    pub start: Start,
    /// Name of the program, for the list of listeners (31 bytes are kept).
    pub program: String,
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// As many bytes as asked for are there; or fewer, and there will be no more.
    Ready,
    /// The time is over.
    TimedOut,
    /// Everything is read, and there will be nothing more.
    Ended,
}

/// Unread bytes of one block of the stream.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// The block's number: stream offset / block size.
    pub number: u64,
    /// Stream offset of `bytes[0]`.
    pub off: u64,
    /// From the listener's position to the end of the block, or of what is published.
    pub bytes: &'a [u8],
    /// Whether a file starts at `off`.
    pub file_start: bool,
    /// Whether `bytes` reaches the end of the block.
    pub complete: bool,
    /// Time of the first frame that starts in the block, in ns; 0 = none yet.
    pub first_ns: u64,
}

/// The ledger as the stream before a stream offset tells it.
#[derive(Debug, Clone, Copy)]
struct Mark {
    off: u64,
    told: Ledger,
}

/// An attached listener. Detaches when dropped.
#[derive(Debug)]
pub struct Listener {
    ring: Ring,
    page: QueuePage,
    slot: Mapping,
    slot_index: usize,
    id: u64,
    connection: Connection,
    position: u64,
    acked: u64,
    start: Moment,
    mark: Mark,
    missed: Count,
    /// Copy of one record, for a listener that can be overtaken while it looks.
    scratch: Vec<u8>,
}

impl Listener {
    /// Attaches over `connection`.
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
        let page = shared.map_queue()?;
        let info = page.info();
        let (ring, slot) = shared.map_listener(info)?;
        let ring = Ring {
            map: ring,
            bytes: info.ring_bytes,
        };
        // SAFETY: the mapping is a page, larger than the structure, and any bytes are valid.
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
            position: start,
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

    /// The constants of the queue.
    #[must_use]
    pub fn info(&self) -> &QueueInfo {
        self.page.info()
    }

    /// The queue page.
    #[must_use]
    pub fn page(&self) -> &QueuePage {
        &self.page
    }

    /// This listener's id on its queue.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The contract in force: a lossless one may have become lossy.
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

    /// Stream offset before which everything is written, and is this listener's: no more than
    /// its end, where that is fixed.
    #[must_use]
    pub fn published(&self) -> u64 {
        let published = self.page.published();
        self.end_off().map_or(published, |end| end.min(published))
    }

    /// Unread bytes.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.published().saturating_sub(self.position)
    }

    /// Whether nothing more will be published for this listener: its end is fixed, the source
    /// ended, or the producer is gone.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.end_state().is_some() || self.page.ended() || self.connection.is_gone()
    }

    /// How the queue ended; `None` while it runs, and where its producer died before it could
    /// say so.
    #[must_use]
    pub fn queue_end(&self) -> Option<QueueEnd> {
        self.page.end()
    }

    /// Whether the producer is gone without having ended its queue: it was killed.
    #[must_use]
    pub fn producer_died(&self) -> bool {
        let ended = || self.end_state().is_some() || self.page.ended();
        !ended() && self.connection.is_gone() && !ended()
    }

    /// The queue's ledger now.
    #[must_use]
    pub fn ledger(&self) -> LedgerSnapshot {
        self.page.ledger()
    }

    /// What this listener missed because it was overtaken, in total.
    #[must_use]
    pub fn missed(&self) -> Count {
        self.missed
    }

    /// The index entry of block number `number`, while the producer keeps it.
    #[must_use]
    pub fn block_entry(&self, number: u64) -> Option<hpcap_block> {
        self.page.block(number)
    }

    fn slot_u64(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: inside the slot's page and aligned (an offset of the ABI's structure); the
        // memory stays mapped as long as `self`, and everybody uses atomic accesses on it.
        unsafe { AtomicU64::from_ptr(self.slot.as_ptr().add(offset).cast()) }
    }

    fn slot_u32(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: as in `slot_u64`.
        unsafe { AtomicU32::from_ptr(self.slot.as_ptr().add(offset).cast()) }
    }

    /// Whether the ring does not wait for this listener: by its contract, or because it was
    /// killed.
    fn is_lossy(&self) -> bool {
        let (state, contract) = self.page.listener_state(self.slot_index);
        contract == abi::HPCAP_LOSSY || state == abi::HPCAP_SLOT_KILLED || self.is_killed()
    }

    fn is_killed(&self) -> bool {
        self.end_state() == Some(abi::HPCAP_SLOT_KILLED)
    }

    /// A killed listener still gets what was published before, as far as it is in the ring.
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

    /// Whether bytes from `off` on may have been overwritten. To be asked after looking.
    fn is_overtaken(&self, off: u64) -> bool {
        self.page.oldest() > off
    }
}
