//! The command line.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Command, CommandFactory, FromArgMatches, Parser};
use hpcap::units::{parse_caplen, parse_duration, parse_size};

use crate::invocation::{Invocation, NAMES};
use crate::steer::Steer;
use crate::subject::Subject;

const LONG: &str = "\
Captures the frames of each CPU by themselves, counts them, and writes them to a file for each CPU. \
The counts show which CPU handles which frames, and so whether RSS, RPS, XPS and interrupt \
affinities do what they were set up for.

What is captured depends on the name by which the program is called:
  rxtxcpu    rxcpu    txcpu      per CPU: both directions, received, sent
  rxtxnuma   rxnuma   txnuma     per NUMA node
  rxtxqueue  rxqueue  txqueue    per queue of the interface

Options and output are those of StackPath's program of this name.";

const EXAMPLES: &str = "\
Examples:
  rxtxcpu eth0                      count the frames of each CPU until Ctrl-C
  rxcpu -l 0-3 -c 1000 eth0         1000 received frames of CPUs 0 to 3
  txcpu -w out.pcap eth0            sent frames, to out-0.pcap, out-1.pcap, ...
  rxtxcpu -l 2 -w - eth0 | tcpdump -nr -   look at what CPU 2 handles
  rxtxqueue -f 'port 53' -w dns.pcapng eth0   queues, with the queue in each packet
  rxqueue --xdp -w out.pcapng eth1  what arrives on each queue, before the network stack sees it
  rxtxcpu --repeats -d tx eth0      find a frame that is sent again and again

Signals: SIGINT and SIGTERM end the capture; the frames of the rings are still written, and the \
summary is printed. SIGUSR1 prints how many frames were captured so far.

Exit codes: 0 done, 1 failed (the summary says what was captured until then), 2 usage.";

/// The command line of all nine names.
#[derive(Debug, Clone, Parser)]
#[command(name = "rxtxcpu", version = hpcap_cli::VERSION, about = "Capture the frames of each CPU, NUMA node or queue by themselves", long_about = LONG, after_long_help = EXAMPLES, after_help = "More, with examples: --help")]
#[command(infer_long_args = true, args_override_self = true)]
pub struct Cli {
    /// The interface to capture; all of them by default.
    #[arg(value_name = "INTERFACE", num_args = 0..)]
    pub interfaces: Vec<String>,

    /// Exit after receiving N packets, in all streams together; 0 for no limit.
    #[arg(short, long, value_name = "N", allow_hyphen_values = true)]
    pub count: Option<String>,

