//! The command line of `hpcapd`.

use std::path::PathBuf;

use clap::Parser;
use clap::builder::{OsStringValueParser, TypedValueParser};
use hpcap::units::{parse_caplen, parse_size};
use hpcap::{Error, QueueName, Result};
use hpcap_cli::Hint;

use hpcap::dedup::DedupSettings;
use hpcap_engine::ring::memory::Pages;
use hpcap_source::spec::SourceSpec;

/// Captures frames into shared rings and serves them to other programs.
#[derive(Debug, Parser)]
#[command(
    name = "hpcapd",
    version = hpcap_cli::VERSION,
    after_help = "\
Sources: af_packet:IF, af_xdp:IF, auto:IF, pcap:FILE, gen:KEY=VALUE,... (docs/sources.md). A source
without a name becomes hpcap0, hpcap1, ... in the order given.

Examples:
  hpcapd -i eth0                              serve eth0 as hpcap0
  hpcapd af_xdp:eth1                          serve eth1, of which this machine makes no other use
  hpcapd hpcap3:1=gen:size=60,rate=1G         serve generated frames as hpcap3:1
  hpcapd af_packet:eth0 --dedup ignore=vlan   without the copies of a mirror port

`hpcapctl status` shows what runs, its ledger and its listeners; `hpcapctl kill` ends a listener.

Exit codes: 0 done, 1 failed, 2 usage."
)]
pub struct Cli {
    /// What to serve: [QUEUE=]SOURCE, such as af_packet:eth0 or hpcap1=gen:rate=1G
    #[arg(value_name = "[QUEUE=]SOURCE", value_parser = served(), required_unless_present_any = ["interfaces", "list_interfaces"])]
    pub(super) sources: Vec<Served>,

    /// Serve this network interface; short for the source af_packet:IF. Can be given several times
    #[arg(short = 'i', long = "interface", value_name = "IF", value_parser = served_interface)]
    pub(super) interfaces: Vec<Served>,

    /// List the network interfaces of this machine
    #[arg(short = 'D', long, exclusive = true)]
    pub(super) list_interfaces: bool,

    /// Size of the ring of each queue, such as 64M, 1G or 20G
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = parse_size)]
    pub(super) ring: u64,

    /// Kind of memory pages that hold the ring
    #[arg(long, value_name = "ordinary|2M|1G|auto", default_value = "auto")]
    pub(super) pages: Pages,

    /// Keep only the first N bytes of each frame; 0 keeps whole frames
    #[arg(short = 's', long, visible_alias = "snaplen", value_name = "N", default_value = "0", value_parser = parse_caplen)]
    pub(super) caplen: u32,

    /// Keep only the frames that match EXPR, in tcpdump's syntax
    #[arg(
        short = 'f',
        long,
        value_name = "EXPR",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) filter: String,

    /// Remove copies of frames that were captured shortly before: `on`, or some of
    /// window=32768,bytes=auto|70,age=2s,renew=on|off,ignore=ttl+ipsum+vlan+mac,action=drop|mark
    ///
    /// A frame is a copy when its length and its first BYTES bytes are those of a frame that was
    /// captured at most AGE before and is among the last WINDOW frames. Ignored fields are not
    /// compared. Copies are counted as `duplicate`; with action=mark they stay in the stream, each
    /// with a tag before it.
    #[arg(long, value_name = "on|KEY=VALUE,...")]
    pub(super) dedup: Option<DedupSettings>,

    /// Write neither file headers nor gaps into the stream, for programs that were made for HPCAP
    #[arg(long)]
    pub(super) plain: bool,

    /// Capture even while there are no listeners, so that a later one can read earlier frames
    #[arg(long)]
    pub(super) look_back: bool,

    /// Run the poll threads on these CPUs, one for each source
    #[arg(long, value_name = "CPU,...", value_delimiter = ',')]
    pub(super) cpu: Vec<usize>,

    /// Group that owns the sockets [default: hpcap, if that group exists]
    #[arg(long)]
    pub(super) group: Option<String>,

    /// Folder of the sockets [default: $HPCAP_RUN_DIR, /run/hpcap, or the user's own folder]
    #[arg(long, value_name = "DIR")]
    pub(super) run_dir: Option<PathBuf>,

    /// Stop when the sources have ended, even while listeners still read
    #[arg(long)]
    pub(super) no_linger: bool,

    /// Print JSON, one object on each line
    #[arg(long)]
    pub(super) json: bool,

    /// Print only warnings and errors
    #[arg(short, long, conflicts_with = "json")]
    pub(super) quiet: bool,
}

