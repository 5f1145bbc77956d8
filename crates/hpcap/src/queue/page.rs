//! The queue page: a producer's description of its queue, which other processes can only read.

use std::mem::{offset_of, size_of};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use hpcap_ipc::connection::version_error;
use hpcap_ipc::memory::{Access, Mapping, Place};

use crate::abi::{self, hpcap_block, hpcap_listener, hpcap_queue};
use crate::error::{Context, Error, Kind, Result};
use crate::ledger::{Count, Ledger};
use crate::listener::Contract;
use crate::name::QueueName;
use crate::queue::ListenerInfo;
use crate::raw::{Origin, RecordingId};
use crate::time::Timestamp;

/// Properties of a queue that do not change while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueInfo {
    /// Name of the queue.
    pub name: QueueName,
    /// Size of the ring in bytes.
    pub ring_bytes: u64,
    /// Size of the memory pages under the ring in bytes: 4 KiB, 2 MiB or 1 GiB.
    pub page_bytes: u64,
    /// Size of a block in bytes.
    pub block_bytes: u64,
    /// Largest size of a file in bytes; a multiple of `block_bytes`.
    pub file_bytes_max: u64,
    /// Whether the stream has no tags (plain mode), for readers made for the original.
    pub plain: bool,
    /// Whether the queue also captures while no listener is attached.
    pub look_back: bool,
    /// LINKTYPE_ value; 1 = Ethernet.
    pub link_type: u32,
    /// Process id of the producer; 0 = the kernel module.
    pub producer_pid: u32,
    /// Stream offset of the first byte of the stream.
    pub start_off: u64,
    /// Time at which the queue started.
    pub start: Timestamp,
    /// The network interface or file that the frames come from.
    pub interface: String,
    /// Name of the machine.
    pub host: String,
    /// The clock that stamps the frames: `kernel`, `engine`, `file`, `nic`.
    pub clock_source: String,
    /// Name and version of the producer.
    pub software: String,
    /// Specification of the source, as the user gave it.
    pub source: String,
    /// The filter; empty = none.
    pub filter: String,
    /// Id of the stream; each start of the queue draws a new one.
    pub recording: Option<RecordingId>,
}

impl QueueInfo {
    /// The origin of the frames: host, interface and queue.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin {
            host: self.host.clone(),
            interface: self.interface.clone(),
            queue: Some(self.name),
        }
    }
}

/// The ledger at one moment; all numbers belong to that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LedgerSnapshot {
    /// The counts.
    pub ledger: Ledger,
    /// Stream offset up to which frames are captured.
    pub published: u64,
    /// Frames longer than 65,535 bytes, whose stored data is cut.
    pub frames_cut: u64,
    /// Frames whose time was zero or outside 32-bit seconds, stored with an adjusted time.
    pub times_adjusted: u64,
    /// Gap records in the stream.
    pub gaps: u64,
    /// Captured frames that are marked as copies of earlier frames.
    pub duplicates_marked: u64,
}

/// Why a queue publishes nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueEnd {
    /// A finite source came to its end.
    Ended,
    /// The source or the producer failed.
    Failed,
    /// The producer was stopped before the source came to its end.
    Stopped,
}

impl QueueEnd {
    fn from_abi(state: u32) -> Option<Self> {
        match state {
            abi::HPCAP_QUEUE_ENDED => Some(Self::Ended),
            abi::HPCAP_QUEUE_FAILED => Some(Self::Failed),
            abi::HPCAP_QUEUE_STOPPED => Some(Self::Stopped),
            _ => None,
        }
    }

    /// The value of `enum hpcap_queue_state`.
    #[must_use]
    pub fn to_abi(self) -> u32 {
        match self {
            Self::Ended => abi::HPCAP_QUEUE_ENDED,
            Self::Failed => abi::HPCAP_QUEUE_FAILED,
            Self::Stopped => abi::HPCAP_QUEUE_STOPPED,
        }
    }
}

