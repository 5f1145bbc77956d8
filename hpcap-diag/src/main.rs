//! The program `hpcap-diag`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    hpcap_diag::run(&hpcap_cli::parse(hpcap_diag::cli::HINTS))
}
