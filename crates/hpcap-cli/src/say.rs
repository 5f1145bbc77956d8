//! Lines on standard error, for users who may not be there to read them.

use std::fmt::Display;
use std::io::Write;

/// Prints `line` to standard error. A line that cannot be written, because a disk is full or a reader has gone, must
/// not end the program; `eprintln!` would panic.
pub fn say(line: impl Display) {
    // One write, so that lines of several processes do not mix.
    let line = format!("{line}\n");
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}