/// A mapping of a queue page that was validated.
#[derive(Debug)]
pub struct QueuePage {
    map: Mapping,
    index_off: usize,
    index_entries: u64,
    info: QueueInfo,
}

/// Validates the constant part of a queue page of `bytes` bytes. No field of a page is used before
/// this validation.
///
/// # Errors
/// Returns [`Kind::Version`], naming both versions, or [`Kind::Format`], naming the field.
pub fn validate(page: &hpcap_queue, bytes: u64) -> Result<QueueInfo> {
    const TRIED: &str = "use the queue page";
    let wrong = |why: String| Err(Error::new(Kind::Format, TRIED, why));
    if page.magic != abi::HPCAP_QUEUE_MAGIC {
        return wrong(format!("no queue page: magic {:#018x}", page.magic));
    }
    if page.abi_version != abi::HPCAP_ABI_VERSION {
        return Err(version_error(TRIED, page.abi_version));
    }
    if page.queue_bytes > bytes {
        return wrong(format!(
            "it says {} bytes, and {bytes} are there",
            page.queue_bytes
        ));
    }
    let index_end = u64::from(page.index_entries)
        .checked_mul(size_of::<hpcap_block>() as u64)
        .and_then(|index| index.checked_add(page.index_off));
    if page.index_off < size_of::<hpcap_queue>() as u64
        || !page.index_off.is_multiple_of(8)
        || page.index_entries == 0
        || index_end.is_none_or(|end| end > page.queue_bytes)
    {
        return wrong(format!(
            "the block index ({} entries at {}) is not inside it",
            page.index_entries, page.index_off
        ));
    }
    let sizes_fit = page.ring_bytes >= abi::HPCAP_RING_BYTES_MIN
        && page.ring_bytes <= 1 << 46
        && page.page_bytes.is_power_of_two()
        && page.page_bytes <= page.ring_bytes
        && page.ring_bytes.is_multiple_of(page.page_bytes)
        && page.block_bytes >= abi::HPCAP_RECORD_BYTES_MAX as u64
        && page.block_bytes <= page.ring_bytes
        && page.file_bytes_max >= page.block_bytes
        && page.file_bytes_max.is_multiple_of(page.block_bytes);
    if !sizes_fit {
        return wrong(format!(
            "sizes do not fit each other: ring {}, pages {}, blocks {}, files {}",
            page.ring_bytes, page.page_bytes, page.block_bytes, page.file_bytes_max
        ));
    }
    if page.slots as usize != abi::HPCAP_SLOTS {
        return wrong(format!("{} slots", page.slots));
    }
    Ok(QueueInfo {
        name: QueueName::new(page.adapter, page.queue),
        ring_bytes: page.ring_bytes,
        page_bytes: page.page_bytes,
        block_bytes: page.block_bytes,
        file_bytes_max: page.file_bytes_max,
        plain: page.flags & abi::HPCAP_QUEUE_PLAIN != 0,
        look_back: page.flags & abi::HPCAP_QUEUE_LOOK_BACK != 0,
        link_type: page.link_type,
        producer_pid: page.producer_pid,
        start_off: page.start_off,
        start: Timestamp::from_ns(page.start_ns),
        interface: abi::text(&page.interface),
        host: abi::text(&page.host),
        clock_source: abi::text(&page.clock_source),
        software: abi::text(&page.software),
        source: abi::text(&page.source),
        filter: abi::text(&page.filter),
        recording: RecordingId::from_bytes(page.recording_id),
    })
}

/// Validates a slot.
///
/// # Errors
/// Returns the errors of [`validate`].
pub fn validate_slot(slot: &abi::hpcap_slot) -> Result<()> {
    const TRIED: &str = "use the slot";
    if slot.magic != abi::HPCAP_SLOT_MAGIC {
        let why = format!("no slot: magic {:#018x}", slot.magic);
        return Err(Error::new(Kind::Format, TRIED, why));
    }
    if slot.abi_version != abi::HPCAP_ABI_VERSION {
        return Err(version_error(TRIED, slot.abi_version));
    }
    Ok(())
}

