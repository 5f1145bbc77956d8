//! The command line of `hpcap-diag`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use hpcap::units::{parse_duration, parse_size};
use hpcap::{Error, Result};
use hpcap_cli::Hint;

/// Collects what explains a failure into one file, and says what is wrong.
#[derive(Debug, Parser)]
#[command(
    name = "hpcap-diag",
    version = hpcap_cli::VERSION,
    after_help = "\
Examples:
  hpcap-diag now                         what is wrong with this machine, and what to do
  hpcap-diag collect                     write hpcap-diag-TIME.tar.gz into this folder
  hpcap-diag read FILE.tar.gz            what is wrong with the machine that the file is of
  hpcap-diag diff A.tar.gz B.tar.gz      what changed between two files
  dmesg | hpcap-diag decode              files and lines of an oops of hpcap's modules
  hpcap-diag profile 10                  where poll threads, recorders and softirqs spend their time
  hpcap-diag trace 10                    the way of frames through the kernel, and where they are dropped

Exit codes: 0 done, 1 failed, 2 usage."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `hpcap-diag` does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Collect versions, settings, counters and logs of this machine into one file
    Collect(Collect),
    /// Say what is wrong with the machine that a file is of: findings with evidence, meaning and remedy
    Read(Read),
    /// Say what is wrong with this machine now
    Now(Now),
    /// Say what changed between two files
    Diff(Diff),
    /// Turn an oops or a warning of hpcap's modules into files, lines and functions
    Decode(Decode),
    /// Say where poll threads, recorders and softirqs spend their time, by function
    Profile(Profile),
    /// Follow frames through the kernel: times between steps, drops with reason and function
    Trace(Trace),
}

/// Options of `hpcap-diag trace`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcap-diag trace 10                             all interfaces
  hpcap-diag trace 10 --interface eth0            one interface
  hpcap-diag trace 1m --interface eth0 --frames 5 the steps of five frames, then the numbers
  hpcap-diag trace 10 --json | jq 'select(.event == \"summary\").drops'

Every frame of every interface costs its CPU some microseconds while a trace runs, also with --interface.
Frames that never reach the network stack, such as those of the kernel module's poll threads, are not seen.")]
pub struct Trace {
    /// How long to trace, such as 10 or 2m
    #[arg(value_name = "SECONDS", default_value = "10", value_parser = parse_profile_time)]
    pub time: Duration,

    /// Follow frames that pass this interface only
    #[arg(long, value_name = "INTERFACE")]
    pub interface: Option<String>,

    /// Print the steps of this many frames whose end is seen, and end after them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub frames: Option<u32>,

    /// Memory for the records of a tracepoint on a CPU, a power of two [default: up to 512K, 64M for all]
    #[arg(long, value_name = "SIZE", value_parser = parse_buffer)]
    pub buffer: Option<u64>,

    /// Print JSON: a line for each frame of --frames, and one with all numbers
    #[arg(long)]
    pub json: bool,
}

/// Options of `hpcap-diag profile`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcap-diag profile 10
  hpcap-diag profile 30 --flame capture.svg       a picture for a browser: wide is slow
  hpcap-diag profile 10 --pid 1234                another program, and softirqs
  hpcap-diag profile 10 --json | jq .threads

A sample costs a CPU a few microseconds: at 997 a second, less than a half per cent of its time. Ctrl-C ends the
profile early, and prints what was sampled until then.")]
pub struct Profile {
    /// How long to sample, such as 10 or 2m
    #[arg(value_name = "SECONDS", default_value = "10", value_parser = parse_profile_time)]
    pub time: Duration,

    /// Profile this process instead of hpcap's programs and the poll threads of its module; may be given several times
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pub pid: Vec<u32>,

    /// Samples a second of each CPU
    #[arg(long, value_name = "HZ", default_value_t = 997, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    pub frequency: u64,

    /// Largest number of functions that are printed of a thread
    #[arg(long, value_name = "N", default_value_t = 15)]
    pub top: usize,

    /// Write a flame graph into this file, as SVG
    #[arg(long, value_name = "FILE.svg")]
    pub flame: Option<PathBuf>,

    /// Write the stacks into this file, as `thread;outer;inner SAMPLES`, a stack a line
    #[arg(long, value_name = "FILE")]
    pub folded: Option<PathBuf>,

    /// Print JSON, one object with all functions
    #[arg(long)]
    pub json: bool,
}

/// Options of `hpcap-diag decode`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dmesg | hpcap-diag decode
  hpcap-diag decode probe.tar.gz
  hpcap-diag decode dmesg.202611292359 --symbols target/kmod

A module is used only if it is the build that the kernel ran: its build id, or the size of the function, is that of
the log. Of the other files, hpcap-diag says why they do not fit.")]
pub struct Decode {
    /// A log, a file that `hpcap-diag collect` has written, or - for standard input
    #[arg(value_name = "LOG")]
    pub log: Option<PathBuf>,

