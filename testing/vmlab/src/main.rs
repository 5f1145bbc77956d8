//! `vmlab`: runs a command in a virtual machine.

use std::process::ExitCode;

fn main() -> ExitCode {
    vmlab::cli::main()
}
