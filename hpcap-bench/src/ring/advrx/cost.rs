//! The cost per frame of the poll loop of a port in hpcap mode, from the descriptor to the ledger.

use std::hint::black_box;

use hpcap::Result;

use super::super::loops::{InC, Stopwatch, full};
use super::super::{LENGTHS, LINE_RATE_NS, Settings, frames};
use super::{Ring, ffi};
use crate::process::check_interrupted;
use crate::report::{Pairs, Report, Row, Target, Unit};

/// Number of descriptors, and slots per chunk as a power of two, like those of the drivers.
const DESCRIPTORS: usize = 4096;
const CHUNK_SHIFT: u32 = 10;

/// Returns a ring like that of a driver, whose slots hold bytes that vary.
pub(in crate::ring) fn full_ring() -> Ring {
    let mut ring = Ring::new(DESCRIPTORS, CHUNK_SHIFT);
    ring.fill();
    ring
}

impl Ring {
    /// Runs harvest, push, release and service. Returns nanoseconds per frame.
    pub(in crate::ring) fn run(
        &mut self,
        ring: &mut InC,
        frames: u64,
        batch: u32,
        len: u16,
    ) -> Result<f64> {
        let (rx, ring) = (self.rx.as_mut_ptr(), ring.as_ptr());
        let watch = Stopwatch::start();
        // SAFETY: both were initialised; the slots have room for `len` bytes, and nothing else uses
        // them or the ring during the call.
        let taken = unsafe { ffi::hpcap_bench_advrx_ring(rx, ring, frames, batch, u32::from(len)) };
        full(taken, frames)?;
        Ok(watch.ns_per_frame(frames))
    }

    /// Runs the loop with descriptor and memcpy, into the ring's memory. Returns nanoseconds per
    /// frame.
    fn run_bare(&mut self, ring: &mut InC, frames: u64, batch: u32, len: u16) -> f64 {
        let rx = self.rx.as_mut_ptr();
        let (to, room) = ring.memory();
        let watch = Stopwatch::start();
        // SAFETY: `rx` was initialised; `to` is the start of `room` writable bytes that nothing
        // else uses.
        let sum =
            unsafe { ffi::hpcap_bench_advrx_bare(rx, to, room, frames, batch, u32::from(len)) };
        let ns = watch.ns_per_frame(frames);
        black_box(sum);
        ns
    }
}

/// Measures the path from the descriptors of an 82599 to record and ledger, for frames of several
/// lengths, beside a loop that reads the descriptor and copies the frame. Both loops also do the
/// write-back, which is the NIC's work, and their times include it.
///
/// # Errors
/// When there is not enough memory.
pub fn harvest_cost(settings: &Settings, report: &mut Report) -> Result<()> {
    let mut nic = full_ring();
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
