//! `ring.c`, as Rust sees it.

use super::super::ffi::Ring;

/// `struct hpcap_advrx`, of which Rust knows only the size.
#[repr(C)]
pub(super) struct Advrx {
    _opaque: [u8; 0],
}

/// `struct hpcap_advrx_desc`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Descriptor {
    pub(super) low: u64,
    pub(super) high: u64,
}

/// `struct hpcap_frame`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) data: *const u8,
    pub(super) sec: u64,
    pub(super) nsec: u32,
    pub(super) caplen: u32,
    pub(super) len: u32,
    pub(super) hash: u32,
}

unsafe extern "C" {
    pub(super) fn hpcap_advrx_size_of() -> usize;
    pub(super) fn hpcap_advrx_bounce_bytes() -> usize;
    pub(super) fn hpcap_advrx_start(
        rx: *mut Advrx,
        ring: *mut Descriptor,
        count: u32,
        chunks: *const *mut u8,
        chunk_dma: *const u64,
        chunk_shift: u32,
        bounce: *mut u8,
    ) -> u32;
    pub(super) fn hpcap_advrx_take(
        rx: *mut Advrx,
        frames: *mut Frame,
        n: u32,
        sec: u64,
        nsec: u32,
        errors: *mut u64,
    ) -> u32;
    pub(super) fn hpcap_advrx_skip(rx: *mut Advrx, descriptors: u32);
    pub(super) fn hpcap_advrx_give(rx: *mut Advrx, n: u32, bytes: *mut u64) -> u32;
    pub(super) fn hpcap_bench_advrx_ring(
        rx: *mut Advrx,
        ring: *mut Ring,
        frames: u64,
        batch: u32,
        len: u32,
    ) -> u64;
    pub(super) fn hpcap_bench_advrx_bare(
        rx: *mut Advrx,
        to: *mut u8,
        room: u64,
        frames: u64,
        batch: u32,
        len: u32,
    ) -> u64;
}
