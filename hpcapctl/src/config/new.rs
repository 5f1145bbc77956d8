//! `hpcapctl config new`.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::Args;
use hpcap::error::Context;
use hpcap::units::{parse_caplen, parse_size};
use hpcap::{Error, Kind, Result, visible};
use hpcap_config::model::Engine;
use hpcap_config::propose::{Wishes, propose};
use hpcap_config::{DEFAULT_PATH, Document, Level, Machine, Problems, check, save};
use hpcap_host::pages::Pages;

use super::ask;
use crate::output::print;

/// What the configuration is to be like.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcapctl config new                                 ask, and write /etc/hpcap/hpcap.toml
  hpcapctl config new --yes --dry-run                 print what the defaults make
  hpcapctl config new --interface eth0 --record /data --yes
  hpcapctl config new --interface 0000:03:00.0 --engine ixgbe --queues 2 --yes -o new.toml

Rings fit the memory of the NIC's node, and poll threads get cores of their own on that node.")]
pub struct New {
    /// Capture this interface: its name, PCI or MAC address; more than once [default: every port on
    /// the PCI bus]
    #[arg(long, value_name = "IF")]
    pub interface: Vec<String>,
    /// What captures: userspace, af_xdp, ixgbe, ixgbevf, igb or netdev [default: by the driver of the port]
    #[arg(long, value_parser = parse_engine)]
    pub engine: Option<Engine>,
    /// Queues of each interface
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=16))]
    pub queues: u16,
    /// Remove duplicates
    #[arg(long)]
    pub dedup: bool,
    /// Keep the first N bytes of each frame; 0 = whole frames
    #[arg(long, value_name = "N", default_value = "0", value_parser = parse_caplen)]
    pub caplen: u32,
    /// Memory pages under the rings
    #[arg(long, value_name = "ordinary|2M|1G|auto", default_value = "auto")]
    pub pages: Pages,
    /// Size of each ring [default: by the memory of the NIC's node]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub ring: Option<u64>,
    /// Record each queue into a folder below DIR
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
    /// Do not log the counters
    #[arg(long)]
    pub no_monitor: bool,
    /// Ask nothing
    #[arg(short, long)]
    pub yes: bool,
    /// Where the configuration goes
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_PATH)]
    pub output: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,
    /// Print the configuration, and write no file
    #[arg(long)]
    pub dry_run: bool,
}

fn parse_engine(text: &str) -> Result<Engine> {
    let mut engines = Engine::ALL.into_iter();
    engines.find(|engine| engine.name() == text).ok_or_else(|| {
        let known = Engine::ALL.map(Engine::name).join(", ");
        Error::usage(format!("engine {text:?}"), format!("known are {known}"))
    })
}

impl New {
    /// Asks if there is a terminal, and writes or prints the configuration.
    ///
    /// # Errors
    /// Returns [`Kind::Busy`] when the file exists, [`Kind::NotFound`] for an interface that does
    /// not exist, and errors of the system.
    pub fn run(&self) -> Result<()> {
        // The user should not answer questions in vain.
        if !self.dry_run && !self.force && self.output.symlink_metadata().is_ok() {
            return Err(Error::new(
                Kind::Busy,
                format!("write {}", self.output.display()),
                "the file exists",
            )
            .advise("--force replaces it, --output writes another file, --dry-run prints it"));
        }
        let machine = Machine::read();
        let mut wishes = Wishes {
            interfaces: self.interface.clone(),
            engine: self.engine,
            queues: self.queues,
            dedup: self.dedup,
            caplen: self.caplen,
            pages: self.pages,
            ring_bytes: self.ring,
            record: self.record.clone(),
            monitor: !self.no_monitor,
        };
        if !self.yes {
            if !io::stdin().is_terminal() {
                let why = "it asks questions, and standard input is no terminal";
                return Err(Error::usage("config new", why).advise(
                    "--yes takes the defaults and the options: hpcapctl config new --yes",
                ));
            }
            wishes = ask(&machine, &wishes, io::stdin().lock(), io::stderr())?;
        }
        let proposal = propose(&machine, &wishes)?;
        let text = proposal.config.to_string();
        // The given options may contradict each other, such as a ring that is not a multiple of its pages.
        let document = Document::parse("the proposal", &text)?;
        for note in &proposal.notes {
            hpcap_cli::say(note);
        }
        let problems = check::check(&document, Some(&machine));
        for problem in problems.iter().filter(|p| p.level == Level::Warning) {
            hpcap_cli::say(problem);
        }
        let errors: Vec<_> = problems
            .into_iter()
            .filter(|p| p.level == Level::Error)
            .collect();
        if !errors.is_empty() {
            return Err(Problems(errors).into());
        }
        if self.dry_run {
            return print(&text).map(drop);
        }
        if let Some(folder) = self.output.parent().filter(|f| f.ends_with("hpcap")) {
            std::fs::create_dir_all(folder).context(|| format!("make {}", folder.display()))?;
        }
        save(&self.output, &text, self.force)?;
        let output = self.output.display().to_string();
        print(&format!("{} is written\n", visible(&output))).map(drop)
    }
}
