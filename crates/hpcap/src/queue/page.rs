//! The queue page: a producer's description of its queue, which other processes can only read.
//!
//! Most programs read the page through [`Queue`](crate::Queue). A page that is mapped is checked once; after that, its
//! counters are read without a system call. Offsets are bytes of the stream since the queue started.
//!
//! ```
//! use hpcap::Kind;
//! use hpcap::queue::page::QueuePage;
//! use std::os::fd::AsFd;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A file of zeros is no queue page: its magic number is missing.
//! let file = tempfile::tempfile()?;
//! file.set_len(64 << 10)?;
//! let error = QueuePage::map(file.as_fd()).unwrap_err();
//! assert_eq!(error.kind(), Kind::Format);
//! # Ok(())
//! # }
//! ```

use std::mem::{offset_of, size_of};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use hpcap_ipc::connection::version_error;
use hpcap_ipc::memory::{Access, Mapping, Place};

use crate::abi::{self, hpcap_block, hpcap_listener, hpcap_queue};
use crate::error::{Context, Error, Kind, Result};
use crate::ledger::{Count, Ledger};
use crate::listener::Contract;
use crate::queue::{LedgerSnapshot, ListenerInfo, QueueEnd, QueueInfo};
use crate::time::Timestamp;

pub use super::validate::{validate, validate_slot};

/// A mapping of a queue page that was validated.
#[derive(Debug)]
pub struct QueuePage {
    map: Mapping,
    index_off: usize,
    index_entries: u64,
    info: QueueInfo,
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
                longest_pause_ns: number(offset_of!(hpcap_queue, longest_pause_ns)),
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