/// Bytes of the page's first part, which does not change after the start and holds the page's
/// length.
const CONSTANT_BYTES: usize = offset_of!(hpcap_queue, published);

/// Returns the length of the queue page whose first part is mapped at `start`. Only magic and
/// version are checked, so that the length can be trusted; [`validate`] checks the rest.
fn promised_bytes(start: &Mapping) -> Result<u64> {
    const TRIED: &str = "use the queue page";
    let at = |offset: usize| {
        assert!(offset + 8 <= start.bytes());
        // SAFETY: the assertion keeps the read inside the mapping, any bytes are a valid `u64`, and
        // the constant part does not change after the start.
        unsafe { start.as_ptr().add(offset).cast::<u64>().read_unaligned() }
    };
    let magic = at(offset_of!(hpcap_queue, magic));
    if magic != abi::HPCAP_QUEUE_MAGIC {
        let why = format!("no queue page: magic {magic:#018x}");
        return Err(Error::new(Kind::Format, TRIED, why));
    }
    #[expect(clippy::cast_possible_truncation, reason = "the field has 32 bits")]
    let version = at(offset_of!(hpcap_queue, abi_version)) as u32;
    if version != abi::HPCAP_ABI_VERSION {
        return Err(version_error(TRIED, version));
    }
    Ok(at(offset_of!(hpcap_queue, queue_bytes)))
}

