//! `ring.c`, as Rust sees it.

use hpcap::abi::{hpcap_listener, hpcap_queue, hpcap_slot};
use hpcap_source::Frame;

/// `struct bench_descriptor`.
#[repr(C)]
pub(super) struct Descriptor {
    pub(super) data: *const u8,
    pub(super) length: u16,
    pub(super) status: u16,
    pub(super) reserved: u32,
}

/// `struct bench_nic`.
#[repr(C)]
pub(super) struct Nic {
    pub(super) descriptors: *const Descriptor,
    pub(super) count: u32,
    pub(super) next: u32,
}

/// `struct bench_clock`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clock {
    pub(super) scale: u64,
    pub(super) counter: u64,
    pub(super) sec: u64,
    pub(super) nsec: u64,
}

/// `struct hpcap_ring`, of which Rust knows only the size.
#[repr(C)]
pub(super) struct Ring {
    _opaque: [u8; 0],
}

/// `struct bench_traffic`.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Traffic {
    pub(super) next: u64,
    pub(super) first: u64,
    pub(super) random: u64,
    pub(super) copies: u64,
    pub(super) half: u32,
    pub(super) reserved: u32,
    pub(super) is_copy: *mut u8,
}

/// `struct hpcap_dedup`, of which Rust knows only the size.
#[repr(C)]
pub(super) struct Dedup {
    _opaque: [u8; 0],
}

/// `struct hpcap_dedup_settings`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct DedupSettings {
    pub(super) window: u32,
    pub(super) compare_bytes: u32,
    pub(super) age_ns: u64,
    pub(super) ignore: u32,
    pub(super) action: u32,
    pub(super) seed: u64,
    pub(super) renew: u32,
    pub(super) link_type: u32,
}

unsafe extern "C" {
    pub(super) fn hpcap_bench_dedup(
        ring: *mut Ring,
        dedup: *mut Dedup,
        nic: *mut Nic,
        clock: *mut Clock,
        traffic: *mut Traffic,
        frames: u64,
        batch: u32,
        removed: *mut u64,
    ) -> u64;
    pub(super) fn hpcap_bench_dedup_size() -> usize;
    pub(super) fn hpcap_bench_dedup_memory(settings: *const DedupSettings) -> u64;
    pub(super) fn hpcap_bench_dedup_init(
        dedup: *mut Dedup,
        settings: *const DedupSettings,
        memory: *mut u8,
    ) -> i32;
    pub(super) fn hpcap_bench_clock_scale() -> u64;
    pub(super) fn hpcap_bench_harvest(
        nic: *mut Nic,
        clock: *mut Clock,
        frames: *mut Frame<'_>,
        n: u32,
    );
    pub(super) fn hpcap_bench_bare(
        nic: *mut Nic,
        clock: *mut Clock,
        to: *mut u8,
        bytes: u64,
        frames: u64,
        batch: u32,
    ) -> u64;
    pub(super) fn hpcap_bench_ring(
        ring: *mut Ring,
        nic: *mut Nic,
        clock: *mut Clock,
        frames: u64,
        batch: u32,
        ack_bytes: u64,
    ) -> u64;
    pub(super) fn hpcap_bench_ring_size() -> usize;
    pub(super) fn hpcap_bench_ring_init(
        ring: *mut Ring,
        base: *mut u8,
        queue: *mut hpcap_queue,
    ) -> i32;
    pub(super) fn hpcap_bench_ring_attach(
        ring: *mut Ring,
        shared: *mut hpcap_slot,
        listener: *const hpcap_listener,
    ) -> i32;
}
