//! The list of frames that `-x` writes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use hpcap::Result;
use hpcap::error::Context;
use hpcap::output_file::{FRAMES_MODE, create_or_replace};
use hpcap::raw::check::Passing;

/// Writes a line for each frame: number, offset of its first byte, caplen, len, seconds.nanoseconds.
#[derive(Debug)]
pub(super) struct Sizes {
    path: PathBuf,
    out: BufWriter<File>,
    number: u64,
}

impl Sizes {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file =
            create_or_replace(path, FRAMES_MODE).context(|| format!("write {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            out: BufWriter::with_capacity(256 << 10, file),
            number: 0,
        })
    }

    /// Starts numbering from 0 for the next file.
    pub(super) fn start(&mut self) {
        self.number = 0;
    }

    pub(super) fn frame(&mut self, passing: Passing<'_>) -> Result<()> {
        let h = passing.header;
        writeln!(
            self.out,
            "{} {} {} {} {}.{:09}",
            self.number, passing.body_offset, h.caplen, h.len, h.sec, h.nsec
        )
        .context(|| format!("write {}", self.path.display()))?;
        self.number += 1;
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<()> {
        self.out
            .flush()
            .context(|| format!("write {}", self.path.display()))
    }
}
