//! `hpcapctl`: queues and their listeners.

use std::process::ExitCode;

use clap::Parser;
use hpcapctl::cli::Cli;

fn main() -> ExitCode {
    match hpcapctl::run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("hpcapctl: {e}");
            ExitCode::from(e.exit_code())
        }
    }
}
