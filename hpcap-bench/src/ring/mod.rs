//! The cost of a frame for the producer, beside a bare loop of timestamp and memcpy, and the cost
//! of listeners that have read everything.
//!
//! The frames are in the buffers of 4,096 descriptors, like those that a NIC has filled. Both loops
//! take them in batches, stamp each with the same clock, and write to memory of the same kind and
//! size. The ring has one lossless listener that keeps up.

pub mod advrx;
pub(crate) mod counted;
mod dedup;
mod ffi;
mod loops;
mod nic;
mod two_queues;

use hpcap::Result;
use hpcap::units::Bytes;

use crate::process::check_interrupted;
use crate::report::{Figure, Pairs, Report, Row, Target, Unit};
pub use dedup::dedup_cost;
pub(crate) use loops::Stopwatch;
use loops::{InC, InEngine};
use nic::{Buffers, Nic};
pub(crate) use two_queues::two_queues_cost;

/// Settings of the measurement.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Size in bytes of the ring, and of the memory that the bare loop writes to.
    pub ring_bytes: u64,
    /// Number of frames in a batch; the queue is serviced after each batch.
    pub batch: u32,
    /// Number of runs of each loop; the loops take turns.
    pub runs: usize,
    /// Whether frames get their time from the system's clock instead of the processor's counter.
    pub system_clock: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ring_bytes: 1 << 30,
            batch: 64,
            runs: 9,
            system_clock: false,
        }
    }
}

/// Lengths of frames in bytes, without FCS.
const LENGTHS: [u16; 4] = [60, 128, 512, 1514];
/// Smallest ratio of the bare loop's time to the producer's.
const RATIO: f64 = 0.7;
/// Time in ns of a frame of 60 bytes at 40 Gb/s, which takes 84 bytes on the wire.
const LINE_RATE_NS: f64 = 16.8;
/// Numbers of listeners to measure, the first one included.
const IDLE_LISTENERS: [u64; 4] = [2, 4, 8, 16];
/// Largest cost in ns of each listener beyond the first.
const IDLE_NS: f64 = 1.0;
/// Stream bytes after which idle listeners acknowledge.
const IDLE_ACK_BYTES: u64 = 64 << 20;

/// Returns the number of frames of `len` bytes that fill a ring twice.
fn frames(settings: &Settings, len: u16) -> u64 {
    2 * settings.ring_bytes / (u64::from(len) + 12)
}

fn clock_scale(settings: &Settings) -> u64 {
    if settings.system_clock {
        return 0;
    }
    // SAFETY: the function only reads clocks.
    unsafe { ffi::hpcap_bench_clock_scale() }
}

/// Measures frames of several lengths, beside the bare loop.
///
/// # Errors
/// When there is not enough memory.
pub fn frame_cost(settings: &Settings, report: &mut Report) -> Result<()> {
    let scale = clock_scale(settings);
    let buffers = Buffers::new();
    let mut ring = InC::new(settings.ring_bytes, 1, 0)?;
    let clock = if scale == 0 {
        "system clock"
    } else {
        "processor's counter as clock"
    };
    let conditions = format!(
        "ring of {} in {}, batches of {}, {clock}",
        Bytes(settings.ring_bytes),
        ring.pages(),
        settings.batch
    );
    for len in LENGTHS {
        let mut nic = Nic::new(&buffers, len, scale);
        let mut pairs = Pairs::new(Unit::NsPerFrame);
        for round in 0..=settings.runs {
            check_interrupted()?;
            let frames = frames(settings, len);
            let ours = ring.run(&mut nic, frames, settings.batch)?;
            let bare = ring.run_bare(&mut nic, frames, settings.batch);
            // The first round faults in the memory, so it does not count.
            if round > 0 {
                pairs.add(ours, bare);
            }
        }
        report.add(
            pairs
                .row(
                    format!("ring.h, a frame of {len} bytes"),
                    "timestamp + memcpy",
                )
                .target(Target::Ratio(RATIO))
                .note(conditions.as_str()),
        );
        if len == 60 {
            report.add(
                Row::new("ring.h, 60 bytes, line rate of 40 Gb/s", pairs.ours())
                    .target(Target::AtMost(LINE_RATE_NS)),
            );
        }
    }
    Ok(())
}

/// Measures what the engine's poll thread pays for a frame that its source has stamped.
///
/// # Errors
/// When there is not enough memory.
pub fn engine_cost(settings: &Settings, report: &mut Report) -> Result<()> {
    let buffers = Buffers::new();
    let mut engine = InEngine::new(settings.ring_bytes)?;
    for len in LENGTHS {
        let mut nic = Nic::new(&buffers, len, 0);
        let mut runs = Vec::new();
        for round in 0..=settings.runs {
            check_interrupted()?;
            let ns = engine.run(&mut nic, frames(settings, len), settings.batch)?;
            if round > 0 {
                runs.push(ns);
            }
        }
        let figure = Figure::of(Unit::NsPerFrame, &runs);
        report.add(
            Row::new(format!("engine, a frame of {len} bytes"), figure)
                .note("stamped by its source, pushed in a batch"),
        );
    }
    Ok(())
}

/// Measures what each listener beyond the first costs for a frame of 60 bytes.
///
/// # Errors
/// When there is not enough memory.
pub fn listener_cost(settings: &Settings, report: &mut Report) -> Result<()> {
    const LEN: u16 = 60;
    let buffers = Buffers::new();
    let mut nic = Nic::new(&buffers, LEN, clock_scale(settings));
    let ack_bytes = IDLE_ACK_BYTES.min(settings.ring_bytes / 4);
    let frames = frames(settings, LEN);
    let mut one = InC::new(settings.ring_bytes, 1, ack_bytes)?;
    for listeners in IDLE_LISTENERS {
        let mut more = InC::new(settings.ring_bytes, listeners, ack_bytes)?;
        let mut pairs = Pairs::new(Unit::NsPerFrame);
        for round in 0..=settings.runs {
            check_interrupted()?;
            let with_more = more.run(&mut nic, frames, settings.batch)?;
            let with_one = one.run(&mut nic, frames, settings.batch)?;
            if round > 0 {
                pairs.add(with_more, with_one);
            }
        }
        let others = (listeners - 1) as f64;
        report.add(
            Row::new(
                format!("each idle lossless listener beyond the first, of {listeners}"),
                pairs.each(|more, one| (more - one) / others),
            )
            .target(Target::AtMost(IDLE_NS))
            .note(format!(
                "{} with one listener, {} with {listeners}",
                pairs.peer(),
                pairs.ours()
            )),
        );
    }
    Ok(())
}
