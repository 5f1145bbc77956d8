//! Checks what another process has written, before anything of it is used.

use std::mem::size_of;

use hpcap_ipc::connection::version_error;

use crate::abi::{self, hpcap_block, hpcap_queue};
use crate::error::{Error, Kind, Result};
use crate::name::QueueName;
use crate::queue::QueueInfo;
use crate::raw::RecordingId;
use crate::time::Timestamp;

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
        knows_directions: page.flags & abi::HPCAP_QUEUE_DIRECTIONS != 0,
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
