//! The command line of `hpcap-tap`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{ArgAction, Parser, Subcommand};
use hpcap::compress::FileFormat;
use hpcap::units::{parse_caplen, parse_duration};
use hpcap::{Error, Result, Start};
use hpcap_cli::Hint;

use crate::extcap::install::InstallOptions;
use crate::lookback::Trigger;
use crate::pdump::Pdump;
use crate::select::Pattern;

/// Looks into a running capture: passes the frames of queues to Wireshark, to files, FIFOs and pipes.
/// A tap never disturbs the recorder or other programs. When it is too slow, it alone misses frames,
/// and the output says how many.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "hpcap-tap",
    version = hpcap_cli::VERSION,
    override_usage = "hpcap-tap [OPTIONS] QUEUE...\n       hpcap-tap [OPTIONS] --pdump SPEC...\n       \
                      hpcap-tap install-extcap [--dir DIR] [--remove]",
    arg_required_else_help = true,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  hpcap-tap hpcap0 -w - | tcpdump -nn -r -      watch a queue
  hpcap-tap hpcap0 --listen 19000               serve it: wireshark -k -i TCP@127.0.0.1:19000
  hpcap-tap 'hpcap0:*' -w all.pcapng -c 1000    1000 frames of all queues of adapter 0
  hpcap-tap hpcap0 -f 'udp port 53' -s 128 -w dns.pcap
  hpcap-tap hpcap0 --before 5s --after 2s --on loss -w loss.pcapng
  hpcap-tap --pdump 'port=0,queue=*,rx-dev=/tmp/rx.pcap'

SIGINT and SIGTERM end the tap, SIGUSR1 prints its counts or is the event of --on signal.

Exit codes: 0 done, 1 failed, 2 usage."
)]
pub struct Cli {
    /// What to do besides capturing
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Queues: hpcap0, hpcap0:1, the path of a socket or device, `hpcap0:*` for all queues of an
    /// adapter, `*` for all queues
    #[arg(value_name = "QUEUE", value_parser = pattern())]
    pub queues: Vec<Pattern>,

    /// A queue, as an option; can be given several times
    #[arg(short = 'i', long = "queue", value_name = "QUEUE", value_parser = pattern())]
    pub more_queues: Vec<Pattern>,

    /// List the queues of this machine with their interface and source, and end
    #[arg(short = 'D', long = "list-queues")]
    pub list: bool,

