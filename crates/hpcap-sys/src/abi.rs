//! The structures and constants of the shared memory and of the RAW stream.
//!
//! They mirror `kmod/include/uapi/hpcap.h`, which defines and documents them. `tests/abi.rs`
//! compares every size, offset and constant with those that the C compiler uses.
//!
//! ```
//! use hpcap_sys::abi::{field, text};
//!
//! // Texts in the shared memory have a fixed length and end in zeros.
//! let name: [u8; 8] = field("eth0");
//! assert_eq!(&name, b"eth0\0\0\0\0");
//! assert_eq!(text(&name), "eth0");
//! ```

#![expect(
    missing_docs,
    reason = "documented where it is defined, in kmod/include/uapi/hpcap.h"
)]

pub use crate::count::Count as hpcap_count;

pub const HPCAP_ABI_VERSION: u32 = 3;
pub const HPCAP_QUEUE_MAGIC: u64 = u64::from_le_bytes(*b"HPCAPQUE");
pub const HPCAP_SLOT_MAGIC: u64 = u64::from_le_bytes(*b"HPCAPSLT");
pub const HPCAP_TAG_MAGIC: u64 = u64::from_le_bytes(*b"HPCAPTAG");
pub const HPCAP_ATTACH_MAGIC: u64 = u64::from_le_bytes(*b"HPCAPATT");
pub const HPCAP_SLOTS: usize = 32;
pub const HPCAP_SLOT_BYTES: usize = 4096;

pub const HPCAP_RECORD_BYTES: usize = 12;
pub const HPCAP_CAPLEN_MAX: usize = 65_535;
pub const HPCAP_RECORD_BYTES_MAX: usize = HPCAP_RECORD_BYTES + HPCAP_CAPLEN_MAX;
pub const HPCAP_FILE_BYTES_MAX: u64 = 1 << 31;
pub const HPCAP_BLOCK_BYTES: u64 = 4 << 20;
pub const HPCAP_RING_BYTES_MIN: u64 = 512 << 10;

pub const HPCAP_CAPTURED: u32 = 0;
pub const HPCAP_DUPLICATE: u32 = 1;
pub const HPCAP_FILTERED: u32 = 2;
pub const HPCAP_NO_LISTENER: u32 = 3;
pub const HPCAP_RING_FULL: u32 = 4;
pub const HPCAP_NIC_MISSED: u32 = 5;
pub const HPCAP_NIC_ERROR: u32 = 6;
pub const HPCAP_LEDGER_REASONS: usize = 7;
pub const HPCAP_OVERRUN: u32 = 7;
pub const HPCAP_STORAGE: u32 = 8;
pub const HPCAP_REASONS: usize = 9;

pub const HPCAP_TAG_VERSION: u16 = 1;
pub const HPCAP_TAG_FILE_HEADER: u16 = 1;
pub const HPCAP_TAG_GAP: u16 = 2;
pub const HPCAP_TAG_LEDGER: u16 = 3;
pub const HPCAP_TAG_DUPLICATE: u16 = 4;
pub const HPCAP_TAG_ALTERED: u16 = 5;
pub const HPCAP_TAG_SENT: u16 = 6;

pub const HPCAP_FILE_DIRECTIONS: u32 = 1 << 0;

pub const HPCAP_GAP_OPEN: u64 = 1 << 0;

pub const HPCAP_RECORDING_ID_BYTES: usize = 16;
pub const HPCAP_FILE_HEADER_BYTES_MIN: usize = 632;

pub const HPCAP_QUEUE_RUNNING: u32 = 1;
pub const HPCAP_QUEUE_ENDED: u32 = 2;
pub const HPCAP_QUEUE_FAILED: u32 = 3;
/// The producer was stopped before its source came to an end.
pub const HPCAP_QUEUE_STOPPED: u32 = 4;
pub const HPCAP_QUEUE_PLAIN: u32 = 1 << 0;
pub const HPCAP_QUEUE_LOOK_BACK: u32 = 1 << 1;
pub const HPCAP_QUEUE_DIRECTIONS: u32 = 1 << 2;

pub const HPCAP_LOSSLESS: u32 = 1;
pub const HPCAP_LOSSY: u32 = 2;

pub const HPCAP_START_FILE: u32 = 1;
pub const HPCAP_START_NEWEST: u32 = 2;
pub const HPCAP_START_OLDEST: u32 = 3;

pub const HPCAP_SLOT_FREE: u32 = 0;
pub const HPCAP_SLOT_STARTING: u32 = 1;
pub const HPCAP_SLOT_ACTIVE: u32 = 2;
pub const HPCAP_SLOT_KILLED: u32 = 3;
pub const HPCAP_SLOT_FINISHED: u32 = 4;

