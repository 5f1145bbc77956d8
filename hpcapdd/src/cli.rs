//! The command line.

use std::ffi::OsString;
use std::time::Duration;

use clap::{ArgAction, ArgGroup, Parser};
use hpcap::compress::{Compression, FileFormat};
use hpcap::free_space::FreeSpace;
use hpcap::units::{parse_caplen, parse_duration, parse_size};
use hpcap_cli::Hint;
use hpcap_host::pages::Pages;

use crate::form::{parse_compression, parse_format};
use crate::storage::access::{parse_group, parse_mode};

const LONG: &str = "\
Records a queue: every frame that it publishes, into RAW files of at most 2 GiB, into pcapng or \
pcap files, or as pcapng into a pipe. Files stand in half-hour folders under DEST, are called \
*.raw.part while they are written, and are renamed when they are complete; nothing is ever \
overwritten. A DEST that ends in .raw, .pcapng or .pcap is one file.";

const EXAMPLES: &str = "\
Examples:
  hpcapdd hpcap0 /data                           record queue 0 of adapter 0
  hpcapdd hpcap0:1 /data --rotate-time 1m --keep-free 50G
  hpcapdd 'hpcap0:*' /disk0 /disk1               record all queues of adapter 0 to two disks
  hpcapdd -i eth0 -w /data                       capture eth0 without a daemon
  hpcapdd -i eth0 -w /data -s 128 port 53        128 bytes of each frame from or to port 53
  hpcapdd -i eth0 -w /data --format pcapng --rotate-time 1h --aligned --compress zst
  hpcapdd -i eth0 -w out.pcapng                  one pcapng file
  hpcapdd hpcap0 - | tcpdump -r -                look at the traffic
  hpcapdd 0 1 /data                              the original's form: adapter 0, queue 1
  hpcapdd --source gen:size=60,count=1000000 null

Signals: SIGINT and SIGTERM store what is in the ring, close the file and exit; a second one, \
half a second later or more, stops where it is. SIGHUP starts a new file, or ends the recording \
when its terminal went away. SIGUSR1 prints statistics.

Exit codes: 0 done, 1 failed (what was captured until then is safe), 2 usage.";

/// The command line of the recorder.
#[derive(Debug, Clone, Parser)]
#[command(group = ArgGroup::new("capture").multiple(true))]
#[command(name = "hpcapdd", version = hpcap_cli::VERSION, arg_required_else_help = true, about = "Record a queue to RAW files, or to a pipe as pcapng", long_about = LONG, after_long_help = EXAMPLES, after_help = "More, with examples: --help")]
pub struct Cli {
    /// QUEUE DEST; DEST alone with -i or --source; or the original's IF QUEUE DEST.
    ///
    /// QUEUE is hpcapN or hpcapN:Q; hpcapN:* means all queues of the adapter, each with a thread and
    /// files of its own, and then several folders may follow, which the queues use in turn. DEST is
    /// a folder (made if its parent exists), a file that ends in .raw, .pcapng or .pcap, `null` to
    /// receive and discard, or `-` for pcapng on stdout. With -w, further words are the filter.
    #[arg(value_name = "QUEUE DEST", num_args = 0..)]
    pub operands: Vec<OsString>,

    /// Capture from this network interface; short for --source af_packet:IF. Can be given several
    /// times.
    #[arg(short, long, value_name = "IF", group = "capture")]
    pub interface: Vec<String>,