    /// Capture only on the CPUs of a list, such as 0,2-4,6.
    #[arg(
        short = 'l',
        long = "cpu-list",
        value_name = "CPULIST",
        allow_hyphen_values = true
    )]
    pub list: Option<String>,

    /// Capture only on the CPUs of a hexadecimal mask, such as 5d for 0,2-4,6.
    #[arg(
        short = 'm',
        long = "cpu-mask",
        value_name = "CPUMASK",
        allow_hyphen_values = true
    )]
    pub mask: Option<String>,

    /// Capture only packets of a direction: rx, tx or rxtx. The name of the program says it
    /// otherwise.
    #[arg(short, long, value_name = "DIRECTION", allow_hyphen_values = true)]
    pub direction: Option<String>,

    /// Write each packet to its file at once, rather than together with others.
    #[arg(short = 'U', long)]
    pub packet_buffered: bool,

    /// Put the interface into promiscuous mode.
    #[arg(short, long)]
    pub promiscuous: bool,

    /// Say on stderr what is captured and how.
    #[arg(short, long)]
    pub verbose: bool,

    /// Write packets to a file for each stream: out.pcap stands for out-0.pcap, out-1.pcap and so
    /// on. A name that ends in .pcapng gives pcapng. `-` is stdout, for a single stream.
    #[arg(short, long, value_name = "FILE", allow_hyphen_values = true)]
    pub write: Option<OsString>,

    /// Capture only packets that match EXPR, in tcpdump's syntax.
    #[arg(short, long, value_name = "EXPR", help_heading = "Packets")]
    pub filter: Option<String>,

    /// Keep only the first N bytes of each packet; 0 keeps whole packets.
    #[arg(short, long, visible_alias = "caplen", value_name = "N", value_parser = parse_caplen, help_heading = "Packets")]
    pub snaplen: Option<u32>,

    /// At the end, name the frames that were sent at least N times, byte for byte; 100 by default.
    /// A driver or queueing discipline that is stuck hands over the same frame again and again.
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "100",
        value_parser = clap::value_parser!(u64).range(2..),
        help_heading = "Packets"
    )]
    pub repeats: Option<u64>,

    /// Let an XDP program take the received packets of each queue, before the network stack, which gets none of them.
    /// OPTIONS are those of the source af_xdp: mode=generic, takeover=on and others.
    #[arg(
        long,
        value_name = "OPTIONS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        help_heading = "Machine"
    )]
    pub xdp: Option<String>,

    /// Format of the files: pcap or pcapng. The ending of FILE says it otherwise.
    #[arg(long, value_name = "FORMAT", help_heading = "Files")]
    pub format: Option<Format>,

    /// Start a new file before a file exceeds this size. Files are then called out-0_00001.pcap,
    /// out-0_00002.pcap and so on.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, requires = "write", help_heading = "Files")]
    pub rotate_size: Option<u64>,

    /// Start a new file when a file spans this time, such as 60s or 1h.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "write", help_heading = "Files")]
    pub rotate_time: Option<Duration>,

    /// Stop after this time.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Limits")]
    pub duration: Option<Duration>,

    /// Print the rates of each stream on stderr every TIME; every second by default.
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1s",
        value_parser = parse_duration,
        help_heading = "Output"
    )]
    pub live: Option<Duration>,

    /// Size of the ring of each stream. Default: 16M, and less where that would be more than 256M in
    /// all.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Machine")]
    pub ring: Option<u64>,
}

/// The command that predicts; only the first name has it.
const STEER: &str = "steer";

/// Format of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Classic pcap.
    Pcap,
    /// pcapng, with the direction of each packet, and the queue of each packet where queues are
    /// captured.
    Pcapng,
}

/// The command line of one name, whose list and mask are called after its subject.
#[must_use]
pub fn command(invocation: &Invocation) -> Command {
    let mut command = Cli::command().name(invocation.program);
    if invocation.program == NAMES[0].program {
        command = command
            .subcommand(Steer::command().name(STEER))
            .disable_help_subcommand(true);
    }
    let (list, mask, whose) = match invocation.subject {
        Subject::Cpu => return command,
        Subject::Node => (
            ["numa-list", "NUMALIST"],
            ["numa-mask", "NUMAMASK"],
            "NUMA nodes",
        ),
        Subject::Queue => (
            ["queue-list", "QUEUELIST"],
            ["queue-mask", "QUEUEMASK"],
            "queues",
        ),
    };
    command
        .mut_arg("list", |arg| {
            arg.long(list[0]).value_name(list[1]).help(format!(
                "Capture only on the {whose} of a list, such as 0,2-4,6"
            ))
        })
        .mut_arg("mask", |arg| {
            arg.long(mask[0]).value_name(mask[1]).help(format!(
                "Capture only on the {whose} of a hexadecimal mask, such as 5d for 0,2-4,6"
            ))
        })
}

/// What a command line asks for.
#[derive(Debug, Clone)]
pub enum Request {
    /// A capture.
    Capture(Box<Cli>),
    /// A prediction.
    Steer(Box<Steer>),
}

impl Request {
    /// Parses the words of a command line, whose first word is the name.
    ///
    /// # Errors
    /// What clap finds wrong; help and version count as errors.
    pub fn of(invocation: &Invocation, words: &[OsString]) -> Result<Self, clap::Error> {
        let matches = command(invocation).try_get_matches_from(words)?;
        Ok(match matches.subcommand() {
            Some((_, steer)) => Self::Steer(Box::new(Steer::from_arg_matches(steer)?)),
            None => Self::Capture(Box::new(Cli::from_arg_matches(&matches)?)),
        })
    }
}
