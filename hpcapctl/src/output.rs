//! Printing to standard output.

use std::io::{self, Write};

use hpcap::Result;
use hpcap::error::Context;

/// Prints `text` and returns whether the output still has a reader. A closed pipe is no error,
/// because the command itself succeeded.
///
/// # Errors
/// Returns errors of the system.
pub(crate) fn print(text: &str) -> Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        other => other.context(|| "write to standard output").map(|()| true),
    }
}