    /// Capture from SPEC inside this process: af_packet:IF, af_xdp:IF, auto:IF, pcap:FILE or gen:...
    /// Several sources are merged by time into one pcapng file, or recorded side by side as RAW files.
    #[arg(
        long,
        value_name = "SPEC",
        group = "capture",
        conflicts_with = "interface"
    )]
    pub source: Vec<OsString>,

    /// Record to DEST; an option for users of tcpdump and dumpcap.
    #[arg(short, long, value_name = "DEST")]
    pub write: Option<OsString>,

    /// List the network interfaces of this machine.
    #[arg(short = 'D', long, exclusive = true)]
    pub list_interfaces: bool,

    /// What happens when the recorder is too slow: `lossless` holds the ring back, `lossless:5s`
    /// does so for 5 s at most, `lossy` lets the ring overrun the recorder.
    ///
    /// Default: lossless; lossy for a live view, which is DEST `-` on a QUEUE: a reader that
    /// pauses costs the other listeners nothing.
    #[arg(long, value_name = "HOW")]
    pub contract: Option<String>,

    /// Record from the start of a `file` of the stream, or from its `newest` or `oldest` record.
    ///
    /// The recorder stores whole blocks after `file`, and frame by frame otherwise. Default: file;
    /// newest for DEST `-`.
    #[arg(long, value_name = "WHERE")]
    pub start: Option<String>,

    /// Wait for the queue if it does not exist, and again after its producer has stopped or died.
    #[arg(long, conflicts_with = "capture")]
    pub wait: bool,

    /// Stop after this time.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Limits")]
    pub duration: Option<Duration>,

    /// Stop after this many frames. The recorder then stores frame by frame.
    #[arg(short = 'c', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Limits")]
    pub frames: Option<u64>,

    /// Stop when the output has this size. The last record is stored whole.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Limits")]
    pub bytes: Option<u64>,

    /// Stop after this many files.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Limits")]
    pub files: Option<u64>,

    /// Start a new file before a file exceeds this size. RAW files have whole blocks: two at least,
    /// and 2G at most.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Files")]
    pub rotate_size: Option<u64>,

    /// Start a new file when a file spans this time, such as 60s, 5m or 1h.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Files")]
    pub rotate_time: Option<Duration>,

    /// Start new files at whole multiples of --rotate-time in local time: 1h means on the hour.
    #[arg(long, requires = "rotate_time", help_heading = "Files")]
    pub aligned: bool,

    /// Format of the files: raw, pcapng or pcap. A DEST with one of these endings has that format.
    #[arg(long, value_name = "FORMAT", value_parser = parse_format, help_heading = "Files")]
    pub format: Option<FileFormat>,

    /// Compress each pcapng or pcap file when it is finished, with gz or zst.
    #[arg(long, value_name = "METHOD", value_parser = parse_compression, help_heading = "Files")]
    pub compress: Option<Compression>,

    /// Run CMD for each finished file, with its path as the last argument and in HPCAP_FILE.
    #[arg(long, value_name = "CMD", help_heading = "Files")]
    pub on_complete: Option<OsString>,

    /// Delete finished files of the recorded source that are older than this.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Files")]
    pub keep_age: Option<Duration>,

    /// Delete the oldest finished files of the recorded source until the others take at most SIZE.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Files")]
    pub keep_size: Option<u64>,

    /// Delete the oldest finished files of the recorded source while the disk has less free space; 5% is a part of it.
    #[arg(long, value_name = "SIZE|N%", help_heading = "Files")]
    pub keep_free: Option<FreeSpace>,

    /// Keep at most N finished files of the recorded source, and delete the oldest.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Files")]
    pub keep_files: Option<u64>,

    /// Permissions of the files, such as 0640. Whoever can read the files can enter their folders.
    #[arg(long, value_name = "MODE", value_parser = parse_mode, help_heading = "Files")]
    pub file_mode: Option<u32>,

    /// Group of the files and their folders: a name or a number.
    #[arg(long, value_name = "GROUP", value_parser = parse_group, help_heading = "Files")]
    pub file_group: Option<u32>,

    /// Write through the page cache instead of with O_DIRECT.
    #[arg(long, help_heading = "Files")]
    pub buffered: bool,

    /// Keep only the frames that match EXPR, in tcpdump's syntax.
    #[arg(short, long, value_name = "EXPR", help_heading = "Frames")]
    pub filter: Option<String>,

    /// Keep only the first N bytes of each frame; 0 keeps whole frames.
    #[arg(short = 's', long, visible_alias = "snaplen", value_name = "N", value_parser = parse_caplen, help_heading = "Frames")]
    pub caplen: Option<u32>,

    /// Write no tags into RAW files, for programs that were made for the original's files.
    #[arg(long, help_heading = "Frames")]
    pub plain: bool,

    /// Size of the ring, with -i or --source. Default: 256M, or 16M if the source waits.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, requires = "capture", help_heading = "Machine")]
    pub ring: Option<u64>,

    /// Kind of memory pages that hold the ring, with -i or --source.
    #[arg(
        long,
        value_name = "ordinary|2M|1G|auto",
        requires = "capture",
        help_heading = "Machine"
    )]
    pub pages: Option<Pages>,

    /// Run the poll thread on this CPU, with -i or --source.
    #[arg(
        long,
        value_name = "CPU",
        requires = "capture",
        help_heading = "Machine"
    )]
    pub cpu: Option<usize>,

    /// Run the thread that stores the frames on this CPU. With several queues, their threads run on
    /// the CPUs of a list, such as 2,3, in turn.
    #[arg(
        long,
        value_name = "CPU",
        value_delimiter = ',',
        help_heading = "Machine"
    )]
    pub recorder_cpu: Vec<usize>,

    /// Print JSON instead of text, one object on each line: on stdout, or on stderr with DEST `-`.
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// Print a progress line every second even if stderr is not a terminal.
    #[arg(
        short = 'v',
        long,
        overrides_with = "progress",
        help_heading = "Output"
    )]
    pub progress: bool,

    /// Print only warnings and errors.
    #[arg(long, short, action = ArgAction::SetTrue, conflicts_with_all = ["progress", "json"], help_heading = "Output")]
    pub quiet: bool,
}

