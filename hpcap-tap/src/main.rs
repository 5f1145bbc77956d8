//! The program `hpcap-tap`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    hpcap_tap::run(&hpcap_cli::parse(hpcap_tap::cli::HINTS))
}
