//! The files of `/proc`, `/sys`, `/boot` and `/lib` of one machine: below a folder, which is the root of this
//! machine or a copy that a test has, or in memory, where the content of a support tarball is.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use crate::stored::StoredFiles;

/// Limit of the bytes that are read from a file, so that a wrong file cannot exhaust memory.
const FILE_BYTES: u64 = 1 << 20;
/// Limit of the names that are read from a folder.
const NAMES: usize = 1 << 16;

/// The files of a machine.
///
/// A file that is missing, unreadable or malformed is an unknown fact, and not an error: kernels and
/// machines differ in what they report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    root: PathBuf,
    /// The files, if they are in memory; `root` is then `/`.
    stored: Option<Arc<StoredFiles>>,
}

impl Tree {
    /// The files of this machine.
    #[must_use]
    pub fn machine() -> Self {
        Self::at("/")
    }

    /// The files below `root`.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            stored: None,
        }
    }

    /// The files in memory.
    #[must_use]
    pub fn stored(files: StoredFiles) -> Self {
        Self {
            root: PathBuf::from("/"),
            stored: Some(Arc::new(files)),
        }
    }

    /// Whether the files are those of this machine, so that the kernel may also be asked directly.
    #[must_use]
    pub fn is_machine(&self) -> bool {
        self.stored.is_none() && self.root == Path::new("/")
    }

    /// The place of `path` in this tree: `/sys/module` is `ROOT/sys/module`. Files in memory have no place
    /// on a disk.
    #[must_use]
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Returns whether there is something at `path`.
    #[must_use]
    pub fn has(&self, path: impl AsRef<Path>) -> bool {
        match &self.stored {
            Some(stored) => stored.has(path.as_ref()),
            None => self.path(path).exists(),
        }
    }

    /// Returns the text of a file without white space at its ends; `None` if it cannot be read.
    /// Bytes that are no text are replaced.
    #[must_use]
    pub fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let bytes = self.bytes(path)?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// Returns the first MiB of a file; `None` if it cannot be read.
    #[must_use]
    pub fn bytes(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        if let Some(stored) = &self.stored {
            return stored.bytes(path.as_ref()).map(<[u8]>::to_vec);
        }
        let mut bytes = Vec::new();
        let path = self.path(path);
        // Opening a pipe could wait for ever; the files of sysfs are ordinary ones.
        if !path.metadata().ok()?.is_file() {
            return None;
        }
        let file = File::open(path).ok()?;
        file.take(FILE_BYTES).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Returns the value in a file; `None` if the file cannot be read or contains something else.
    #[must_use]
    pub fn value<T: FromStr>(&self, path: impl AsRef<Path>) -> Option<T> {
        self.text(path)?.parse().ok()
    }

    /// Returns the names in a folder, in order; empty if the folder cannot be read.
    #[must_use]
    pub fn names(&self, path: impl AsRef<Path>) -> Vec<String> {
        let mut names: Vec<String> = match &self.stored {
            Some(stored) => stored.names(path.as_ref()),
            None => {
                let Ok(folder) = fs::read_dir(self.path(path)) else {
                    return Vec::new();
                };
                folder
                    .flatten()
                    .take(NAMES)
                    .map(|entry| entry.file_name().to_string_lossy().into_owned())
                    .collect()
            }
        };
        names.sort_by(|a, b| natural_key(a).cmp(&natural_key(b)));
        names
    }

    /// Returns the numbers in the names that consist of `prefix` and a number, in order, such as 0
    /// and 1 for `node0` and `node1`.
    #[must_use]
    pub fn numbers(&self, path: impl AsRef<Path>, prefix: &str) -> Vec<u32> {
        let mut numbers: Vec<u32> = self
            .names(path)
            .iter()
            .filter_map(|name| name.strip_prefix(prefix)?.parse().ok())
            .collect();
        numbers.sort_unstable();
        numbers
    }

    /// Returns the last component of the target of a symbolic link, by which sysfs refers to
    /// drivers and devices.
    #[must_use]
    pub fn link_name(&self, path: impl AsRef<Path>) -> Option<String> {
        let target = match &self.stored {
            Some(stored) => stored.target(path.as_ref())?.to_owned(),
            None => fs::read_link(self.path(path)).ok()?,
        };
        Some(target.file_name()?.to_string_lossy().into_owned())
    }

    /// Returns the path behind all symbolic links of `path`; `None` if there is nothing.
    #[must_use]
    pub fn real_path(&self, path: impl AsRef<Path>) -> Option<PathBuf> {
        match &self.stored {
            Some(stored) => stored.target(path.as_ref()).map(Path::to_owned),
            None => self.path(path).canonicalize().ok(),
        }
    }
}

/// Sorts `rx-10` behind `rx-2`.
fn natural_key(name: &str) -> (&str, u64, &str) {
    let digits = name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (stem, number) = name.split_at(digits);
    (stem, number.parse().unwrap_or(0), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_or_malformed_files_are_unknown() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::at(dir.path());
        fs::write(dir.path().join("number"), " 12\n").unwrap();
        fs::write(dir.path().join("garbage"), b"\xff\xfe1\n").unwrap();
        assert_eq!(tree.value::<u32>("/number"), Some(12));
        assert_eq!(tree.value::<u32>("/garbage"), None);
        assert_eq!(tree.value::<u32>("/missing"), None);
        assert_eq!(tree.text("/"), None, "a folder is no file");
        assert!(tree.names("/missing").is_empty());
    }

    #[test]
    fn pipe_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert_eq!(Tree::at(dir.path()).text("/pipe"), None);
    }

    #[test]
    fn names_are_in_the_order_of_their_numbers() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["rx-10", "rx-2", "rx-0", "tx-1", "rx-x"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let tree = Tree::at(dir.path());
        assert_eq!(tree.names("/"), ["rx-0", "rx-2", "rx-10", "rx-x", "tx-1"]);
        assert_eq!(tree.numbers("/", "rx-"), [0, 2, 10]);
    }
}
