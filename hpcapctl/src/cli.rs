//! The command line of `hpcapctl`. Each command has its arguments and examples in its own module.

use clap::{Parser, Subcommand};
use hpcap_cli::Hint;

use crate::config::ConfigCommand;
use crate::doctor::Doctor;
use crate::hugepages::Hugepages;
use crate::install::{Install, Uninstall, Upgrade};
use crate::kill::Kill;
use crate::listeners::Listeners;
use crate::mirror::MirrorCommand;
use crate::monitors::MonitorsCommand;
use crate::port::PortCommand;
pub use crate::ring::Ring;
use crate::selftest::Selftest;
use crate::settings::{Get, Set};
use crate::status::Status;
use crate::up::{Down, Restart, Up};
use crate::vf::VfCommand;

/// Shows queues and their listeners, changes settings, and looks after the configuration.
#[derive(Debug, Parser)]
#[command(
    name = "hpcapctl",
    version = hpcap_cli::VERSION,
    after_help = "\
Examples:
  hpcapctl status                             every queue, its ledger, its listeners
  hpcapctl status hpcap0 --watch              its rates, every second
  hpcapctl up                                 capture as /etc/hpcap/hpcap.toml says
  hpcapctl selftest                           whether what is installed works together
  hpcapctl doctor                             what costs frames, and the next command to type
  hpcapctl hugepages reserve 1G --node 1      1 GiB of free hugepages on NUMA node 1
  hpcapctl listeners                          who is attached, and what killing each one does
  hpcapctl kill hpcap0 4                      end listener 4 of hpcap0
  hpcapctl set hpcap0 caplen=128              change a setting while hpcap0 captures
  hpcapctl ring hpcap0 --size 3G --pages 2M   a ring of 3 GiB in hugepages of 2 MiB
  hpcapctl install eth0                       capture eth0 as a service, now and at each boot
  hpcapctl config new                         write /etc/hpcap/hpcap.toml for this machine

`hpcapctl COMMAND --help` has more examples.

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
    /// Show the queues of this machine, or one of them
    Status(Status),
    /// Show who is attached to queues: contract, lag, command, and what killing it does
    Listeners(Listeners),
    /// End a listener: it gets no more frames and holds nothing back
    Kill(Kill),
    /// Show the settings of a queue of the kernel module
    Get(Get),
    /// Change settings of a queue of the kernel module while it captures (root)
    Set(Set),
    /// Give a queue another ring, in which it starts anew (root)
    Ring(Ring),
    /// Capture network interfaces as services, now and at each boot (root)
    Install(Install),
    /// Renew what `hpcapctl install` has made, after an upgrade of the packages (root)
    Upgrade(Upgrade),
    /// Undo everything that `hpcapctl install` has changed (root)
    Uninstall(Uninstall),
    /// Give a port of a NIC to the kernel module, or back to its plain driver (root)
    #[command(subcommand)]
    Port(PortCommand),
    /// Make, check, show, import and compare configurations
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Bring interfaces up as the configuration says, and start capturing (root)
    Up(Up),
    /// Stop capturing, and put back what `up` changed (root)
    Down(Down),
    /// Take interfaces down and bring them up again (root)
    Restart(Restart),
    /// Start and stop the service that logs the counters, or say whether it works
    #[command(subcommand)]
    Monitors(MonitorsCommand),
    /// Say what on this machine costs frames, and what to do about it
    Doctor(Doctor),
    /// Try with generated traffic whether what is installed works together
    Selftest(Selftest),
    /// Show, create and trust virtual functions of a port
    #[command(subcommand)]
    Vf(VfCommand),
    /// Send copies of an interface's frames out of another one
    #[command(subcommand)]
    Mirror(MirrorCommand),
    /// Show and reserve hugepages, in which rings and files are faster
    #[command(subcommand)]
    Hugepages(Hugepages),
}

/// Advice for options that users know from other programs.
pub const HINTS: &[Hint] = &[
    Hint {
        options: &["--status", "--kill", "--ring", "--set", "--config"],
        advice: "what hpcapctl does is a word without dashes: hpcapctl status, hpcapctl kill QUEUE ID",
    },
    Hint {
        options: &["-i", "-w", "-D", "--source"],
        advice: "hpcapdd -i eth0 -w DEST records, hpcapd -i eth0 serves; both list interfaces with -D",
    },
];
