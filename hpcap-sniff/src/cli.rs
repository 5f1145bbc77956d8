//! The command line of `hpcap-sniff`.

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Parser, ValueEnum};
use hpcap::Start;
use hpcap::queue::QueueAddress;
use hpcap_cli::Hint;

use crate::print::Style;

/// Where to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StartAt {
    /// At the next frame that comes.
    Newest,
    /// At the oldest frame that is still in the ring.
    Oldest,
}

impl StartAt {
    /// The start of the listener.
    #[must_use]
    pub fn start(self) -> Start {
        match self {
            Self::Newest => Start::Newest,
            Self::Oldest => Start::Oldest,
        }
    }
}

/// Prints the frames of a queue straight from its ring, without copying them.
///
/// hpcap-sniff is a lossy listener: it never costs a recorder a frame. When it is too slow, the ring
/// overruns it, and the output says where and how many frames are missing.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "hpcap-sniff",
    version = hpcap_cli::VERSION,
    arg_required_else_help = true,
    after_help = "\
Examples:
  hpcap-sniff hpcap0                          follow the queue, a line for each frame
  hpcap-sniff hpcap0 udp port 53              only frames that the filter matches
  hpcap-sniff hpcap0 --start oldest --no-follow   what the ring has, and end
  hpcap-sniff hpcap0 --json -c 100            a hundred frames as JSON, one object on each line
  hpcap-sniff hpcap0 --log                    with the place of each frame in the ring
  hpcap-sniff hpcap0 --count-only             count until Ctrl-C

The totals go to standard error; with --json or --count-only, to standard output.

Exit codes: 0 done, 1 failed, 2 usage."
)]
pub struct Cli {
    /// A queue such as hpcap0, or the path of its socket or device
    #[arg(value_name = "QUEUE", value_parser = queue())]
    pub queue: QueueAddress,

    /// Print only frames that this filter matches, in tcpdump's syntax (pcap-filter(7))
    #[arg(value_name = "FILTER", num_args = 0..)]
    pub words: Vec<String>,

    /// The same filter as one argument
    #[arg(short, long, value_name = "FILTER", conflicts_with = "words")]
    pub filter: Option<String>,

    /// Stop after N frames
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// Print no frame, but their number at the end
    #[arg(long, conflicts_with = "log")]
    pub count_only: bool,

    /// Start at the newest or at the oldest frame of the ring
    #[arg(long, value_name = "WHERE", value_enum, default_value_t = StartAt::Newest)]
    pub start: StartAt,

    /// Stop at the frame that is the newest one when the program starts
    #[arg(long)]
    pub no_follow: bool,

    /// Hold the ring back instead of missing frames; a slow output then costs every listener frames
    #[arg(long)]
    pub lossless: bool,

    /// Print the log of the zero-copy sniffer of 2006: the place in the ring, MACs, type, addresses, protocol
    #[arg(long, conflicts_with = "json")]
    pub log: bool,

    /// Print an object of JSON for each frame
    #[arg(long)]
    pub json: bool,
}

impl Cli {
    /// The filter.
    #[must_use]
    pub fn expression(&self) -> String {
        match &self.filter {
            Some(filter) => filter.clone(),
            None => self.words.join(" "),
        }
    }

    /// The form of the output; `None` to print no frame.
    #[must_use]
    pub fn style(&self) -> Option<Style> {
        match (self.count_only, self.log, self.json) {
            (true, _, _) => None,
            (_, true, _) => Some(Style::Log),
            (_, _, true) => Some(Style::Json),
            _ => Some(Style::Line),
        }
    }
}

/// Parses the name of a queue, or the path of its socket or device.
fn queue() -> impl TypedValueParser<Value = QueueAddress> {
    OsStringValueParser::new().try_map(|word| QueueAddress::try_from(word.as_os_str()))
}

/// Advice for options of other programs that hpcap-sniff does not have.
pub const HINTS: &[Hint] = &[
    Hint {
        options: &["-i", "--interface"],
        advice: "a queue needs no option: hpcap-sniff QUEUE [FILTER]",
    },
    Hint {
        options: &["-w", "--write"],
        advice: "hpcapdd QUEUE FILE records: hpcapdd hpcap0 capture.pcapng",
    },
    Hint {
        options: &["-r", "--read-file"],
        advice: "files are read with raw2pcap FILE -o - | tcpdump -r -",
    },
    Hint {
        options: &["-D", "--list-interfaces"],
        advice: "hpcapctl status lists the queues",
    },
    Hint {
        options: &["-n", "-nn", "-l", "-U"],
        advice: "addresses are never looked up, and lines appear at once",
    },
    Hint {
        options: &["-e", "-v", "-vv", "-x", "-X", "-A"],
        advice: "--json has all headers; the bytes of frames are shown by hpcapdd QUEUE - | tcpdump -r - -X",
    },
];
