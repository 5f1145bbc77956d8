//! The producer's loops as loops whose instructions are counted.

use hpcap::Result;

use super::advrx;
use super::dedup::FilterLoop;
use super::loops::InC;
use super::nic::{Buffers, Nic};
use crate::instructions::counted;

const RING_BYTES: u64 = 4 << 20;
const BATCH: u32 = 64;
/// Nanoseconds per count of the clock, in units of 2^-32. Any value does, because reading the clock
/// takes the same instructions for each.
const CLOCK_SCALE: u64 = 1 << 30;

/// Pushes `frames` frames of `len` bytes, each with its own timestamp.
pub(crate) fn push(len: u16, frames: u64) -> Result<()> {
    let buffers = Buffers::new();
    let mut nic = Nic::new(&buffers, len, CLOCK_SCALE);
    let mut ring = InC::new(RING_BYTES, 1, 0)?;
    counted(|| ring.run(&mut nic, frames, BATCH))
}

/// Harvests `frames` frames of `len` bytes from the descriptors of an 82599, and pushes them.
pub(crate) fn harvest(len: u16, frames: u64) -> Result<()> {
    let mut nic = advrx::full_ring();
    let mut ring = InC::new(RING_BYTES, 1, 0)?;
    counted(|| nic.run(&mut ring, frames, BATCH, len))
}

/// Pushes those of `frames` frames that are no duplicates; half of them are, or none.
pub(crate) fn dedup(half: bool, frames: u64) -> Result<()> {
    let mut buffers = Buffers::alike();
    let mut nic = Nic::writable(&mut buffers, super::dedup::LEN, CLOCK_SCALE);
    let mut ring = InC::new(RING_BYTES, 1, 0)?;
    let mut filter = FilterLoop::new(Some(super::dedup::WINDOW), half)?;
    counted(|| filter.run(&mut ring, &mut nic, frames, BATCH))
}
