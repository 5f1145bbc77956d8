//! The program `hpcap-status`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    hpcap_status::run(&hpcap_cli::parse(hpcap_status::cli::HINTS))
}