impl QueuePage {
    /// Maps and validates the queue page at `at`.
    ///
    /// # Errors
    /// Returns the errors of [`validate`], and errors of the system.
    pub fn map<'a>(at: impl Into<Place<'a>>) -> Result<Self> {
        const WHAT: &str = "the queue page";
        let at = at.into();
        let bytes = match at.bytes().context(|| "look at the queue page")? {
            Some(bytes) => bytes,
            None => promised_bytes(&Mapping::of(at, CONSTANT_BYTES, Access::Read, WHAT)?)?,
        };
        let bytes = usize::try_from(bytes).unwrap_or(0);
        if bytes < size_of::<hpcap_queue>() {
            let why = format!("it has only {bytes} bytes");
            return Err(Error::new(Kind::Format, "use the queue page", why));
        }
        Self::new(Mapping::of(at, bytes, Access::Read, WHAT)?)
    }

    /// Validates a mapping as a queue page.
    fn new(map: Mapping) -> Result<Self> {
        // SAFETY: the mapping holds at least the structure (checked by `map`) and is aligned to a
        // page, and any bytes are a valid value. The producer may change the counters during the
        // copy, but `validate` uses only the constant part and checks all of it.
        let page = unsafe { map.as_ptr().cast::<hpcap_queue>().read_volatile() };
        let info = validate(&page, map.bytes() as u64)?;
        Ok(Self {
            map,
            index_off: usize::try_from(page.index_off).unwrap_or(usize::MAX),
            index_entries: u64::from(page.index_entries),
            info,
        })
    }

    /// Properties of the queue that do not change while it runs.
    #[must_use]
    pub fn info(&self) -> &QueueInfo {
        &self.info
    }

    #[inline]
    fn u64_at(&self, offset: usize, order: Ordering) -> u64 {
        debug_assert!(offset.is_multiple_of(8) && offset + 8 <= self.map.bytes());
        // SAFETY: the address is inside the mapping and aligned: offsets come from `offset_of!` on
        // the ABI, and from an index that `validate` found inside and aligned. Loads of 8 bytes are
        // atomic on the supported machines, also from read-only memory.
        unsafe { AtomicU64::from_ptr(self.map.as_ptr().add(offset).cast()) }.load(order)
    }

    #[inline]
    fn u32_at(&self, offset: usize, order: Ordering) -> u32 {
        debug_assert!(offset.is_multiple_of(4) && offset + 4 <= self.map.bytes());
        // SAFETY: as in `u64_at`, with the alignment of 4 bytes.
        unsafe { AtomicU32::from_ptr(self.map.as_ptr().add(offset).cast()) }.load(order)
    }

    /// Stream offset up to which every byte is written. Bytes before it may be read after this
    /// call.
    #[must_use]
    #[inline]
    pub fn published(&self) -> u64 {
        self.u64_at(offset_of!(hpcap_queue, published), Ordering::Acquire)
    }

    /// Stream offset before which bytes may have been overwritten. Bytes that were read before this
    /// call and lie at or after the offset were intact.
    #[must_use]
    #[inline]
    pub fn oldest(&self) -> u64 {
        // Reads of the ring that precede this call in the program complete before the load.
        fence(Ordering::Acquire);
        self.u64_at(offset_of!(hpcap_queue, oldest), Ordering::Relaxed)
    }

    /// Whether the producer has declared the end of the queue.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.end().is_some()
    }

    /// How the queue ended; `None` while it runs.
    #[must_use]
    pub fn end(&self) -> Option<QueueEnd> {
        QueueEnd::from_abi(self.u32_at(offset_of!(hpcap_queue, state), Ordering::Acquire))
    }

    /// Stream offset of the start of the current file. Up to date with respect to all bytes
    /// published before this call.
    #[must_use]
    pub fn file_off(&self) -> u64 {
        self.u64_at(offset_of!(hpcap_queue, file_off), Ordering::Relaxed)
    }

    /// Number of the current file in the recording of the queue, from 0.
    #[must_use]
    pub fn file_number(&self) -> u64 {
        self.u64_at(offset_of!(hpcap_queue, file_number), Ordering::Relaxed)
    }

    /// Bytes captured of each frame at most; 0 = whole frames.
    #[must_use]
    pub fn caplen(&self) -> u32 {
        self.u32_at(offset_of!(hpcap_queue, caplen), Ordering::Relaxed)
    }

    /// Time of the producer's last heartbeat (CLOCK_MONOTONIC, ns). The producer updates it at
    /// least once per second.
    #[must_use]
    pub fn heartbeat_ns(&self) -> u64 {
        self.u64_at(offset_of!(hpcap_queue, heartbeat_ns), Ordering::Relaxed)
    }

    /// Reads the ledger; all its numbers belong to one moment.
    #[must_use]
    pub fn ledger(&self) -> LedgerSnapshot {
        let count = |i: usize| {
            let at = offset_of!(hpcap_queue, ledger) + i * size_of::<Count>();
            Count::new(
                self.u64_at(at, Ordering::Relaxed),
                self.u64_at(at + 8, Ordering::Relaxed),
            )
        };
        let number = |at: usize| self.u64_at(at, Ordering::Relaxed);
        // A producer that died during an update leaves an odd sequence number, so the loop is
        // bounded.
        for attempt in 0.. {
            let before = self.u64_at(offset_of!(hpcap_queue, ledger_seq), Ordering::Acquire);
            let counts: [Count; abi::HPCAP_LEDGER_REASONS] = std::array::from_fn(count);
            let snapshot = LedgerSnapshot {
                ledger: Ledger::from_counts(&counts),
                published: number(offset_of!(hpcap_queue, ledger_off)),
                frames_cut: number(offset_of!(hpcap_queue, frames_cut)),
                times_adjusted: number(offset_of!(hpcap_queue, times_adjusted)),
                gaps: number(offset_of!(hpcap_queue, gaps)),
                duplicates_marked: number(offset_of!(hpcap_queue, duplicates_marked)),
            };
            fence(Ordering::Acquire);
            let after = self.u64_at(offset_of!(hpcap_queue, ledger_seq), Ordering::Relaxed);
            if (before == after && before.is_multiple_of(2)) || attempt > 1_000_000 {
                return snapshot;
            }
            std::hint::spin_loop();
        }
        LedgerSnapshot::default()
    }

    /// Returns the index entry of block number `block` (stream offset / block size); `None` when
    /// the block has not begun, or is so old that a later block uses its entry.
    #[must_use]
    pub fn block(&self, block: u64) -> Option<hpcap_block> {
        let entry = block % self.index_entries;
        let at = self.index_off + usize::try_from(entry).ok()? * size_of::<hpcap_block>();
        let field = |offset: usize| self.u64_at(at + offset, Ordering::Relaxed);
        let number = self.u64_at(at + offset_of!(hpcap_block, block), Ordering::Acquire);
        let found = hpcap_block {
            block: number,
            first_off: field(offset_of!(hpcap_block, first_off)),
            first_ns: field(offset_of!(hpcap_block, first_ns)),
            earliest_ns: field(offset_of!(hpcap_block, earliest_ns)),
            latest_ns: field(offset_of!(hpcap_block, latest_ns)),
            file_off: field(offset_of!(hpcap_block, file_off)),
            ledger: std::array::from_fn(|i| {
                let at = offset_of!(hpcap_block, ledger) + i * size_of::<Count>();
                Count::new(field(at), field(at + 8))
            }),
            frames_cut: field(offset_of!(hpcap_block, frames_cut)),
            times_adjusted: field(offset_of!(hpcap_block, times_adjusted)),
        };
        fence(Ordering::Acquire);
        let again = field(offset_of!(hpcap_block, block));
        (number == block && again == block && found.first_off / self.info.block_bytes == block)
            .then_some(found)
    }

    /// Reads the states of the attached listeners.
    #[must_use]
    pub fn listeners(&self) -> Vec<ListenerInfo> {
        let published = self.published();
        (0..abi::HPCAP_SLOTS)
            .map(|slot| (slot, self.listener(slot)))
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
                    finished: l.state == abi::HPCAP_SLOT_FINISHED,
                    demoted: (l.demoted_ns != 0).then_some(Timestamp::from_ns(l.demoted_ns)),
                    attached: Timestamp::from_ns(l.attached_ns),
                    lag_bytes: if starting {
                        0
                    } else {
                        let end = match l.end_off {
                            0 => published,
                            end => end.min(published),
                        };
                        end.saturating_sub(l.read_off)
                    },
                }
            })
            .collect()
    }

    /// Copies the producer's record of the listener in `slot`.
    #[must_use]
    pub fn listener(&self, slot: usize) -> hpcap_listener {
        assert!(slot < abi::HPCAP_SLOTS, "slot {slot}");
        let at = offset_of!(hpcap_queue, listeners) + slot * size_of::<hpcap_listener>();
        // Acquire: the producer writes the other fields before the state.
        let state = self.u32_at(at + offset_of!(hpcap_listener, state), Ordering::Acquire);
        // SAFETY: the record is inside the mapping and aligned, and any bytes are a valid value. A
        // change during the copy can only make a number of this report inconsistent, and such a
        // report is out of date at once in any case.
        let mut seen = unsafe {
            self.map
                .as_ptr()
                .add(at)
                .cast::<hpcap_listener>()
                .read_volatile()
        };
        seen.state = state;
        seen
    }

    /// State and contract of the listener in `slot`, which the listener checks repeatedly.
    #[must_use]
    #[inline]
    pub(crate) fn listener_state(&self, slot: usize) -> (u32, u32) {
        let at = offset_of!(hpcap_queue, listeners) + slot * size_of::<hpcap_listener>();
        (
            self.u32_at(at + offset_of!(hpcap_listener, state), Ordering::Acquire),
            self.u32_at(at + offset_of!(hpcap_listener, contract), Ordering::Acquire),
        )
    }
}