    /// Write to this file or FIFO, or to standard output for `-`; can be given several times. A file
    /// that exists is replaced
    #[arg(
        short = 'w',
        long = "write",
        value_name = "FILE",
        help_heading = "Outputs"
    )]
    pub write: Vec<PathBuf>,

    /// Serve viewers at `[HOST:]PORT`, as `wireshark -i TCP@HOST:PORT` reads them. Without HOST, only
    /// this machine reaches the port. The tap is attached only while somebody views
    #[arg(long, value_name = "[HOST:]PORT", help_heading = "Outputs")]
    pub listen: Vec<String>,

    /// Capture as dpdk-pdump does: (port=N|device_id=INTERFACE),queue=(N|*),rx-dev=FILE,tx-dev=FILE
    #[arg(long, value_name = "SPEC", value_parser = pdump(), help_heading = "Outputs")]
    pub pdump: Vec<Pdump>,

    /// Format of the outputs, pcapng or pcap. A FILE with one of these endings has that format
    /// [default: pcapng]
    #[arg(long, value_name = "FORMAT", value_parser = parse_format, help_heading = "Outputs")]
    pub format: Option<FileFormat>,

    /// Keep only the frames that match EXPR, in tcpdump's syntax
    #[arg(
        short = 'f',
        long,
        value_name = "EXPR",
        default_value = "",
        hide_default_value = true,
        help_heading = "Frames"
    )]
    pub filter: String,

    /// Keep only the first N bytes of each frame; 0 keeps whole frames
    #[arg(short = 's', long, visible_alias = "snaplen", value_name = "N", value_parser = parse_caplen, default_value = "0", hide_default_value = true, help_heading = "Frames")]
    pub caplen: u32,

    /// Begin with the `newest` frame, which is the next one, or with the `oldest` one that is still in
    /// the ring
    #[arg(long, value_name = "WHERE", value_parser = parse_start, default_value = "newest", help_heading = "Frames")]
    pub start: Start,

    /// End after this many frames that match
    #[arg(short = 'c', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Limits")]
    pub frames: Option<u64>,

    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Limits")]
    pub duration: Option<Duration>,

    /// Write nothing before EVENT: a filter that a frame matches, `loss`, `signal` for SIGUSR1, or
    /// `command:CMD` for the end of a shell command. Then write the frames around it, and end
    #[arg(long, value_name = "EVENT", value_parser = trigger(), help_heading = "Time machine")]
    pub on: Vec<Trigger>,

    /// With --on: write the frames of this time before the event [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "on", help_heading = "Time machine")]
    pub before: Option<Duration>,

    /// With --on: write the frames of this time after the event [default: 2s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "on", help_heading = "Time machine")]
    pub after: Option<Duration>,

    /// With --on: end after N events. The files get numbers: x-1.pcapng, x-2.pcapng
    #[arg(long, value_name = "N", requires = "on", default_value = "1", hide_default_value = true, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Time machine")]
    pub times: u64,

    /// Print only warnings and errors
    #[arg(short = 'q', long, action = ArgAction::SetTrue)]
    pub quiet: bool,
}

/// What the program does besides capturing.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Show the queues of this machine in Wireshark's list of interfaces
    InstallExtcap(InstallOptions),
}

/// Hints for options that users know from other tools.
pub const HINTS: &[Hint] = &[
    Hint {
        options: &["-l", "-n", "--proc-type", "--file-prefix", "--multi"],
        advice: "that option of DPDK has no meaning here: a tap is an ordinary process",
    },
    Hint {
        options: &["-C", "-G", "-W", "-b", "--ring-buffer"],
        advice: "a tap writes one file; hpcapdd records with rotation and retention",
    },
    Hint {
        options: &["-a", "--autostop"],
        advice: "limits are -c N and --duration TIME",
    },
    Hint {
        options: &["-r", "--read-file"],
        advice: "recordings are read by raw2pcap, capture files by tcpdump -r",
    },
    Hint {
        options: &["-P"],
        advice: "the format is --format pcap; a FILE that ends in .pcap is enough",
    },
    Hint {
        options: &["-U", "--packet-buffered", "--immediate-mode"],
        advice: "that needs no option: frames are passed on within some milliseconds",
    },
];

/// Parses a queue, whose path need not be UTF-8.
fn pattern() -> impl TypedValueParser<Value = Pattern> {
    OsStringValueParser::new().try_map(|word| Pattern::of(&word))
}

/// Parses an event, whose command need not be UTF-8.
fn trigger() -> impl TypedValueParser<Value = Trigger> {
    OsStringValueParser::new().try_map(|word| Trigger::of(&word))
}

/// Parses a specification of dpdk-pdump, whose files need not have names in UTF-8.
fn pdump() -> impl TypedValueParser<Value = Pdump> {
    OsStringValueParser::new().try_map(|word| Pdump::of(&word))
}

fn parse_start(text: &str) -> Result<Start> {
    match text.parse() {
        Ok(start @ (Start::Newest | Start::Oldest)) => Ok(start),
        _ => Err(Error::usage(
            format!("start {text:?}"),
            "expected newest or oldest",
        )),
    }
}

fn parse_format(text: &str) -> Result<FileFormat> {
    match text {
        "pcapng" => Ok(FileFormat::Pcapng),
        "pcap" => Ok(FileFormat::Pcap),
        _ => Err(Error::usage(
            format!("format {text:?}"),
            "expected pcapng or pcap",
        )),
    }
}
