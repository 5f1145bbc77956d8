//! The readers as loops whose instructions are counted.

use hpcap::{Contract, Result, Stream};

use super::queue::TestQueue;
use super::{read_listener, read_stream};
use crate::instructions::counted;

const RING_BYTES: u64 = 4 << 20;
/// Length of the frames in bytes, without FCS.
const LEN: usize = 60;

/// Reads `frames` frames with a loop over a listener.
pub(crate) fn listener(contract: Contract, frames: u64) -> Result<()> {
    let mut queue = TestQueue::new(RING_BYTES, LEN)?;
    let mut listener = queue.attach(contract)?;
    queue.read_in_portions(frames, |n| counted(|| read_listener(&mut listener, n)))
}

/// Reads `frames` frames as a stream of events.
pub(crate) fn stream(contract: Contract, frames: u64) -> Result<()> {
    let mut queue = TestQueue::new(RING_BYTES, LEN)?;
    let mut stream = Stream::from(queue.attach(contract)?);
    queue.read_in_portions(frames, |n| counted(|| read_stream(&mut stream, n)))
}