pub const HPCAP_NO_BLOCK: u64 = u64::MAX;

pub const HPCAP_OP_OBSERVE: u32 = 1;
pub const HPCAP_OP_ATTACH: u32 = 2;
pub const HPCAP_OP_KILL: u32 = 3;
pub const HPCAP_OP_DEDUP: u32 = 0x8000_0000;
pub const HPCAP_OP_WAKEUP: u32 = 0x8000_0001;

/// Defines a structure of the ABI with C layout. It consists of integers only, so zero is a valid
/// value.
macro_rules! abi_struct {
    ($(#[$meta:meta])* $name:ident { $($field:ident: $ty:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy)]
        #[repr(C)]
        pub struct $name { $(pub $field: $ty,)* }

        impl $name {
            /// `(field, offset, size)` of every field, for the comparison with the C header.
            pub const FIELDS: &'static [(&'static str, usize, usize)] = &[
                $((stringify!($field), std::mem::offset_of!($name, $field), std::mem::size_of::<$ty>()),)*
            ];

            /// The value in which all fields are zero.
            #[must_use]
            pub const fn zeroed() -> Self {
                // SAFETY: every field is an integer, or an array or structure of integers.
                unsafe { std::mem::zeroed() }
            }

            /// The bytes of the structure.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                // SAFETY: `abi_struct!` structures have no padding (tests/abi.rs checks that
                // the fields add up to the size), so every byte is initialised.
                unsafe {
                    std::slice::from_raw_parts(
                        std::ptr::from_ref(self).cast::<u8>(),
                        std::mem::size_of::<Self>(),
                    )
                }
            }

            /// Decodes the structure from the first bytes of `bytes`; `None` when there are too
            /// few.
            #[must_use]
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                if bytes.len() < std::mem::size_of::<Self>() {
                    return None;
                }
                // SAFETY: the length was checked above, any bytes are a valid value (integers
                // only), and the read may be unaligned.
                Some(unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() })
            }
        }
    };
}

abi_struct!(hpcap_record {
    sec: u32,
    nsec: u32,
    caplen: u16,
    len: u16,
});

impl hpcap_record {
    /// Whether the record is padding: its time is zero.
    #[inline]
    #[must_use]
    pub const fn is_padding(&self) -> bool {
        self.sec == 0 && self.nsec == 0
    }
}

abi_struct!(hpcap_tag {
    magic: u64,
    r#type: u16,
    version: u16,
    bytes: u32,
});

abi_struct!(hpcap_file_header {
    tag: hpcap_tag,
    stream_off: u64,
    start_ns: u64,
    link_type: u32,
    caplen: u32,
    adapter: u32,
    queue: u32,
    producer_pid: u32,
    flags: u32,
    file_bytes_max: u64,
    block_bytes: u64,
    ledger: [hpcap_count; HPCAP_LEDGER_REASONS],
    interface: [u8; 64],
    host: [u8; 64],
    clock_source: [u8; 32],
    software: [u8; 32],
    filter: [u8; 256],
    recording_id: [u8; HPCAP_RECORDING_ID_BYTES],
    file_number: u64,
});

abi_struct!(hpcap_gap {
    tag: hpcap_tag,
    from_ns: u64,
    until_ns: u64,
    lost: [hpcap_count; HPCAP_REASONS],
    flags: u64,
});

abi_struct!(hpcap_ledger_tag {
    tag: hpcap_tag,
    end_ns: u64,
    ledger: [hpcap_count; HPCAP_LEDGER_REASONS],
    frames_cut: u64,
    times_adjusted: u64,
});

abi_struct!(hpcap_altered {
    tag: hpcap_tag,
    sec: u64,
    nsec: u32,
    len: u32,
});

abi_struct!(hpcap_moment {
    off: u64,
    ledger: [hpcap_count; HPCAP_LEDGER_REASONS],
    frames_cut: u64,
    times_adjusted: u64,
});

abi_struct!(hpcap_block {
    block: u64,
    first_off: u64,
    first_ns: u64,
    earliest_ns: u64,
    latest_ns: u64,
    file_off: u64,
    ledger: [hpcap_count; HPCAP_LEDGER_REASONS],
    frames_cut: u64,
    times_adjusted: u64,
});

abi_struct!(hpcap_listener {
    id: u64,
    read_off: u64,
    start_off: u64,
    start_frames: u64,
    start_bytes: u64,
    attached_ns: u64,
    max_stall_ns: u64,
    demoted_ns: u64,
    state: u32,
    contract: u32,
    pid: u32,
    uid: u32,
    end_off: u64,
    reserved: u64,
    name: [u8; 32],
});

