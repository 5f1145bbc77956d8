//! The benchmarks as commands: `ring`, `disk`, `files`, `memory`, `capture`, and `all` of them.

use std::io::Write;
use std::path::PathBuf;

use crate::report::{Report, Row};
use crate::{capture, disk, files, memory, process, reader, ring};
use clap::Args;
use hpcap::error::Context;
use hpcap::units::parse_size;
use hpcap::{Error, Kind, Result};

/// How the results are shown.
#[derive(Debug, Args, Clone, Copy)]
pub(crate) struct Output {
    /// Print one JSON object in place of a table.
    #[arg(long)]
    json: bool,
}

/// Measure what a frame costs the producer of a ring, beside a bare loop.
#[derive(Debug, Args)]
pub(crate) struct RingArgs {
    /// Size of the ring.
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = parse_size)]
    ring: u64,
    /// Frames in a batch.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=256))]
    batch: u32,
    /// Runs of each loop.
    #[arg(long, value_name = "N", default_value_t = 9)]
    runs: usize,
    /// Stamp frames with the system's clock, not with the counter of the processor.
    #[arg(long)]
    system_clock: bool,
    #[command(flatten)]
    output: Output,
}

/// Measure what a frame costs a program that reads a queue: a stream of events, beside a loop over a
/// listener.
#[derive(Debug, Args)]
pub(crate) struct ReaderArgs {
    /// Size of each ring.
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = parse_size)]
    ring: u64,
    /// Frames in each run.
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    frames: u64,
    /// Runs of each reader.
    #[arg(long, value_name = "N", default_value_t = 9)]
    runs: usize,
    #[command(flatten)]
    output: Output,
}

/// Measure hpcapdd to a disk, beside dd with direct writes.
#[derive(Debug, Args)]
pub(crate) struct DiskArgs {
    /// A folder on the disk.
    dir: PathBuf,
    /// Bytes to write in each run.
    #[arg(long, value_name = "SIZE", default_value = "4G", value_parser = parse_size)]
    size: u64,
    /// Runs of each.
    #[arg(long, value_name = "N", default_value_t = 5)]
    runs: usize,
    #[command(flatten)]
    output: Output,
}

/// Measure raw2pcap beside cp, and checkraw, on files in the page cache.
#[derive(Debug, Args)]
pub(crate) struct FilesArgs {
    /// Folders to work in, such as one on a disk and one in memory.
    #[arg(default_value = "/dev/shm")]
    dirs: Vec<PathBuf>,
    /// Bytes of each file, 2G at most.
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = parse_size)]
    size: u64,
    /// Runs of each.
    #[arg(long, value_name = "N", default_value_t = 5)]
    runs: usize,
    #[command(flatten)]
    output: Output,
}

/// Measure the memory that hpcapdd, raw2pcap and checkraw take.
#[derive(Debug, Args)]
pub(crate) struct MemoryArgs {
    /// Folder to work in.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    #[command(flatten)]
    output: Output,
}

/// Capture on veth, beside tcpdump, dumpcap and netsniff-ng. Takes root.
#[derive(Debug, Args)]
pub(crate) struct CaptureArgs {
    /// Folder to work in, on a disk.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Seconds of each capture.
    #[arg(long, value_name = "N", default_value_t = 3)]
    seconds: u32,
    /// Captures of each program at each load.
    #[arg(long, value_name = "N", default_value_t = 3)]
    runs: usize,
    #[command(flatten)]
    output: Output,
}

/// Run all benchmarks. Takes some minutes and some GiB of disk and memory; as root, it also
/// captures beside other programs. What cannot be measured is said; a target that is missed is
/// shown and is no failure.
#[derive(Debug, Args)]
pub(crate) struct AllArgs {
    /// Folder on the disk that is measured.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Folder in memory.
    #[arg(long, default_value = "/dev/shm")]
    memory_dir: PathBuf,
    #[command(flatten)]
    output: Output,
}

fn print(report: &Report, output: Output) -> Result<()> {
    let tried = || "print the results";
    let text = if output.json {
        serde_json::to_string(report).map_err(|e| Error::io(tried(), e.into()))?
    } else {
        report.to_string()
    };
    writeln!(std::io::stdout().lock(), "{text}").context(tried)
}

