//! The benchmarks as commands: `ring`, `reader`, `disk`, `files`, `memory`, `capture`, `sniff` and
//! `tap`, and `all` of them but the last two.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use hpcap::units::parse_size;
use hpcap::{Kind, Result};

use super::Output;
use crate::benchmark::Benchmark;
use crate::report::{Report, Row};
use crate::run::parse_offered;
use crate::{capture, disk, files, process, reader, ring, sniff, tap};

/// A command that measures.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Run all benchmarks
    ///
    /// All benchmarks together take some minutes, and some GiB of disk and memory. As root, the
    /// command also captures beside other programs. The report names what could not be measured. A
    /// target that is missed is shown, and is no failure.
    All(Measured<AllArgs>),
    /// Measure what a frame costs the producer of a ring, beside a bare loop
    Ring(Measured<RingArgs>),
    /// Measure what a frame costs a program that reads a queue
    ///
    /// A stream of events is compared with a loop over a listener, which does the same by hand.
    Reader(Measured<ReaderArgs>),
    /// Measure hpcapdd to a disk, beside dd with direct writes
    Disk(Measured<DiskArgs>),
    /// Measure raw2pcap beside cp, and checkraw, on files in the page cache
    Files(Measured<FilesArgs>),
    /// Measure the memory that hpcapdd, raw2pcap and checkraw take
    Memory(Measured<MemoryArgs>),
    /// Capture on a veth pair, beside tcpdump, dumpcap and netsniff-ng (needs root)
    Capture(Measured<CaptureArgs>),
    /// Print frames on a veth pair with hpcap-sniff, a copying sniffer and tcpdump (needs root)
    ///
    /// The report says how many of the sent frames each program has printed, for each size and rate.
    Sniff(Measured<SniffArgs>),
    /// Measure what live taps cost the producer of a ring
    ///
    /// A tap whose filter matches nothing is compared with no tap, and a producer beside a recorder
    /// with one beside which taps are attached and killed all the time.
    Tap(Measured<TapArgs>),
}

/// The settings of a benchmark, and how its results are printed.
#[derive(Debug, Args)]
pub(crate) struct Measured<A: Args> {
    #[command(flatten)]
    args: A,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct RingArgs {
    /// Size of the ring
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = parse_size)]
    ring: u64,
    /// Number of frames in a batch
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=256))]
    batch: u32,
    /// Number of runs of each loop
    #[arg(long, value_name = "N", default_value_t = 9)]
    runs: usize,
    /// Stamp frames with the system's clock instead of the processor's counter
    #[arg(long)]
    system_clock: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReaderArgs {
    /// Size of each ring
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = parse_size)]
    ring: u64,
    /// Number of frames in each run
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    frames: u64,
    /// Number of runs of each reader
    #[arg(long, value_name = "N", default_value_t = 9)]
    runs: usize,
}

#[derive(Debug, Args)]
pub(crate) struct DiskArgs {
    /// A folder on the disk
    dir: PathBuf,
    /// Bytes that each run writes
    #[arg(long, value_name = "SIZE", default_value = "4G", value_parser = parse_size)]
    size: u64,
    /// Number of runs of each program
    #[arg(long, value_name = "N", default_value_t = 5)]
    runs: usize,
}

#[derive(Debug, Args)]
pub(crate) struct FilesArgs {
    /// Folders to work in, such as one on a disk and one in memory
    #[arg(default_value = "/dev/shm")]
    dirs: Vec<PathBuf>,
    /// Size of each file, at most 2G
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = parse_size)]
    size: u64,
    /// Number of runs of each program
    #[arg(long, value_name = "N", default_value_t = 5)]
    runs: usize,
}

