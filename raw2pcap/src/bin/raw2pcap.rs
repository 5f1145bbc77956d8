//! Converts RAW capture files to pcap or pcapng.

use std::process::ExitCode;

use raw2pcap::convert::{Cli, HINTS};

fn main() -> ExitCode {
    hpcap_cli::parse::<Cli>(HINTS).run()
}
