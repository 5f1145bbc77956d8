//! A file that only grows, by whole lines.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use hpcap::Result;
use hpcap::error::Context;

/// Permissions of files: the group may read.
const FILE_MODE: u32 = 0o640;
/// Permissions of folders.
const FOLDER_MODE: u32 = 0o750;
/// Bytes that are read at once in the search for the last line end.
const CHUNK: u64 = 4096;

/// A file to which whole lines are appended.
///
/// A file that was deleted, or whose folder has vanished, is created again. A write that fails in the middle of a line
/// is taken back.
#[derive(Debug)]
pub struct LineFile {
    path: PathBuf,
    file: Option<File>,
    was_removed: bool,
}

impl LineFile {
    /// Names the file. It is created, with its folder, by the first line.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            file: None,
            was_removed: false,
        }
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file was removed while it was written, since the last call.
    #[must_use]
    pub fn take_removed(&mut self) -> bool {
        std::mem::take(&mut self.was_removed)
    }

    /// Opens the file unless it is open, and returns whether it was opened by this call. A line that
    /// was cut short is removed.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn open(&mut self) -> Result<bool> {
        // A deleted file has no name left, and what is written to it is lost.
        let is_removed = self.file.as_ref().is_some_and(|file| {
            file.metadata()
                .map_or(true, |metadata| metadata.nlink() == 0)
        });
        self.was_removed |= is_removed;
        let gone = is_removed || self.file.is_none();
        if gone {
            self.file = None;
            let tried = || format!("open the log {}", self.path.display());
            if let Some(folder) = self.path.parent() {
                let mut builder = DirBuilder::new();
                builder.recursive(true).mode(FOLDER_MODE);
                builder.create(folder).context(tried)?;
            }
            let mut file = OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .mode(FILE_MODE)
                // A pipe under the name of a log must not block, and a link must not lead elsewhere.
                .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
                .open(&self.path)
                .context(tried)?;
            remove_cut_line(&mut file).context(tried)?;
            self.file = Some(file);
        }
        Ok(gone)
    }

    /// Appends `lines`, which end with a newline: all of them or none.
    ///
    /// # Errors
    /// Errors of the file system. The next call tries again with a file opened anew.
    pub fn append(&mut self, lines: &[u8]) -> Result<()> {
        self.open()?;
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let written = file.metadata().and_then(|before| {
            file.write_all(lines)
                .inspect_err(|_| drop(file.set_len(before.len())))
        });
        if written.is_err() {
            self.file = None;
        }
        written.context(|| format!("write the log {}", self.path.display()))
    }
}

/// Removes what follows the last newline.
fn remove_cut_line(file: &mut File) -> std::io::Result<()> {
    let length = file.metadata()?.len();
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(CHUNK);
        let mut chunk = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        file.take(end - start).read_to_end(&mut chunk)?;
        match chunk.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => {
                end = start + at as u64 + 1;
                break;
            }
            None => end = start,
        }
    }
    match end == length {
        true => Ok(()),
        false => file.set_len(end),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cut_line_is_removed_before_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("week/log");
        LineFile::at(&path).append(b"whole 1\n").unwrap();
        for cut in ["who", &"x".repeat(3 * 4096 + 1)] {
            let mut text = fs::read(&path).unwrap();
            text.extend_from_slice(cut.as_bytes());
            fs::write(&path, text).unwrap();
            LineFile::at(&path).append(b"whole 2\n").unwrap();
        }
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "whole 1\nwhole 2\nwhole 2\n");
    }

    proptest! {
        #[test]
        fn file_cut_anywhere_keeps_its_whole_lines(cut in 0_usize..40) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("log");
            let text = b"1 22 333\n4444 5\n66666 7\n8\n";
            let cut = cut.min(text.len());
            fs::write(&path, &text[..cut]).unwrap();
            LineFile::at(&path).append(b"end\n").unwrap();
            let whole = text[..cut].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            let expected = [&text[..whole], b"end\n"].concat();
            prop_assert_eq!(fs::read(&path).unwrap(), expected);
        }
    }

    #[test]
    fn vanished_folder_is_created_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LineFile::at(dir.path().join("week/log"));
        log.append(b"1\n").unwrap();
        fs::remove_dir_all(dir.path().join("week")).unwrap();
        log.append(b"2\n").unwrap();
        assert_eq!(fs::read(log.path()).unwrap(), b"2\n");
        assert!(log.take_removed());
        assert!(!log.take_removed());
    }

    #[test]
    fn symbolic_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        fs::write(&target, "precious\n").unwrap();
        std::os::unix::fs::symlink(&target, dir.path().join("log")).unwrap();
        let error = LineFile::at(dir.path().join("log")).append(b"1\n");
        assert!(error.unwrap_err().to_string().contains("open the log"));
        assert_eq!(fs::read(&target).unwrap(), b"precious\n");
    }

    #[test]
    fn failed_write_leaves_no_part_of_a_line() {
        let full = Path::new("/dev/full");
        if !full.exists() {
            println!("skipped: there is no /dev/full here");
            return;
        }
        let mut log = LineFile::at(full);
        let error = log.append(b"1\n").unwrap_err();
        assert_eq!(error.kind(), hpcap::Kind::Full, "{error}");
    }
}
