//! The program `hpcapd`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    hpcapd::run(hpcap_cli::parse(hpcapd::cli::HINTS))
}
