//! The benchmarks, which all run and report in the same way.

use std::path::PathBuf;

use hpcap::Result;

use crate::report::Report;
use crate::{capture, disk, files, memory, reader, ring, sniff, tap};

/// A benchmark with its settings.
#[derive(Debug, Clone)]
pub enum Benchmark {
    /// The cost of a frame and of a listener for the producer.
    Ring(ring::Settings),
    /// The cost of a frame for a program that reads a queue.
    Reader(reader::Settings),
    /// The speed of the recorder, compared with dd.
    Disk(disk::Settings),
    /// The speed of the converter, compared with cp, and of the checker.
    Files(files::Settings),
    /// The resident memory of the recorder, the converter and the checker, with files in this
    /// folder.
    Memory(PathBuf),
    /// Captures of an interface, compared with other programs.
    Capture(capture::Settings),
    /// Printing the frames of an interface, compared with other programs.
    Sniff(sniff::Settings),
    /// The cost of live taps for the producer.
    Tap(tap::Settings),
}

impl Benchmark {
    /// What the benchmark measures, in a few words.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ring(_) => "producer",
            Self::Reader(_) => "readers",
            Self::Disk(_) => "recorder to disk",
            Self::Files(_) => "raw2pcap and checkraw",
            Self::Memory(_) => "memory",
            Self::Capture(_) => "capture",
            Self::Sniff(_) => "sniffers",
            Self::Tap(_) => "taps",
        }
    }

    /// Runs the benchmark and adds its rows to `report`.
    ///
    /// # Errors
    /// When there is not enough room or memory, or a measured program fails.
    pub fn run(&self, report: &mut Report) -> Result<()> {
        match self {
            Self::Ring(settings) => {
                ring::frame_cost(settings, report)?;
                ring::advrx::harvest_cost(settings, report)?;
                ring::engine_cost(settings, report)?;
                ring::dedup_cost(settings, report)?;
                ring::listener_cost(settings, report)?;
                ring::two_queues_cost(settings, report)
            }
            Self::Reader(settings) => reader::reader_cost(settings, report),
            Self::Disk(settings) => disk::disk(settings, report),
            Self::Files(settings) => files::files(settings, report),
            Self::Memory(dir) => memory::memory(dir, report),
            Self::Capture(settings) => capture::capture(settings, report),
            Self::Sniff(settings) => sniff::sniff(settings, report),
            Self::Tap(settings) => tap::tap(settings, report),
        }
    }
}
