//! The loops of `ring.c`, which measure `kmod/core/advrx.h`.

use hpcap_sys::advrx::RawReceiver;
use hpcap_sys::ring::RawRing;

unsafe extern "C" {
    pub(super) fn hpcap_bench_advrx_ring(
        rx: *mut RawReceiver,
        ring: *mut RawRing,
        frames: u64,
        batch: u32,
        len: u32,
    ) -> u64;
    pub(super) fn hpcap_bench_advrx_bare(
        rx: *mut RawReceiver,
        to: *mut u8,
        room: u64,
        frames: u64,
        batch: u32,
        len: u32,
    ) -> u64;
}
