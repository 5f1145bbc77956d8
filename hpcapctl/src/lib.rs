//! Control of queues from the command line: their state, whether the kernel module or a daemon
//! serves them; the end of a listener; and the memory of a ring of the kernel module.

#![warn(clippy::cast_possible_truncation)]

pub mod cli;
pub mod doctor;
pub mod hugepages;
pub mod ring;
pub mod status;

use std::io::{self, Write};
use std::process::ExitCode;

use hpcap::error::Context;
use hpcap::{Queue, QueueName, Result};

use cli::{Cli, Command};
use doctor::Facts;

/// Runs the command in `cli`, and returns the exit code of a command that did its work.
///
/// # Errors
/// The error of the command, with advice for the user.
pub fn run(cli: &Cli) -> Result<ExitCode> {
    match &cli.command {
        Command::Hugepages { command } => print(&hugepages::run(command)?).map(drop),
        Command::Doctor { interfaces, json } => return examine(interfaces, *json),
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
    .map(|()| ExitCode::SUCCESS)
}

/// Prints what the checks of this machine find. The exit code is 1 if there is a problem.
fn examine(interfaces: &[String], json: bool) -> Result<ExitCode> {
    let findings = doctor::examine(&Facts::gather(interfaces)?);
    print(&doctor::render(&findings, json)?)?;
    Ok(ExitCode::from(u8::from(doctor::has_problem(&findings))))
}

/// Prints the queues that can be opened, and fails if another queue cannot be opened.
fn show(queue: Option<QueueName>, json: bool) -> Result<()> {
    let mut report = status::report(queue, json)?;
    print(&report.text)?;
    let last = report.unseen.pop();
    for e in report.unseen {
        eprintln!("hpcapctl: {e}");
    }
    last.map_or(Ok(()), Err)
}

/// Prints `text` and returns whether the output still has a reader. A closed pipe is no error,
/// because the command itself succeeded.
fn print(text: &str) -> Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        other => other.context(|| "write to standard output").map(|()| true),
    }
}
