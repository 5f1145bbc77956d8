//! The program `hpcap-tap`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    hpcap_tap::main(&std::env::args_os().collect::<Vec<_>>())
}
