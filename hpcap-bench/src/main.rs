//! The program `hpcap-bench`: see the library.

use std::io::Write;
use std::process::ExitCode;

use hpcap_bench::cli::Cli;

fn main() -> ExitCode {
    match hpcap_cli::parse::<Cli>(&[]).run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The exit code reports the failure even if nobody reads the message.
            let _ = writeln!(std::io::stderr(), "hpcap-bench: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
