//! The program `rxtxcpu`, and the eight others that it is by the name it is called by: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    rxtxcpu::run(std::env::args_os())
}
