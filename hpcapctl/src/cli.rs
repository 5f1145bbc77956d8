//! The command line of `hpcapctl`.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use hpcap::units::{parse_duration, parse_size};
use hpcap::{Error, QueueName, Result};
use hpcap_cli::Hint;
use hpcap_host::pages::Pages;

use crate::hugepages::Hugepages;

/// Shows queues and ends their listeners; looks after the rings of the kernel module.
#[derive(Debug, Parser)]
#[command(
    name = "hpcapctl",
    version = hpcap_cli::VERSION,
    after_help = "\
Examples:
  hpcapctl ring hpcap0 --size 3G --pages 2M   a ring of 3 GiB in hugepages of 2 MiB
  hpcapctl ring hpcap0:1 --size 64M           queue 1 of adapter 0; hugepages where there are some
  hpcapctl status                             every queue, its ledger, its listeners
  hpcapctl status hpcap0 --watch              its rates, every second
  hpcapctl doctor                             what costs frames, and the next command to type
  hpcapctl hugepages reserve 1G --node 1      1 GiB of free hugepages on NUMA node 1
  hpcapctl kill hpcap0 4                      end listener 4 of hpcap0

Exit codes: 0 done, 1 failed, 2 usage."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Give a queue another ring, in which it starts anew (root)
    Ring(Ring),
    /// Say what on this machine costs frames, and what to do about it
    Doctor {
        /// Network interfaces to check; without a name, those that capture or have hardware
        #[arg(value_name = "IF")]
        interfaces: Vec<String>,
        /// Print JSON, one finding a line
        #[arg(long)]
        json: bool,
    },
    /// Show and reserve hugepages, in which rings and files are faster
    Hugepages {
        /// What to do with hugepages
        #[command(subcommand)]
        command: Hugepages,
    },
    /// Show the queues of this machine, or one of them
    Status {
        /// Such as hpcap0 or hpcap0:1
        queue: Option<QueueName>,
        /// Print JSON, one object a line
        #[arg(long)]
        json: bool,
        /// Show rates, every second or so often, until it is stopped
        #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true,
              default_missing_value = "1s", value_parser = parse_interval)]
        watch: Option<Duration>,
    },
    /// End a listener: it gets no more frames and holds nothing back
    Kill {
        /// Such as hpcap0 or hpcap0:1
        queue: QueueName,
        /// The number in column id of `hpcapctl status`
        id: u64,
    },
}

/// Advice for options that users know from other programs.
pub const HINTS: &[Hint] = &[
    Hint {
        options: &["--status", "--kill", "--ring"],
        advice: "what hpcapctl does is a word without dashes: hpcapctl status, hpcapctl kill QUEUE ID",
    },
    Hint {
        options: &["-i", "-w", "-D", "--source"],
        advice: "hpcapdd -i eth0 -w DEST records, hpcapd -i eth0 serves; both list interfaces with -D",
    },
];

/// Parses the time between two lines of `status --watch`.
fn parse_interval(text: &str) -> Result<Duration> {
    let interval = parse_duration(text)?;
    if interval < Duration::from_millis(100) {
        return Err(Error::usage(
            format!("time {text:?}"),
            "expected at least 100ms between two looks",
        ));
    }
    Ok(interval)
}

/// A ring.
#[derive(Debug, Args)]
pub struct Ring {
    /// Such as hpcap0 or hpcap0:1
    pub queue: QueueName,

    /// Size of the ring: 64M, 3G
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub size: u64,

    /// Memory pages under it
    #[arg(long, value_name = "ordinary|2M|1G|auto", default_value = "auto")]
    pub pages: Pages,
}
