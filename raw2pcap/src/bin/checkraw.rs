//! Checks RAW capture files, and repairs them.

use std::process::ExitCode;

use raw2pcap::checkraw::{Cli, HINTS};

fn main() -> ExitCode {
    hpcap_cli::parse::<Cli>(HINTS).run()
}
