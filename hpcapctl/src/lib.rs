//! Queues from the command line: the state of all of them, of the kernel module and of daemons, and
//! ending a listener; the memory under a ring of the kernel module.

pub mod cli;
pub mod ring;
pub mod status;

use std::io::{self, Write};

use hpcap::error::Context;
use hpcap::{Queue, QueueName, Result};

use cli::{Cli, Command};

/// Does what was asked for.
///
/// # Errors
/// What went wrong, and what to do about it.
pub fn run(cli: &Cli) -> Result<()> {
    match &cli.command {
        Command::Ring(ring) => print(&ring::set(ring)?).map(drop),
        Command::Status {
            queue,
            json,
            watch: Some(interval),
        } => status::watch(*queue, *json, *interval, print, |text| {
            eprintln!("hpcapctl: {text}");
        }),
        Command::Status {
            queue,
            json,
            watch: None,
        } => show(*queue, *json),
        Command::Kill { queue, id } => {
            Queue::open(*queue)?.kill(*id)?;
            print(&format!("listener {id} of {queue} is killed\n")).map(drop)
        }
    }
}

/// Prints what can be seen; what cannot is a failure.
fn show(queue: Option<QueueName>, json: bool) -> Result<()> {
    let mut report = status::report(queue, json)?;
    print(&report.text)?;
    let last = report.unseen.pop();
    for e in report.unseen {
        eprintln!("hpcapctl: {e}");
    }
    last.map_or(Ok(()), Err)
}

/// Returns whether somebody reads it: where nobody does, what was asked for is done nevertheless.
fn print(text: &str) -> Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        other => other.context(|| "write to standard output").map(|()| true),
    }
}
