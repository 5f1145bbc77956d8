//! Collecting the frames that a source lends.

use std::path::Path;
use std::time::{Duration, Instant};

use hpcap::Reason;
use hpcap_source::{Source, State};

use crate::wait::time_limit;

/// The frames and reports that a source delivered.
#[derive(Debug, Default)]
pub struct Harvested {
    /// Bytes of each frame, and its length on the wire.
    pub frames: Vec<(Vec<u8>, u32)>,
    /// Seconds and nanoseconds of each frame.
    pub times: Vec<(u64, u32)>,
    /// Number of frames that the NIC missed.
    pub missed: u64,
    /// For each loss: how many frames came before it, and how many were missed.
    pub gaps: Vec<(usize, u64)>,
    /// Number of frames that the NIC received damaged.
    pub damaged: u64,
    /// Messages of the source.
    pub events: Vec<String>,
}

/// Harvests from `source` into `harvested` until `done` returns true. The test fails when the source
/// ends before that, or after [`time_limit`].
pub fn harvest_until(
    source: &mut dyn Source,
    harvested: &mut Harvested,
    mut done: impl FnMut(&Harvested) -> bool,
) {
    let start = Instant::now();
    loop {
        let harvest = source.harvest().unwrap();
        for (reason, count) in harvest.lost {
            match reason {
                Reason::NicMissed => {
                    let before = harvested.frames.len();
                    harvested.gaps.push((before, count.frames));
                    harvested.missed += count.frames;
                }
                Reason::NicError => harvested.damaged += count.frames,
                other => panic!("a source cannot lose frames by {other}"),
            }
        }
        for frame in harvest.frames.iter() {
            harvested.frames.push((frame.data().to_vec(), frame.len));
            harvested.times.push((frame.sec, frame.nsec));
        }
        let state = harvest.state;
        while let Some(event) = source.next_event() {
            let interface = source.description().interface;
            harvested.events.push(event.display(&interface).to_string());
        }
        if done(harvested) {
            return;
        }
        assert!(
            start.elapsed() < time_limit(),
            "no more frames come after {}; {} missed, {:?}",
            harvested.frames.len(),
            harvested.missed,
            harvested.events
        );
        match state {
            State::Busy => {}
            State::Idle => source.wait(Duration::from_millis(50)).unwrap(),
            State::Ended => panic!("the source ended after {} frames", harvested.frames.len()),
        }
    }
}

/// Returns the frames of a capture file, up to the first that cannot be read.
#[must_use]
pub fn read_frames(path: &Path) -> Vec<Vec<u8>> {
    let mut reader = hpcap::pcapfile::Reader::open(path).unwrap();
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = reader.next() {
        frames.push(frame.data.to_vec());
    }
    frames
}
