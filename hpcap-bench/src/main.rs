//! `hpcap-bench`: its command line and its exit code.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hpcap::Result;

mod bench_commands;
mod send_command;
mod verify_command;

/// Traffic for hpcap, and how well it copes.
#[derive(Parser)]
#[command(version = hpcap_cli::VERSION, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Send(send_command::SendArgs),
    Verify(verify_command::VerifyArgs),
    All(bench_commands::AllArgs),
    Ring(bench_commands::RingArgs),
    Disk(bench_commands::DiskArgs),
    Files(bench_commands::FilesArgs),
    Memory(bench_commands::MemoryArgs),
    Capture(bench_commands::CaptureArgs),
}

fn run(command: &Command) -> Result<()> {
    match command {
        Command::Send(args) => send_command::run(args),
        Command::Verify(args) => verify_command::run(args),
        Command::All(args) => args.run(),
        Command::Ring(args) => args.run(),
        Command::Disk(args) => args.run(),
        Command::Files(args) => args.run(),
        Command::Memory(args) => args.run(),
        Command::Capture(args) => args.run(),
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