/// Advice for options of other programs that hpcapd does not have.
pub const HINTS: &[Hint] = &[
    Hint {
        options: &[
            "-w",
            "--write",
            "--rotate-size",
            "--rotate-time",
            "--format",
        ],
        advice: "hpcapd serves and writes no files: hpcapdd hpcap0 DEST records what it serves,\n       \
                 hpcapdd -i eth0 -w DEST records an interface without it",
    },
    Hint {
        options: &[
            "-c",
            "--frames",
            "--duration",
            "--files",
            "--bytes",
            "-a",
            "-G",
            "-C",
            "-W",
            "-b",
        ],
        advice: "hpcapd serves until it is stopped; limits are options of the recorder hpcapdd",
    },
    Hint {
        options: &["--source"],
        advice: "hpcapd takes sources without an option: hpcapd af_packet:eth0",
    },
    Hint {
        options: &["-r"],
        advice: "a capture file is a source: hpcapd pcap:FILE",
    },
    Hint {
        options: &["-B", "--buffer-size"],
        advice: "the size of the ring is --ring SIZE",
    },
    Hint {
        options: &["-p", "--no-promiscuous-mode"],
        advice: "that is an option of the source: hpcapd af_packet:eth0,promisc=off",
    },
    Hint {
        options: &["-n", "-nn", "-e", "-x", "-X", "-A"],
        advice: "hpcapd prints no frames: hpcapdd hpcap0 - | tcpdump -nn -r -",
    },
    Hint {
        options: &["--status", "--kill", "--watch"],
        advice: "hpcapd only serves: hpcapctl status [QUEUE] shows what runs,\n       \
                 hpcapctl kill QUEUE ID ends a listener",
    },
];

/// Parses a source that is served, whose file need not have a name in UTF-8.
fn served() -> impl TypedValueParser<Value = Served> {
    OsStringValueParser::new().try_map(|word| SourceSpec::text_of(&word).parse::<Served>())
}

/// Parses the interface after `-i`.
fn served_interface(name: &str) -> Result<Served> {
    Ok(Served {
        name: None,
        source: format!("af_packet:{name}").parse()?,
    })
}

/// A source, and the name of its queue.
#[derive(Debug, Clone)]
pub(super) struct Served {
    /// `None` stands for the next free `hpcapN`.
    pub(super) name: Option<QueueName>,
    pub(super) source: SourceSpec,
}

impl std::str::FromStr for Served {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // In `hpcap0=af_packet:eth0` the name ends at the first `=`, but in a source without a name
        // the first `=` belongs to an option.
        if let Some((name, source)) = text.split_once('=')
            && (name.starts_with("hpcap") || !name.contains(':'))
        {
            return Ok(Self {
                name: Some(name.parse()?),
                source: source.parse()?,
            });
        }
        let other_tool = match text {
            "status" | "kill" => {
                Some("hpcapctl shows and ends: hpcapctl status, hpcapctl kill QUEUE ID")
            }
            queue if queue.parse::<QueueName>().is_ok() => {
                Some("a queue is what hpcapd makes; hpcapdd QUEUE DEST records one")
            }
            _ => None,
        };
        let source = text.parse().map_err(|error: Error| match other_tool {
            Some(advice) => error.advise(advice),
            None => error,
        });
        Ok(Self {
            name: None,
            source: source?,
        })
    }
}
