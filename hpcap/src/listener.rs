//! A listener: reads a queue's records or whole blocks, without copying, at its own pace.
//!
//! A *lossless* listener holds the ring back: what it has not acknowledged stays. A *lossy*
//! one can be overtaken; it is told so, and how much it missed. Looking and acknowledging
//! cost no system call; waiting sleeps.

use std::mem::offset_of;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::time::{Duration, Instant};

use crate::abi::{self, hpcap_attach, hpcap_block, hpcap_slot};
use crate::error::{Error, Kind, Result};
use crate::ledger::Count;
use crate::memory::{Access, Mapping};
use crate::queue::connection::Connection;
use crate::queue::page::{QueuePage, validate_slot};
use crate::queue::{LedgerSnapshot, QueueInfo, request};
use crate::raw::record::{self, Item, Parsed};

/// How often a sleeping listener looks whether its producer still lives.
const LIFE_CHECK: Duration = Duration::from_millis(100);

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

/// Frames and bytes captured before a stream offset.
#[derive(Debug, Clone, Copy)]
struct Mark {
    off: u64,
    captured: Count,
}

/// The ring, mapped twice.
#[derive(Debug)]
struct Ring {
    map: Mapping,
    bytes: u64,
}

impl Ring {
    /// `bytes` bytes of the stream from offset `off`; at most a ring.
    fn bytes(&self, off: u64, bytes: usize) -> &[u8] {
        assert!(
            bytes as u64 <= self.bytes,
            "{bytes} bytes of {}",
            self.bytes
        );
        #[allow(
            clippy::cast_possible_truncation,
            reason = "below the size of a mapping"
        )]
        let at = (off % self.bytes) as usize;
        // SAFETY: `at` is in the first copy of the ring and `bytes` at most a ring, so the range
        // is inside the double mapping. It is published (callers stay below `published`), and
        // the producer does not write there as long as this listener holds it. A listener that
        // does not hold it (lossy, demoted, killed) gets its bytes only to copy and to check
        // afterwards (`next_record`), or to write elsewhere and to check afterwards (`ack`).
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(at), bytes) }
    }
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
        let (answer, fds) = connection.ask(TRIED, &message)?;
        let slot_index = answer.slot as usize;
        let ([ring, page, slot], true) = (fds.as_slice(), slot_index < abi::HPCAP_SLOTS) else {
            let why = format!(
                "the producer sent {} file descriptors (not 3) and slot {slot_index}",
                fds.len()
            );
            return Err(Error::new(Kind::Format, TRIED, why));
        };
        let page = QueuePage::map(page.as_fd())?;
        let info = page.info();
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let ring = Ring {
            map: Mapping::twice(
                ring.as_fd(),
                size(info.ring_bytes),
                size(info.page_bytes),
                Access::Read,
                "the ring",
            )?,
            bytes: info.ring_bytes,
        };
        let slot = Mapping::of(
            slot.as_fd(),
            abi::HPCAP_SLOT_BYTES,
            Access::Write,
            "the slot",
        )?;
        // SAFETY: the mapping is a page, larger than the structure, and any bytes are valid.
        validate_slot(&unsafe { slot.as_ptr().cast::<hpcap_slot>().read_volatile() })?;
        let seen = page.listener(slot_index);
        let start = seen.start_off;
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
                captured: Count::new(seen.start_frames, seen.start_bytes),
            },
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

    /// Stream offset before which everything is written.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.page.published()
    }

    /// Unread bytes.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.published().saturating_sub(self.position)
    }

    /// Whether nothing more will be published: the source ended, or the producer is gone.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.page.ended() || self.connection.is_gone()
    }

    /// Whether the producer is gone without having ended its queue: it was killed.
    #[must_use]
    pub fn producer_died(&self) -> bool {
        !self.page.ended() && self.connection.is_gone() && !self.page.ended()
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

    fn state(&self) -> (u32, u32) {
        self.page.listener_state(self.slot_index)
    }

    fn is_lossy(&self) -> bool {
        self.state().1 == abi::HPCAP_LOSSY
    }

    fn check_killed(&self, tried: &str) -> Result<()> {
        if self.state().0 != abi::HPCAP_SLOT_KILLED {
            return Ok(());
        }
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

    /// Sleeps until `bytes` unread bytes are there (at least 1; at most half a ring counts),
    /// for `timeout` at most.
    ///
    /// # Errors
    /// [`Kind::Killed`].
    pub fn wait(&mut self, bytes: u64, timeout: Duration) -> Result<Waited> {
        let bytes = bytes.clamp(1, self.info().ring_bytes / 2);
        let goal = self.position.saturating_add(bytes);
        let deadline = Instant::now().checked_add(timeout);
        loop {
            self.check_killed("wait for frames")?;
            // In this order: what was published before the end is seen after it.
            let ended = self.ended();
            let published = self.published();
            if published >= goal || (ended && published > self.position) {
                return Ok(Waited::Ready);
            }
            if ended {
                return Ok(Waited::Ended);
            }
            let left = deadline.map_or(LIFE_CHECK, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return Ok(Waited::TimedOut);
            }
            self.sleep(goal, left.min(LIFE_CHECK));
        }
    }

    /// Sleeps until the producer wakes this slot, or `timeout` is over, or something else
    /// interrupts: the caller looks again in any case.
    fn sleep(&self, goal: u64, timeout: Duration) {
        let waiting = self.slot_u32(offset_of!(hpcap_slot, waiting));
        self.slot_u64(offset_of!(hpcap_slot, wait_off))
            .store(goal, Ordering::Relaxed);
        waiting.store(1, Ordering::Release);
        // `waiting` is set before `published` is read: either the producer sees it after
        // publishing, or this sees what was published.
        fence(Ordering::SeqCst);
        if self.published() < goal && !self.page.ended() {
            futex_wait(waiting, 1, timeout);
        }
        waiting.store(0, Ordering::Relaxed);
    }

    /// The next record, or `None` when there is none now. Whoever has no more use for the
    /// records so far acknowledges them with [`Listener::ack`].
    ///
    /// A lossless listener sees the ring itself; a lossy one a copy that was whole when it was
    /// taken.
    ///
    /// # Errors
    /// [`Kind::Killed`]; [`Kind::Overrun`]: go on with [`Listener::resync`].
    pub fn next_record(&mut self) -> Result<Option<Item<'_>>> {
        const TRIED: &str = "read the next record";
        let (state, contract) = self.state();
        if state == abi::HPCAP_SLOT_KILLED {
            self.check_killed(TRIED)?;
        }
        let published = self.published();
        let lossy = contract == abi::HPCAP_LOSSY;
        // Not a hint only: an unread distance of more than a ring cannot be read at all.
        if lossy && self.is_overtaken(self.position) {
            return Err(self.overrun(TRIED));
        }
        let available = published.saturating_sub(self.position);
        if available < abi::HPCAP_RECORD_BYTES as u64 {
            return Ok(None);
        }
        #[allow(
            clippy::cast_possible_truncation,
            reason = "below HPCAP_RECORD_BYTES_MAX"
        )]
        let look = available.min(abi::HPCAP_RECORD_BYTES_MAX as u64) as usize;
        let from = self.position;
        let needed = match record::header(self.ring.bytes(from, look)) {
            Some(header) => abi::HPCAP_RECORD_BYTES + usize::from(header.caplen),
            None => look + 1,
        };
        if lossy {
            let mut copy = std::mem::take(&mut self.scratch);
            copy.clear();
            copy.extend_from_slice(self.ring.bytes(from, needed.min(look)));
            self.scratch = copy;
            if self.is_overtaken(from) {
                return Err(self.overrun(TRIED));
            }
        }
        if needed > look {
            let why = format!(
                "the record at stream offset {from} needs {needed} bytes, and {look} are published"
            );
            return Err(Error::new(Kind::Format, TRIED, why));
        }
        self.position += needed as u64;
        let bytes = if lossy {
            &self.scratch[..needed]
        } else {
            self.ring.bytes(from, needed)
        };
        let Parsed::Whole { item, .. } = record::parse(bytes) else {
            return Ok(None);
        };
        self.mark.off = self.position;
        if let Item::Frame(frame) = &item {
            self.mark.captured += Count::new(1, u64::from(frame.len));
        }
        Ok(Some(item))
    }

    /// The unread bytes of the current block; `None` when there are none. They are consumed
    /// with [`Listener::advance`], and stay valid until [`Listener::ack`] said so.
    #[must_use]
    pub fn block(&self) -> Option<Block<'_>> {
        let block_bytes = self.info().block_bytes;
        let published = self.published();
        let number = self.position / block_bytes;
        let end = (number + 1) * block_bytes;
        let to = published.min(end);
        if to <= self.position {
            return None;
        }
        let entry = self.page.block(number);
        #[allow(clippy::cast_possible_truncation, reason = "at most a block")]
        let bytes = (to - self.position) as usize;
        Some(Block {
            number,
            off: self.position,
            bytes: self.ring.bytes(self.position, bytes),
            file_start: entry.is_some_and(|e| e.file_off == self.position),
            complete: to == end,
            first_ns: entry.map_or(0, |e| e.first_ns),
        })
    }

    /// `bytes` bytes of [`Listener::block`] are consumed.
    pub fn advance(&mut self, bytes: u64) {
        self.position += bytes;
        let block_bytes = self.info().block_bytes;
        if self.position.is_multiple_of(block_bytes)
            && let Some(entry) = self.page.block(self.position / block_bytes)
        {
            self.mark = Mark {
                off: entry.first_off,
                captured: Count::new(entry.frames, entry.bytes),
            };
        }
    }

    /// Gives everything consumed back to the ring.
    ///
    /// # Errors
    /// [`Kind::Killed`]; [`Kind::Overrun`] when some of it may have been overwritten before
    /// this call: what was taken from it since the last acknowledgement is not to be trusted.
    pub fn ack(&mut self) -> Result<()> {
        const TRIED: &str = "acknowledge";
        // What was read is read before the state is: a killed listener holds nothing.
        fence(Ordering::Acquire);
        self.check_killed(TRIED)?;
        if self.is_lossy() && self.is_overtaken(self.acked) && self.acked != self.position {
            return Err(self.overrun(TRIED));
        }
        self.acked = self.position;
        self.slot_u64(offset_of!(hpcap_slot, read_off))
            .store(self.position, Ordering::Release);
        Ok(())
    }

    /// Asks the producer for a new file: it starts one at the next block.
    pub fn request_file(&mut self) {
        self.slot_u32(offset_of!(hpcap_slot, file_seq))
            .fetch_add(1, Ordering::Release);
    }

    /// After an overrun: goes on at the newest block, the oldest whole block, or the newest
    /// start of a file that can still be read. Returns what was missed since the last whole
    /// record; nothing changes where such a place does not exist yet (with [`Start::File`]:
    /// ask for one with [`Listener::request_file`] and try again).
    ///
    /// # Errors
    /// [`Kind::Killed`]; [`Kind::NotFound`] when there is no such place yet.
    pub fn resync(&mut self, start: Start) -> Result<Count> {
        const TRIED: &str = "resynchronise";
        self.check_killed(TRIED)?;
        // The newest block can be overtaken between two looks, when the producer is a ring ahead
        // in no time; a start of a file may be long in coming, and the caller waits for it.
        let looks = if start == Start::File { 1 } else { 1000 };
        let found = (0..looks).find_map(|look| {
            if look > 0 {
                std::thread::yield_now();
            }
            self.find_start(start)
        });
        let Some(entry) = found else {
            let why = "no block to go on with is in the ring yet";
            return Err(Error::new(Kind::NotFound, TRIED, why));
        };
        let captured = Count::new(entry.frames, entry.bytes);
        let missed = captured - self.mark.captured;
        self.missed += missed;
        self.mark = Mark {
            off: entry.first_off,
            captured,
        };
        self.position = entry.first_off;
        self.acked = entry.first_off;
        self.slot_u64(offset_of!(hpcap_slot, read_off))
            .store(self.position, Ordering::Release);
        Ok(missed)
    }

    /// A block that is whole in the ring, not before the listener's position.
    fn find_start(&self, start: Start) -> Option<hpcap_block> {
        let block_bytes = self.info().block_bytes;
        let published = self.published();
        let newest = published / block_bytes;
        let oldest = self.page.oldest().max(self.position).div_ceil(block_bytes);
        let fits = |number: u64| {
            let entry = self.page.block(number)?;
            let good = entry.first_off <= published
                && entry.first_off >= self.position
                && (start != Start::File || entry.file_off == number * block_bytes);
            (good && !self.is_overtaken(entry.first_off)).then_some(entry)
        };
        match start {
            Start::Oldest => (oldest..=newest).find_map(fits),
            Start::Newest | Start::File => (oldest..=newest).rev().find_map(fits),
        }
    }
}

/// Sleeps while `*word == value`, for `timeout` at most. May return early for any reason.
fn futex_wait(word: &AtomicU32, value: u32, timeout: Duration) {
    let timeout = libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    };
    // SAFETY: `word` is aligned and mapped for the duration of the call, `timeout` is a valid
    // relative time (futex(2), FUTEX_WAIT), and the other arguments are not used. Not PRIVATE:
    // the word is shared with the producer's process.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            value,
            std::ptr::from_ref(&timeout),
            std::ptr::null::<u32>(),
            0u32,
        );
    }
}
