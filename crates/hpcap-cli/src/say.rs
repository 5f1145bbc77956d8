//! Lines on standard error that nobody need read.

use std::fmt::Display;
use std::io::Write;

/// Prints `line` to standard error. That it cannot be written, because a disk is full or a reader has
/// gone, is no reason to stop what the program does; `eprintln!` would panic.
pub fn say(line: impl Display) {
    // One write, so that lines of several processes do not mix.
    let line = format!("{line}\n");
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}
