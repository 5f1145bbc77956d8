//! The cost of a frame for a program that reads a queue: one that reads a stream of events, and one that does the same
//! by hand in a loop over a listener.
//!
//! Producer and reader take turns in one thread. The producer fills half of the ring, and then the
//! reader, whose time alone is measured, reads all of it, looks at the first byte of each frame, and
//! acknowledges. Both readers are measured in each round, each with a ring of its own.

pub(crate) mod counted;
mod queue;

use std::hint::black_box;

use hpcap::raw;
use hpcap::units::Bytes;
use hpcap::{Contract, Error, Event, Kind, Listener, Result, Stream};

use crate::process::check_interrupted;
use crate::report::{Pairs, Report, Target, Unit};
use crate::ring::Stopwatch;
use queue::TestQueue;

/// Settings of the measurement.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Size of each ring in bytes.
    pub ring_bytes: u64,
    /// Number of frames that each reader reads in each run.
    pub frames: u64,
    /// Number of runs of each reader; the readers take turns.
    pub runs: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ring_bytes: 64 << 20,
            frames: 10_000_000,
            runs: 9,
        }
    }
}

/// Lengths of frames in bytes, without FCS.
const LENGTHS: [usize; 2] = [60, 1514];
/// Smallest ratio of the loop's time to the stream's: the stream is as fast, but for noise.
const RATIO: f64 = 0.97;
/// Part of the ring that a listener reads before it acknowledges, as a stream does.
const RING_PARTS: u64 = 16;

/// Measures both readers, with a ring that waits for them and with one that does not.
///
/// # Errors
/// When there is not enough memory.
pub fn reader_cost(settings: &Settings, report: &mut Report) -> Result<()> {
    for (contract, name) in [(Contract::Lossless, "lossless"), (Contract::Lossy, "lossy")] {
        for len in LENGTHS {
            let mut with_stream = TestQueue::new(settings.ring_bytes, len)?;
            let mut with_loop = TestQueue::new(settings.ring_bytes, len)?;
            let mut stream = Stream::from(with_stream.attach(contract)?);
            let mut listener = with_loop.attach(contract)?;
            let mut pairs = Pairs::new(Unit::NsPerFrame);
            for round in 0..=settings.runs {
                check_interrupted()?;
                let ours = with_stream.measure(settings.frames, |n| read_stream(&mut stream, n))?;
                let peer =
                    with_loop.measure(settings.frames, |n| read_listener(&mut listener, n))?;
                // The first round faults in the memory, so it does not count.
                if round > 0 {
                    pairs.add(ours, peer);
                }
            }
            let rate = |ns: f64| format!("{:.1} M frames/s", 1e3 / ns);
            report.add(
                pairs
                    .row(
                        format!("stream, {name}, a frame of {len} bytes"),
                        "loop over a listener",
                    )
                    .target(Target::Ratio(RATIO))
                    .note(format!(
                        "ring of {}, {} and {}",
                        Bytes(settings.ring_bytes),
                        rate(pairs.ours().median),
                        rate(pairs.peer().median)
                    )),
            );
        }
    }
    Ok(())
}

/// Reads `frames` frames from `stream`.
fn read_stream(stream: &mut Stream, frames: u64) -> Result<()> {
    let (mut read, mut sum) = (0, 0);
    while read < frames {
        match stream.next()? {
            Some(Event::Frame(frame)) => {
                read += 1;
                sum += u64::from(frame.len) + u64::from(frame.data[0]);
            }
            Some(Event::Missed(gap)) => return Err(missed(gap.frames())),
            Some(_) => {}
            None => return Err(missed(frames - read)),
        }
    }
    black_box(sum);
    Ok(())
}

/// Reads `frames` frames from `listener`.
fn read_listener(listener: &mut Listener, frames: u64) -> Result<()> {
    let ack_bytes = listener.info().ring_bytes / RING_PARTS;
    let (mut read, mut sum) = (0, 0);
    let mut acked = listener.position();
    while read < frames {
        match listener.next_record()? {
            Some(raw::Event::Frame(frame)) => {
                read += 1;
                sum += u64::from(frame.len) + u64::from(frame.data[0]);
            }
            Some(raw::Event::Missed(gap)) => return Err(missed(gap.lost.lost().frames)),
            Some(_) => {}
            None => return Err(missed(frames - read)),
        }
        if listener.position() - acked >= ack_bytes {
            acked = listener.position();
            listener.ack()?;
        }
    }
    listener.ack()?;
    black_box(sum);
    Ok(())
}

fn missed(frames: u64) -> Error {
    let why = format!("{frames} frames are missing");
    Error::new(Kind::Io, "measure a reader", why)
}

impl TestQueue {
    /// Pushes `frames` frames in portions, and has `read` read each portion.
    fn read_in_portions(
        &mut self,
        frames: u64,
        mut read: impl FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        let mut left = frames;
        while left > 0 {
            let portion = self.fill(left)?;
            read(portion)?;
            left -= portion;
        }
        Ok(())
    }

    /// Returns the nanoseconds that `read` takes for each of `frames` frames.
    fn measure(&mut self, frames: u64, mut read: impl FnMut(u64) -> Result<()>) -> Result<f64> {
        let mut spent_ns = 0;
        self.read_in_portions(frames, |portion| {
            let watch = Stopwatch::start();
            read(portion)?;
            spent_ns += watch.elapsed_ns();
            Ok(())
        })?;
        let ns_per_frame = spent_ns as f64 / frames as f64;
        Ok(ns_per_frame)
    }
}
