//! `hpcap-tap` looks into a running capture: it shows the frames of queues to viewers such as
//! Wireshark and writes them into files, without disturbing anybody else.
//!
//! | module | content |
//! |---|---|
//! | [`cli`] | the command line |
//! | [`pdump`] | the specification of a capture in the syntax of dpdk-pdump |
//! | [`select`] | which queues are meant |
//! | [`side`] | whether frames were received or sent |
//! | [`plan`] | what the command line asks for: queues, outputs, limits |
//! | [`tap`] | one queue: its frames, and what is missing between them |
//! | [`viewer`] | an output: a file, a pipe, a FIFO, a TCP connection |
//! | [`session`] | the loop that passes frames from queues to viewers |
//! | [`report`] | what the program tells on standard error |
//! | [`window`] | a span of time of a queue, which may be in the ring already |
//! | [`lookback`] | the time machine: waits for an event, and writes what was before it |
//! | [`extcap`] | Wireshark's list of interfaces, and captures that it starts |
//!
//! A tap is a lossy listener: the producer never waits for it, and tells it how many frames it missed.
//! The same holds between the tap and each of its viewers: a viewer that does not read misses frames,
//! its own output says how many, and no other viewer notices.

#![warn(clippy::cast_possible_truncation)]

pub mod cli;
pub mod extcap;
pub mod lookback;
pub mod pdump;
pub mod plan;
pub mod report;
pub mod select;
pub mod session;
pub mod side;
pub mod tap;
pub mod viewer;
pub mod window;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use hpcap::Result;
use hpcap::error::Context;
use hpcap::message::{self, Level, Messages};

use clap::Parser;
use cli::{Cli, Command, HINTS};
use extcap::ExtcapCli;
use plan::Plan;
use report::Reporter;
use session::{Session, install_signals};

/// Does what the command line `arguments` asks for, and returns the exit code.
#[must_use]
pub fn main(arguments: &[OsString]) -> ExitCode {
    if extcap::is_called_by_wireshark(arguments) {
        hpcap_cli::survive_sigusr1();
        let cli = ExtcapCli::parse_from(arguments);
        return message::run("hpcap-tap", report::notice, |messages| {
            extcap::run(&cli, messages)
        });
    }
    let cli: Cli = hpcap_cli::parse(HINTS);
    message::run("hpcap-tap", report::notice, |messages| {
        try_run(&cli, messages)
    })
}

fn try_run(cli: &Cli, messages: &Messages) -> Result<()> {
    if let Some(Command::InstallExtcap(options)) = &cli.command {
        return print(&extcap::install::run(options)?);
    }
    if cli.list {
        return print(&select::list()?);
    }
    let plan = Plan::new(cli)?;
    let least = if cli.quiet {
        Level::Warning
    } else {
        Level::Info
    };
    if !cli.on.is_empty() {
        return lookback::run(cli, &plan, messages, least);
    }
    let signals = Arc::new(install_signals()?);
    Session::open(plan, Reporter::new(messages, least), signals)?.run()
}

fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // The reader closed the pipe because it has read enough, as `head` does.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context(|| "write to standard output"),
    }
}
