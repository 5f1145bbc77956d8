//! The command line of `hpcap-bench`.

mod bench_commands;
mod send_command;
mod verify_command;

use clap::{Parser, Subcommand};
use hpcap::Result;

/// Traffic for hpcap, and how well it copes.
#[derive(Debug, Parser)]
#[command(name = "hpcap-bench", version = hpcap_cli::VERSION, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Send(send_command::SendArgs),
    Verify(verify_command::VerifyArgs),
    All(bench_commands::AllArgs),
    Ring(bench_commands::RingArgs),
    Reader(bench_commands::ReaderArgs),
    Disk(bench_commands::DiskArgs),
    Files(bench_commands::FilesArgs),
    Memory(bench_commands::MemoryArgs),
    Capture(bench_commands::CaptureArgs),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Returns the error of the command.
    pub fn run(&self) -> Result<()> {
        match &self.command {
            Command::Send(args) => send_command::run(args),
            Command::Verify(args) => verify_command::run(args),
            Command::All(args) => args.run(),
            Command::Ring(args) => args.run(),
            Command::Reader(args) => args.run(),
            Command::Disk(args) => args.run(),
            Command::Files(args) => args.run(),
            Command::Memory(args) => args.run(),
            Command::Capture(args) => args.run(),
        }
    }
}
