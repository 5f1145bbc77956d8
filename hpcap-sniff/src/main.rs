//! The program `hpcap-sniff`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    hpcap_sniff::run(&hpcap_cli::parse(hpcap_sniff::cli::HINTS))
}
