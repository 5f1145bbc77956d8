//! The loops of `ring.c` and `dedup.c`, which measure the C of `kmod/core/`.

use hpcap_sys::Frame;
use hpcap_sys::dedup::RawWindow;
use hpcap_sys::ring::RawRing;

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

unsafe extern "C" {
    pub(super) fn hpcap_bench_dedup(
        ring: *mut RawRing,
        dedup: *mut RawWindow,
        nic: *mut Nic,
        clock: *mut Clock,
        traffic: *mut Traffic,
        frames: u64,
        batch: u32,
        removed: *mut u64,
    ) -> u64;
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
        ring: *mut RawRing,
        nic: *mut Nic,
        clock: *mut Clock,
        frames: u64,
        batch: u32,
        ack_bytes: u64,
    ) -> u64;
}
