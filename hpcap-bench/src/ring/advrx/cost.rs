//! What the poll loop of a port in hpcap mode costs a frame, from the descriptor to the ledger.

use std::hint::black_box;

use hpcap::Result;

use super::super::loops::{InC, Stopwatch, full};
use super::super::{LENGTHS, LINE_RATE_NS, Settings, frames};
use super::{Ring, ffi};
use crate::process::check_interrupted;
use crate::report::{Pairs, Report, Row, Target, Unit};

/// Descriptors of the ring, and slots of a chunk: as the drivers have them.
const DESCRIPTORS: usize = 4096;
const CHUNK_SHIFT: u32 = 10;

impl Ring {
    /// Harvest, record, ledger; returns nanoseconds a frame.
    fn run(&mut self, ring: &mut InC, frames: u64, batch: u32, len: u16) -> Result<f64> {
        let (rx, ring) = (self.rx.as_mut_ptr(), ring.as_ptr());
        let watch = Stopwatch::start();
        // SAFETY: both were initialised; the slots have room for `len`, and nobody else looks at
        // them or at the ring meanwhile.
        let taken = unsafe { ffi::hpcap_bench_advrx_ring(rx, ring, frames, batch, u32::from(len)) };
        full(taken, frames)?;
        Ok(watch.ns_per_frame(frames))
    }

    /// Descriptor and memcpy, to the memory that the ring has.
    fn run_bare(&mut self, ring: &mut InC, frames: u64, batch: u32, len: u16) -> f64 {
        let rx = self.rx.as_mut_ptr();
        let (to, room) = ring.memory();
        let watch = Stopwatch::start();
        // SAFETY: `rx` was initialised; `to` is the start of `room` writable bytes that nobody
        // looks at.
        let sum =
            unsafe { ffi::hpcap_bench_advrx_bare(rx, to, room, frames, batch, u32::from(len)) };
        let ns = watch.ns_per_frame(frames);
        black_box(sum);
        ns
    }
}

/// From the descriptors of an 82599 to record and ledger, for frames of several lengths, beside a
/// loop that looks at the descriptor and copies the frame. The write-back, which is the NIC's
/// work, is done and measured in both.
///
/// # Errors
/// When there is not enough memory.
pub fn harvest_cost(settings: &Settings, report: &mut Report) -> Result<()> {
    let mut nic = Ring::new(DESCRIPTORS, CHUNK_SHIFT);
    nic.fill();
    let mut ring = InC::new(settings.ring_bytes, 1, 0)?;
    for len in LENGTHS {
        let frames = frames(settings, len);
        let mut pairs = Pairs::new(Unit::NsPerFrame);
        for round in 0..=settings.runs {
            check_interrupted()?;
            let ours = nic.run(&mut ring, frames, settings.batch, len)?;
            let bare = nic.run_bare(&mut ring, frames, settings.batch, len);
            if round > 0 {
                pairs.add(ours, bare);
            }
        }
        report.add(
            pairs
                .row(
                    format!("advrx.h and ring.h, a frame of {len} bytes"),
                    "descriptor + memcpy",
                )
                .note("from the descriptor to the ledger; the NIC's write-back in both"),
        );
        if len == LENGTHS[0] {
            report.add(
                Row::new(
                    "advrx.h and ring.h, 60 bytes, line rate of 40 Gb/s",
                    pairs.ours(),
                )
                .target(Target::AtMost(LINE_RATE_NS)),
            );
        }
    }
    Ok(())
}
