//! Saying something on stderr. Nobody may be there to read it, which is no reason to end.

use std::fmt::Arguments;
use std::io::Write;

/// Writes a line.
pub(crate) fn say(line: Arguments<'_>) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Writes text as it is.
pub(crate) fn say_text(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
