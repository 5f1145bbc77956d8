//! The command line of `hpcapctl`.

use clap::{Args, Parser, Subcommand};
use hpcap::QueueName;
use hpcap::pages::Pages;
use hpcap::units::parse_size;

/// Looks after the queues of the kernel module.
#[derive(Debug, Parser)]
#[command(
    name = "hpcapctl",
    version = hpcap_cli::VERSION,
    after_help = "\
Examples:
  hpcapctl ring hpcap0 --size 3G --pages 2M   a ring of 3 GiB in hugepages of 2 MiB
  hpcapctl ring hpcap0:1 --size 64M           queue 1 of adapter 0; hugepages where there are some
  hpcapctl status                             every queue, its ledger, its listeners
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
    /// Show the queues of this machine, or one of them
    Status {
        /// Such as hpcap0 or hpcap0:1
        queue: Option<QueueName>,
        /// Print JSON, one object a line
        #[arg(long)]
        json: bool,
    },
    /// End a listener: it gets no more frames and holds nothing back
    Kill {
        /// Such as hpcap0 or hpcap0:1
        queue: QueueName,
        /// The number in column id of `hpcapctl status`
        id: u64,
    },
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
