//! The path of a batch from its source into the ring: `kmod/core/pipeline.h`.

use hpcap_source::Frame;
use hpcap_sys::pipeline::Batch;

use super::Dedup;
use super::filter::Program;
use crate::ring::Producer;

/// Runs the filters over `frames`, and accounts in `producer` for the frames that do not pass.
/// `marks` becomes as long as `frames`; it says which frames are marked as duplicates.
pub(crate) fn start_batch<'a, 'frame>(
    producer: &mut Producer,
    filter: Option<&Program>,
    dedup: Option<&mut Dedup>,
    frames: &'a mut [Frame<'frame>],
    marks: &'a mut Vec<u8>,
) -> Batch<'a, 'frame> {
    Batch::start(
        producer.ring(),
        filter.map(Program::checked),
        dedup.map(Dedup::window),
        frames,
        marks,
    )
}
