//! Converts RAW capture files to pcap or pcapng.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    raw2pcap::convert::Cli::parse().run()
}
