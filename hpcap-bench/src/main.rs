//! `hpcap-bench`: what is asked for, and the exit code.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hpcap::Result;

mod ring_command;
mod send_command;
mod verify_command;

/// Traffic for hpcap, and how well it copes.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Send(send_command::SendArgs),
    Ring(ring_command::RingArgs),
    Verify(verify_command::VerifyArgs),
}

fn run(command: &Command) -> Result<()> {
    match command {
        Command::Send(args) => send_command::run(args),
        Command::Ring(args) => ring_command::run(args),
        Command::Verify(args) => verify_command::run(args),
    }
}

fn main() -> ExitCode {
    match run(&Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hpcap-bench: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