#[derive(Debug, Args)]
pub(crate) struct MemoryArgs {
    /// Folder to work in
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct CaptureArgs {
    /// Folder to work in, on a disk
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Rates at which frames of 60 bytes are offered, or max
    #[arg(long, value_name = "RATE,...", value_delimiter = ',', default_values = capture::RATES, value_parser = checked_rate)]
    rates: Vec<String>,
    /// Duration of each capture in seconds
    #[arg(long, value_name = "N", default_value_t = 3)]
    seconds: u32,
    /// Number of captures of each program at each load
    #[arg(long, value_name = "N", default_value_t = 3)]
    runs: usize,
}

/// Accepts a rate of the generator, or max, as it was written.
fn checked_rate(text: &str) -> Result<String> {
    parse_offered(text).map(|_| text.to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct SniffArgs {
    /// Folder for the printed lines
    #[arg(long, default_value = "/dev/shm")]
    dir: PathBuf,
    /// Sizes of the frames in bytes
    #[arg(long, value_name = "BYTES", value_delimiter = ',', default_values_t = [60, 512, 1514], value_parser = clap::value_parser!(u32).range(60..=1514))]
    sizes: Vec<u32>,
    /// Rates, to which one without a limit is added
    #[arg(long, value_name = "RATE", value_delimiter = ',', default_values = ["50kpps", "200kpps"])]
    rates: Vec<String>,
    /// Seconds for which frames are offered to each program
    #[arg(long, value_name = "N", default_value_t = 3)]
    seconds: u32,
    /// Number of runs of each program at each load
    #[arg(long, value_name = "N", default_value_t = 3)]
    runs: usize,
}

#[derive(Debug, Args)]
pub(crate) struct TapArgs {
    /// Folder for sockets and outputs
    #[arg(long, default_value = "/dev/shm")]
    dir: PathBuf,
    /// Seconds of each measurement
    #[arg(long, value_name = "N", default_value_t = 2)]
    seconds: u32,
    /// Number of runs
    #[arg(long, value_name = "N", default_value_t = 5)]
    runs: usize,
    /// Number of taps that are attached and killed in all runs together
    #[arg(long, value_name = "N", default_value_t = 1000)]
    taps: usize,
}

#[derive(Debug, Args)]
pub(crate) struct AllArgs {
    /// Folder on the disk that is measured
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Folder in memory
    #[arg(long, default_value = "/dev/shm")]
    memory_dir: PathBuf,
}

impl RingArgs {
    fn benchmark(&self) -> Benchmark {
        Benchmark::Ring(ring::Settings {
            ring_bytes: self.ring,
            batch: self.batch,
            runs: self.runs,
            system_clock: self.system_clock,
        })
    }
}

impl ReaderArgs {
    fn benchmark(&self) -> Benchmark {
        Benchmark::Reader(reader::Settings {
            ring_bytes: self.ring,
            frames: self.frames,
            runs: self.runs,
        })
    }
}

impl DiskArgs {
    fn benchmark(&self) -> Benchmark {
        Benchmark::Disk(disk::Settings {
            dir: self.dir.clone(),
            bytes: self.size,
            runs: self.runs,
        })
    }
}

impl FilesArgs {
    fn benchmark(&self) -> Benchmark {
        Benchmark::Files(files::Settings {
            dirs: self.dirs.clone(),
            bytes: self.size,
            runs: self.runs,
        })
    }
}

impl CaptureArgs {
    fn benchmark(&self) -> Benchmark {
        Benchmark::Capture(capture::Settings {
            dir: self.dir.clone(),
            loads: self.rates.iter().map(|rate| capture::load(rate)).collect(),
            seconds: self.seconds,
            runs: self.runs,
        })
    }
}

impl SniffArgs {
    fn benchmark(&self) -> Benchmark {
        let mut rates = self.rates.clone();
        rates.push(String::new());
        Benchmark::Sniff(sniff::Settings {
            dir: self.dir.clone(),
            sizes: self.sizes.clone(),
            rates,
            seconds: self.seconds,
            runs: self.runs,
        })
    }
}

impl TapArgs {
    fn benchmark(&self) -> Benchmark {
        Benchmark::Tap(tap::Settings {
            dir: self.dir.clone(),
            seconds: self.seconds,
            runs: self.runs,
            taps: self.taps,
        })
    }
}

impl AllArgs {
    fn benchmarks(&self) -> Vec<Benchmark> {
        vec![
            Benchmark::Ring(ring::Settings::default()),
            Benchmark::Reader(reader::Settings::default()),
            Benchmark::Disk(disk::Settings {
                dir: self.dir.clone(),
                bytes: 4 << 30,
                runs: 3,
            }),
            Benchmark::Files(files::Settings {
                dirs: vec![self.memory_dir.clone(), self.dir.clone()],
                bytes: 1 << 30,
                runs: 5,
            }),
            Benchmark::Memory(self.dir.clone()),
            Benchmark::Capture(capture::Settings::new(self.dir.clone())),
        ]
    }
}

impl BenchCommand {
    /// Runs the command's benchmarks and prints the report.
    ///
    /// # Errors
    /// Returns the error of a benchmark. Of several benchmarks, those that do not have enough room or
    /// memory are skipped.
    pub(crate) fn run(&self) -> Result<()> {
        let (benchmarks, output) = match self {
            Self::All(all) => (all.args.benchmarks(), all.output),
            Self::Ring(one) => (vec![one.args.benchmark()], one.output),
            Self::Reader(one) => (vec![one.args.benchmark()], one.output),
            Self::Disk(one) => (vec![one.args.benchmark()], one.output),
            Self::Files(one) => (vec![one.args.benchmark()], one.output),
            Self::Memory(one) => (vec![Benchmark::Memory(one.args.dir.clone())], one.output),
            Self::Capture(one) => (vec![one.args.benchmark()], one.output),
            Self::Sniff(one) => (vec![one.args.benchmark()], one.output),
            Self::Tap(one) => (vec![one.args.benchmark()], one.output),
        };
        process::catch_interrupts();
        let mut report = Report::new();
        let are_several = benchmarks.len() > 1;
        for benchmark in benchmarks {
            let name = benchmark.name();
            if are_several {
                hpcap_cli::say(format_args!("measuring: {name}"));
            }
            match benchmark.run(&mut report) {
                Err(e) if are_several && matches!(e.kind(), Kind::Full | Kind::NotFound) => {
                    report.add(Row::skipped(name, e.to_string().replace('\n', " ")));
                }
                other => other?,
            }
        }
        output.print(&report)
    }
}