/// Runs one benchmark and prints its results.
fn alone(output: Output, bench: impl FnOnce(&mut Report) -> Result<()>) -> Result<()> {
    process::catch_interrupts();
    let mut report = Report::new();
    bench(&mut report)?;
    print(&report, output)
}

fn producer(settings: &ring::Settings, report: &mut Report) -> Result<()> {
    ring::frame_cost(settings, report)?;
    ring::advrx::harvest_cost(settings, report)?;
    ring::engine_cost(settings, report)?;
    ring::dedup_cost(settings, report)?;
    ring::listener_cost(settings, report)
}

impl RingArgs {
    pub(crate) fn run(&self) -> Result<()> {
        let settings = ring::Settings {
            ring_bytes: self.ring,
            batch: self.batch,
            runs: self.runs,
            system_clock: self.system_clock,
        };
        alone(self.output, |report| producer(&settings, report))
    }
}

impl ReaderArgs {
    pub(crate) fn run(&self) -> Result<()> {
        let settings = reader::Settings {
            ring_bytes: self.ring,
            frames: self.frames,
            runs: self.runs,
        };
        alone(self.output, |report| reader::reader_cost(&settings, report))
    }
}

impl DiskArgs {
    pub(crate) fn run(&self) -> Result<()> {
        let settings = disk::Settings {
            dir: self.dir.clone(),
            bytes: self.size,
            runs: self.runs,
        };
        alone(self.output, |report| disk::disk(&settings, report))
    }
}

impl FilesArgs {
    pub(crate) fn run(&self) -> Result<()> {
        let settings = files::Settings {
            dirs: self.dirs.clone(),
            bytes: self.size,
            runs: self.runs,
        };
        alone(self.output, |report| files::files(&settings, report))
    }
}

impl MemoryArgs {
    pub(crate) fn run(&self) -> Result<()> {
        alone(self.output, |report| memory::memory(&self.dir, report))
    }
}

impl CaptureArgs {
    pub(crate) fn run(&self) -> Result<()> {
        let settings = capture::Settings {
            seconds: self.seconds,
            runs: self.runs,
            ..capture::Settings::new(self.dir.clone())
        };
        alone(self.output, |report| capture::capture(&settings, report))
    }
}

/// A benchmark with its name.
type Bench<'a> = (
    &'static str,
    Box<dyn FnOnce(&mut Report) -> Result<()> + 'a>,
);

impl AllArgs {
    pub(crate) fn run(&self) -> Result<()> {
        let disk_dir = self.dir.clone();
        let disk = disk::Settings {
            dir: disk_dir.clone(),
            bytes: 4 << 30,
            runs: 3,
        };
        let files = files::Settings {
            dirs: vec![self.memory_dir.clone(), disk_dir.clone()],
            bytes: 1 << 30,
            runs: 5,
        };
        let capture = capture::Settings::new(disk_dir.clone());
        let benches: [Bench<'_>; 6] = [
            (
                "producer",
                Box::new(|r| producer(&ring::Settings::default(), r)),
            ),
            (
                "readers",
                Box::new(|r| reader::reader_cost(&reader::Settings::default(), r)),
            ),
            ("recorder to disk", Box::new(move |r| disk::disk(&disk, r))),
            (
                "raw2pcap and checkraw",
                Box::new(move |r| files::files(&files, r)),
            ),
            ("memory", Box::new(move |r| memory::memory(&disk_dir, r))),
            ("capture", Box::new(move |r| capture::capture(&capture, r))),
        ];
        alone(self.output, |report| {
            for (name, bench) in benches {
                eprintln!("measuring: {name}");
                match bench(report) {
                    // The other benchmarks may have enough room or memory, so they go on.
                    Err(e) if e.kind() == Kind::Full || e.kind() == Kind::NotFound => {
                        report.add(Row::skipped(name, e.to_string().replace('\n', " ")));
                    }
                    other => other?,
                }
            }
            Ok(())
        })
    }
}
