//! Reads the queue page and a slot of a producer that writes wrong values. The library must either
//! refuse them, or answer every question about them without a panic and without access outside the
//! mapping.
//!
//! The input is a list of changes to a valid page, each with two bytes of offset and eight bytes of
//! value. A random page would always be refused for its magic number.
#![no_main]

use std::os::fd::AsFd;

use hpcap::abi::{self, hpcap_block, hpcap_queue, hpcap_slot};
use hpcap::queue::page::{QueuePage, validate_slot};
use libfuzzer_sys::fuzz_target;
use nix::sys::memfd::{MFdFlags, memfd_create};

const ENTRIES: u32 = 6;

/// Returns a valid queue page, followed by its block index.
fn page() -> Vec<u8> {
    let ring_bytes = abi::HPCAP_RING_BYTES_MIN;
    let index = ENTRIES as usize * size_of::<hpcap_block>();
    let queue = hpcap_queue {
        magic: abi::HPCAP_QUEUE_MAGIC,
        abi_version: abi::HPCAP_ABI_VERSION,
        queue_bytes: 8192,
        ring_bytes,
        page_bytes: 4096,
        block_bytes: ring_bytes / 4,
        file_bytes_max: ring_bytes,
        index_off: size_of::<hpcap_queue>() as u64,
        index_entries: ENTRIES,
        slots: abi::HPCAP_SLOTS as u32,
        state: abi::HPCAP_QUEUE_RUNNING,
        published: 70_000,
        ..hpcap_queue::zeroed()
    };
    let mut bytes = queue.as_bytes().to_vec();
    assert!(bytes.len() + index <= 8192);
    bytes.resize(8192, 0);
    bytes
}

fuzz_target!(|changes: &[u8]| {
    let mut bytes = page();
    for change in changes.chunks_exact(10) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % (bytes.len() - 8);
        bytes[at..at + 8].copy_from_slice(&change[2..]);
    }
    if let Some(slot) = hpcap_slot::from_bytes(&bytes) {
        let _ = validate_slot(&slot);
    }
    // An odd sequence number means that the ledger is being changed, and the reader would try again
    // a million times. This target does not test these retries.
    let seq = std::mem::offset_of!(hpcap_queue, ledger_seq);
    bytes[seq..seq + 8].fill(0);

    let Ok(fd) = memfd_create("page", MFdFlags::MFD_CLOEXEC) else {
        return;
    };
    let mut at = 0;
    while at < bytes.len() {
        match nix::unistd::write(&fd, &bytes[at..]) {
            Ok(n) => at += n,
            Err(_) => return,
        }
    }
    let Ok(page) = QueuePage::map(fd.as_fd()) else {
        return;
    };
    let info = page.info();
    let block_bytes = info.block_bytes;
    for block in [
        0,
        1,
        5,
        page.published() / block_bytes,
        u64::MAX / block_bytes,
        u64::MAX,
    ] {
        if let Some(entry) = page.block(block) {
            assert_eq!(entry.first_off / block_bytes, block);
        }
    }
    for slot in 0..abi::HPCAP_SLOTS {
        let _ = page.listener(slot);
    }
    let _ = (page.ledger(), page.oldest(), page.ended(), page.caplen());
});