abi_struct!(hpcap_queue {
    magic: u64,
    abi_version: u32,
    flags: u32,
    queue_bytes: u64,
    ring_bytes: u64,
    page_bytes: u64,
    block_bytes: u64,
    file_bytes_max: u64,
    index_off: u64,
    index_entries: u32,
    slots: u32,
    start_off: u64,
    start_ns: u64,
    link_type: u32,
    producer_pid: u32,
    adapter: u32,
    queue: u32,
    interface: [u8; 64],
    host: [u8; 64],
    clock_source: [u8; 32],
    software: [u8; 32],
    source: [u8; 256],
    filter: [u8; 256],
    recording_id: [u8; HPCAP_RECORDING_ID_BYTES],
    reserved0: [u8; 200],
    published: u64,
    reserved1: [u8; 56],
    oldest: u64,
    reserved2: [u8; 56],
    state: u32,
    caplen: u32,
    file_off: u64,
    heartbeat_ns: u64,
    file_number: u64,
    longest_pause_ns: u64,
    reserved3: [u8; 24],
    ledger_seq: u64,
    ledger: [hpcap_count; HPCAP_LEDGER_REASONS],
    frames_cut: u64,
    times_adjusted: u64,
    published_frames: u64,
    ledger_off: u64,
    gaps: u64,
    duplicates_marked: u64,
    reserved4: [u8; 24],
    listeners: [hpcap_listener; HPCAP_SLOTS],
});

abi_struct!(hpcap_slot {
    magic: u64,
    abi_version: u32,
    reserved0: u32,
    reserved1: [u8; 48],
    read_off: u64,
    wait_off: u64,
    waiting: u32,
    file_seq: u32,
    finish: u32,
    reserved2: [u8; 36],
    start: hpcap_moment,
    end: hpcap_moment,
    untold: [hpcap_count; HPCAP_LEDGER_REASONS],
    ended: u32,
    reserved3: u32,
});

abi_struct!(hpcap_attach {
    magic: u64,
    abi_version: u32,
    op: u32,
    error: i32,
    slot: u32,
    contract: u32,
    start: u32,
    max_stall_ns: u64,
    id: u64,
    name: [u8; 32],
    message: [u8; 168],
});

abi_struct!(hpcap_set_ring {
    ring_bytes: u64,
    fd: i32,
    reserved: u32,
});

pub const HPCAP_MMAP_QUEUE: u64 = 0;
pub const HPCAP_MMAP_SLOT: u64 = 1 << 40;
pub const HPCAP_MMAP_RING: u64 = 1 << 41;

pub const HPCAP_IOC_MAGIC: u8 = 0xe7;
pub(crate) const HPCAP_IOC_RING_FD_NR: u8 = 3;
pub const HPCAP_IOC_REQUEST: u64 =
    ioctl_sys::iorw!(HPCAP_IOC_MAGIC, 1, size_of::<hpcap_attach>()) as u64;
pub const HPCAP_IOC_WAIT: u64 = ioctl_sys::iow!(HPCAP_IOC_MAGIC, 2, size_of::<u64>()) as u64;
pub const HPCAP_IOC_RING_FD: u64 = ioctl_sys::io!(HPCAP_IOC_MAGIC, HPCAP_IOC_RING_FD_NR) as u64;
pub const HPCAP_IOC_SET_RING: u64 =
    ioctl_sys::iow!(HPCAP_IOC_MAGIC, 4, size_of::<hpcap_set_ring>()) as u64;

/// Returns the text in a fixed field: up to the first zero byte, invalid UTF-8 replaced.
#[must_use]
pub fn text(field: &[u8]) -> String {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// Encodes `text` as a fixed field, cut between two characters so that a zero byte ends it.
#[must_use]
pub fn field<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    let mut end = text.len().min(N - 1);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    bytes[..end].copy_from_slice(&text.as_bytes()[..end]);
    bytes
}

/// Encodes `text` as [`field`] does, but ends a cut text in `...`, so that readers do not take it
/// for the whole text.
#[must_use]
pub fn marked_field<const N: usize>(text: &str) -> [u8; N] {
    const MARK: &str = "...";
    if text.len() < N {
        return field(text);
    }
    let mut end = N - 1 - MARK.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    field(&format!("{}{MARK}", &text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_filter_text_ends_in_dots() {
        let whole = "port 53 or ".repeat(23) + "ip";
        assert_eq!(whole.len(), 255);
        assert_eq!(text(&marked_field::<256>(&whole)), whole);
        let cut = text(&marked_field::<256>(&"é".repeat(200)));
        assert!(cut.ends_with("é...") && cut.len() <= 255, "{cut}");
    }
}
