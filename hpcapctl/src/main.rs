//! `hpcapctl`: queues and their listeners.

use std::process::ExitCode;

use hpcapctl::cli::{Cli, HINTS};

fn main() -> ExitCode {
    match hpcapctl::run(&hpcap_cli::parse::<Cli>(HINTS)) {
        Ok(code) => code,
        Err(e) => {
            hpcap_cli::say(format_args!("hpcapctl: {e}"));
            ExitCode::from(e.exit_code())
        }
    }
}