    /// Search the modules with debug information in this folder; may be given several times
    /// [default: the folders of the kernel that wrote the log, in /usr/lib/debug/lib/modules and /lib/modules]
    #[arg(long, value_name = "DIR")]
    pub symbols: Vec<PathBuf>,
}

/// Options of `hpcap-diag read`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcap-diag read probe.tar.gz
  hpcap-diag read probe.tar.gz --json    one JSON object for each finding

The file is never unpacked to a disk. One that is cut or was changed is read as far as it is sound.
The exit code is 1 if there is a problem.")]
pub struct Read {
    /// A file that `hpcap-diag collect` has written
    #[arg(value_name = "FILE.tar.gz")]
    pub file: PathBuf,

    /// Print JSON, one finding a line
    #[arg(long)]
    pub json: bool,
}

/// Options of `hpcap-diag now`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcap-diag now
  hpcap-diag now --interval 1m           to see losses that are rare

hpcapctl doctor examines the settings of the machine one by one; hpcap-diag now starts from what goes wrong.
The exit code is 1 if there is a problem.")]
pub struct Now {
    /// Time between the two readings of counters
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = parse_interval)]
    pub interval: Duration,

    /// Configuration of hpcap
    #[arg(long, value_name = "FILE", default_value = hpcap_config::DEFAULT_PATH)]
    pub config: PathBuf,

    /// Longest time that all of it may take, without the interval; a file gets a tenth of it
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = parse_interval)]
    pub time_limit: Duration,

    /// Print JSON, one finding a line
    #[arg(long)]
    pub json: bool,
}

/// Options of `hpcap-diag diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcap-diag diff before.tar.gz after.tar.gz

Counters and logs differ between any two moments, and are not compared.")]
pub struct Diff {
    /// The earlier file
    #[arg(value_name = "A.tar.gz")]
    pub first: PathBuf,

    /// The later file
    #[arg(value_name = "B.tar.gz")]
    pub second: PathBuf,

    /// Print JSON, one object
    #[arg(long)]
    pub json: bool,
}

/// Options of `hpcap-diag collect`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcap-diag collect
  hpcap-diag collect -o /tmp/probe.tar.gz --captures /data
  hpcap-diag collect --interval 60s      to see losses that are rare

Addresses, names of hosts and users, and secrets are replaced, the same thing by the same name. Data of frames is
never collected. A file or a folder that cannot be read is listed in manifest.json of the tarball, with the reason;
root can read more.")]
pub struct Collect {
    /// The tarball to write [default: hpcap-diag-TIME.tar.gz]
    #[arg(short, long, value_name = "FILE.tar.gz")]
    pub output: Option<PathBuf>,

    /// Time between the two readings of counters
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_interval)]
    pub interval: Duration,

    /// Replace addresses, names and secrets
    #[arg(long, value_name = "on|off", default_value = "on", value_parser = parse_switch, action = clap::ArgAction::Set)]
    pub redact: bool,

    /// Configuration of hpcap
    #[arg(long, value_name = "FILE", default_value = hpcap_config::DEFAULT_PATH)]
    pub config: PathBuf,

    /// List capture files in this folder, too; may be given several times
    #[arg(long, value_name = "DIR")]
    pub captures: Vec<PathBuf>,

    /// Longest time that all of it may take, without the interval; a file gets a tenth of it
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = parse_interval)]
    pub time_limit: Duration,

    /// Print nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}

/// Advice for options of other programs that hpcap-diag does not have.
pub const HINTS: &[Hint] = &[
    Hint {
        options: &["--batch", "--all-logs", "--tmp-dir"],
        advice: "hpcap-diag collect asks nothing, and writes to the file after -o",
    },
    Hint {
        options: &["--no-redact", "--clean", "--mask"],
        advice: "--redact on|off says whether addresses, names and secrets are replaced",
    },
    Hint {
        options: &["-F", "--freq", "-g", "--call-graph"],
        advice: "hpcap-diag profile takes --frequency HZ, and draws with --flame FILE.svg",
    },
];

/// Parses the time between two readings, or a limit of time.
fn parse_interval(text: &str) -> Result<Duration> {
    let interval = parse_duration(text)?;
    match interval <= Duration::from_secs(3600) {
        true => Ok(interval),
        false => Err(Error::usage(
            format!("time {text:?}"),
            "expected a time of at most 1h",
        )),
    }
}

/// Parses how long a profile takes.
fn parse_profile_time(text: &str) -> Result<Duration> {
    match parse_interval(text)? {
        Duration::ZERO => Err(Error::usage("time \"0\"", "expected a time above 0")),
        time => Ok(time),
    }
}

/// Parses the memory for the records of a tracepoint.
fn parse_buffer(text: &str) -> Result<u64> {
    let bytes = parse_size(text)?;
    match (4 << 10..=16 << 20).contains(&bytes) && bytes.is_power_of_two() {
        true => Ok(bytes),
        false => Err(Error::usage(
            format!("size {text:?}"),
            "expected a power of two from 4K to 16M",
        )),
    }
}

fn parse_switch(text: &str) -> Result<bool> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(Error::usage(format!("{text:?}"), "expected on or off")),
    }
}
