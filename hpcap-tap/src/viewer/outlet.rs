//! Where the bytes of a viewer go. Only a file on a disk is waited for.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::Path;

use hpcap::error::Context;
use hpcap::output_file::{FRAMES_MODE, create_or_replace};
use hpcap::prompt_writer::PromptWriter;
use hpcap::{Error, Result};

/// Creates or replaces the file `path`.
///
/// # Errors
/// Returns the errors of [`create_or_replace`].
pub(super) fn create_file(path: &Path) -> Result<PromptWriter> {
    let tried = || format!("write {}", path.display());
    let file = create_or_replace(path, FRAMES_MODE).context(tried)?;
    PromptWriter::new(file).context(tried)
}

/// Opens the FIFO `path`; `None` while nobody reads it.
///
/// # Errors
/// Returns the error of the file system.
pub(super) fn open_fifo(path: &Path) -> Result<Option<PromptWriter>> {
    PromptWriter::open_fifo(path).context(|| format!("write {}", path.display()))
}

/// Writes to standard output.
///
/// # Errors
/// Returns a usage error when standard output is a terminal, because frames are no text.
pub fn standard_output() -> Result<PromptWriter> {
    const TRIED: &str = "write to standard output";
    let stdout = io::stdout();
    if stdout.is_terminal() {
        return Err(Error::usage("output -", "standard output is a terminal")
            .advise("pipe it into a program: hpcap-tap hpcap0 -w - | tcpdump -r -"));
    }
    let fd = stdout.as_fd().try_clone_to_owned().context(|| TRIED)?;
    PromptWriter::new(fd).context(|| TRIED)
}
