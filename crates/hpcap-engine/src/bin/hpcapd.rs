//! `hpcapd`: serves the frames of network interfaces, files and generators to other programs.

use std::process::ExitCode;

fn main() -> ExitCode {
    hpcap_engine::daemon::main()
}
