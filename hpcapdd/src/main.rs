//! The recorder: `hpcapdd QUEUE DEST`.

use std::process::ExitCode;

use clap::Parser;
use hpcapdd::cli::Cli;
use hpcapdd::recorder::record;
use hpcapdd::signals::Signals;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match Signals::install().and_then(|signals| record(&cli, signals)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("hpcapdd: {e}");
            ExitCode::from(e.exit_code())
        }
    }
}
