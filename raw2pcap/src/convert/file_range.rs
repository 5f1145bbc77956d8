//! A range of a file, read with pread(2): several readers of one file do not disturb each other.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Reads the bytes of a file between two offsets.
#[derive(Debug)]
pub(super) struct FileRange {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl FileRange {
    pub(super) fn new(file: Arc<File>, from: u64, end: u64) -> Self {
        Self {
            file,
            at: from,
            end,
        }
    }
}

impl Read for FileRange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let bytes = left.min(buffer.len());
        let read = self.file.read_at(&mut buffer[..bytes], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
