//! Checks RAW capture files, and repairs them.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    raw2pcap::checkraw::Cli::parse().run()
}
