//! The command line of `hpcap-bench`.

mod bench_commands;
mod compare_command;
mod instructions_command;
mod limits_command;
mod report_command;
mod run_command;
mod send_command;
mod verify_command;

use std::fmt::Display;
use std::io::Write;

use clap::{Args, Parser, Subcommand};
use hpcap::error::Context;
use hpcap::visible::visible_json;
use hpcap::{Error, Result};
use serde::Serialize;

const AFTER: &str = "\
Examples:
  hpcap-bench all --dir /data                            measure hpcap on this machine
  hpcap-bench run --quick                                captures beside other programs
  hpcap-bench limits 40G --size 60,imix                  what a link of 40 Gb/s leaves for a frame
  hpcap-bench send gen:size=imix,rate=1G --to eth1       send traffic
  hpcap-bench verify hpcap0 --frames 1000000             check every frame that arrives

Exit codes: 0 done, 1 failed (verify: something is wrong with the frames), 2 usage.";

/// Measures hpcap, sends traffic to it, and verifies what it captured.
#[derive(Debug, Parser)]
#[command(name = "hpcap-bench", version = hpcap_cli::VERSION, max_term_width = 100, after_help = AFTER)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run_command::RunArgs),
    Compare(compare_command::CompareArgs),
    Report(report_command::ReportArgs),
    Send(send_command::SendArgs),
    Verify(verify_command::VerifyArgs),
    Limits(limits_command::LimitsArgs),
    Instructions(instructions_command::InstructionsArgs),
    #[command(flatten)]
    Bench(bench_commands::BenchCommand),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Returns the error of the command.
    pub fn run(&self) -> Result<()> {
        match &self.command {
            Command::Run(args) => run_command::run(args),
            Command::Compare(args) => compare_command::run(args),
            Command::Report(args) => report_command::run(args),
            Command::Send(args) => send_command::run(args),
            Command::Verify(args) => verify_command::run(args),
            Command::Limits(args) => limits_command::run(args),
            Command::Instructions(args) => instructions_command::run(args),
            Command::Bench(command) => command.run(),
        }
    }
}

/// How results are printed.
#[derive(Debug, Args, Clone, Copy)]
struct Output {
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

impl Output {
    /// Prints a result as text, or as one JSON object.
    fn print(self, result: &(impl Display + Serialize)) -> Result<()> {
        let tried = || "print the result";
        let text = if self.json {
            let json = serde_json::to_string(result).map_err(|e| Error::io(tried(), e.into()))?;
            visible_json(&json).into_owned()
        } else {
            result.to_string()
        };
        hpcap_service::let_signals_end();
        writeln!(std::io::stdout().lock(), "{text}").context(tried)
    }
}
