//! The program `hpcap-bench`: see the library.

use std::process::ExitCode;

use clap::Parser;
use hpcap_bench::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hpcap-bench: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
