//! `ring.c`, as Rust sees it.

use hpcap::abi::{hpcap_listener, hpcap_queue, hpcap_slot};
use hpcap_engine::source::Frame;

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

unsafe extern "C" {
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