/// Hints for options that users know from other tools.
pub const HINTS: &[Hint] = &[
    Hint {
        options: &["-r", "--read-file"],
        advice: "a capture file is a source: hpcapdd --source pcap:FILE DEST; RAW files are read by raw2pcap",
    },
    Hint {
        options: &["-G"],
        advice: "a new file every so often is --rotate-time TIME",
    },
    Hint {
        options: &["-C"],
        advice: "a new file at a size is --rotate-size SIZE",
    },
    Hint {
        options: &["-W"],
        advice: "the newest N files are kept by --keep-files N; --files N stops after N files",
    },
    Hint {
        options: &["-b", "--ring-buffer"],
        advice: "a new file is started by --rotate-size SIZE and --rotate-time TIME, the newest N \
                 are kept by --keep-files N",
    },
    Hint {
        options: &["-a", "--autostop"],
        advice: "limits are --duration TIME, --frames N, --bytes SIZE and --files N",
    },
    Hint {
        options: &["-z"],
        advice: "a command for each finished file is --on-complete COMMAND, compression --compress zst",
    },
    Hint {
        options: &["-P"],
        advice: "the format is --format pcap; a DEST that ends in .pcap is enough",
    },
    Hint {
        options: &["-B", "--buffer-size"],
        advice: "the size of the ring is --ring SIZE",
    },
    Hint {
        options: &["--engine-cpu"],
        advice: "--cpu CPU is where the poll thread runs, --recorder-cpu CPU where frames are stored",
    },
    Hint {
        options: &["-p", "--no-promiscuous-mode"],
        advice: "that is an option of the source: -i eth0,promisc=off",
    },
    Hint {
        options: &["-Q", "--direction"],
        advice: "that is an option of the source: -i eth0,direction=in",
    },
    Hint {
        options: &["-n", "-nn", "-e", "-x", "-X", "-A"],
        advice: "hpcapdd prints no frames: hpcapdd -i eth0 -w - | tcpdump -nn -r -",
    },
    Hint {
        options: &["-U", "--packet-buffered", "--immediate-mode"],
        advice: "that needs no option: what was captured is on disk within a second",
    },
    Hint {
        options: &["--status", "--kill", "--watch"],
        advice: "hpcapctl shows and ends: hpcapctl status, hpcapctl kill QUEUE ID",
    },
    Hint {
        options: &["--group"],
        advice: "the group of files is --file-group; that of sockets is an option of the daemon hpcapd",
    },
    Hint {
        options: &["--run-dir", "--look-back", "--dedup", "--no-linger"],
        advice: "that is an option of the daemon hpcapd, which serves queues",
    },
    Hint {
        options: &[
            "--from",
            "--to",
            "--split-size",
            "--split-time",
            "-o",
            "--output",
        ],
        advice: "that is an option of raw2pcap, which converts recordings",
    },
];
