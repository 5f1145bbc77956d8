//! The kernel module's queues from the command line: the memory under a ring, the state of all
//! queues, ending a listener.

pub mod cli;
pub mod ring;

use std::io::{self, Write};

use hpcap::error::Context;
use hpcap::queue::status::report;
use hpcap::{Queue, Result};

use cli::{Cli, Command};

/// Does what was asked for.
///
/// # Errors
/// What went wrong, and what to do about it.
pub fn run(cli: &Cli) -> Result<()> {
    match &cli.command {
        Command::Ring(ring) => print(&ring::set(ring)?),
        Command::Status { queue, json } => {
            print(&report(*queue, *json, |e| eprintln!("hpcapctl: {e}"))?)
        }
        Command::Kill { queue, id } => {
            Queue::open(*queue)?.kill(*id)?;
            print(&format!("listener {id} of {queue} is killed\n"))
        }
    }
}

fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Nobody reads any more, and what was asked for is done.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context(|| "write to standard output"),
    }
}
