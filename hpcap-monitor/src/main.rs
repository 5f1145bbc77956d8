//! The program `hpcap-monitor`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    hpcap_monitor::run(&hpcap_cli::parse(hpcap_monitor::cli::HINTS))
}
