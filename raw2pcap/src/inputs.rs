//! The inputs on the command line: files, folders with all files below them, standard input.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

use hpcap::Result;
use hpcap::compress::Decompressor;
use hpcap::error::Context;
use hpcap::raw::files;

/// A file, identified by device and inode. A recorder renames a file when it is complete, and
/// retention deletes files at any moment, so the path alone does not identify it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Listed {
    /// Path of the file when the inputs were listed.
    pub path: PathBuf,
    device: u64,
    inode: u64,
}

/// An input of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Standard input: `-`.
    Stdin,
    /// A file on disk.
    File(Listed),
}

/// An input that is open.
#[derive(Debug)]
pub struct Opened {
    /// The open file.
    pub file: File,
    /// Current path of the file.
    pub path: PathBuf,
    /// Whether a recorder is writing the file or left it unfinished.
    pub under_way: bool,
    /// Whether a recorder is writing the file.
    pub is_locked: bool,
    /// Size in bytes; 0 for pipes and devices.
    pub bytes: u64,
    /// Whether the input is a regular file, which can be read more than once.
    pub is_regular: bool,
}

impl Listed {
    fn of(path: &Path) -> io::Result<Self> {
        let meta = fs::metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            device: meta.dev(),
            inode: meta.ino(),
        })
    }

    /// Device and inode: the same for every name of the file.
    #[must_use]
    pub fn identity(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// Opens the file, under its new name if it was renamed. Returns `None` if it was deleted.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn open(&self) -> Result<Option<Opened>> {
        let tried = || format!("open {}", self.path.display());
        if let Some(opened) = self.open_at(&self.path).context(tried)? {
            return Ok(Some(opened));
        }
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let entries = match fs::read_dir(folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.context(tried)?,
        };
        for entry in entries {
            let entry = entry.context(tried)?;
            if entry.ino() == self.inode
                && let Some(opened) = self.open_at(&entry.path()).context(tried)?
            {
                return Ok(Some(opened));
            }
        }
        Ok(None)
    }

    /// Opens `path`. Returns `None` if the path leads to another file now.
    fn open_at(&self, path: &Path) -> io::Result<Option<Opened>> {
        let file = match File::open(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let meta = file.metadata()?;
        if (meta.dev(), meta.ino()) != self.identity() {
            return Ok(None);
        }
        // A recorder locks the file that it writes.
        let locked = matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock));
        let under_way = locked || path.as_os_str().as_bytes().ends_with(b".part");
        if !locked {
            // Holding the lock would keep a recorder from writing the file.
            let _ = file.unlock();
        }
        Ok(Some(Opened {
            file,
            path: path.to_owned(),
            under_way,
            is_locked: locked,
            bytes: if meta.is_file() { meta.len() } else { 0 },
            is_regular: meta.is_file(),
        }))
    }
}

impl Opened {
    /// Returns the bytes of the input, decompressed, and whether they were compressed.
    ///
    /// # Errors
    /// Errors of reading the input.
    pub fn unpacked(self) -> Result<(Box<dyn Read>, bool)> {
        let tried = || format!("read {}", self.path.display());
        if !self.is_regular {
            let source = Decompressor::new(self.file).context(tried)?;
            let packed = source.is_compressed();
            return Ok((Box::new(source), packed));
        }
        // The limit excludes bytes that a recorder appends later: the last record could be cut.
        let source = Decompressor::new(self.file.take(self.bytes)).context(tried)?;
        let packed = source.is_compressed();
        Ok((Box::new(source), packed))
    }
}

impl Input {
    /// Name of the input in messages.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".into(),
            Self::File(listed) => listed.path.display().to_string(),
        }
    }

    /// Size of the input in bytes; `None` for pipes, devices and standard input.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        match self {
            Self::Stdin => None,
            Self::File(listed) => fs::metadata(&listed.path)
                .ok()
                .filter(fs::Metadata::is_file)
                .map(|m| m.len()),
        }
    }
}

/// Lists the files that `paths` name, sorted within each folder. A file that is named twice is
/// listed once.
///
/// # Errors
/// [`hpcap::Kind::NotFound`] if a path does not exist or a folder has no files; errors of reading
/// a folder.
pub fn expand(paths: &[PathBuf]) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    // Device and inode of the files listed so far.
    let mut seen = HashSet::new();
    for path in paths {
        if path.as_os_str() == "-" {
            if !inputs.contains(&Input::Stdin) {
                inputs.push(Input::Stdin);
            }
            continue;
        }
        for file in files::named(&[path])? {
            // A file that is gone was renamed or deleted since its folder was read.
            if let Some(listed) = list(&file)
                && seen.insert(listed.identity())
            {
                inputs.push(Input::File(listed));
            }
        }
    }
    Ok(inputs)
}

/// Identifies the file at `path`, or at `path` without `.part` if a recorder has completed the
/// file meanwhile.
fn list(path: &Path) -> Option<Listed> {
    Listed::of(path).ok().or_else(|| {
        let name = path.as_os_str().as_bytes().strip_suffix(b".part")?;
        Listed::of(Path::new(std::ffi::OsStr::from_bytes(name))).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(inputs: &[Input]) -> Vec<String> {
        inputs.iter().map(Input::name).collect()
    }

    #[test]
    fn expand_lists_each_file_once() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("1800")).unwrap();
        fs::create_dir_all(at(".hidden")).unwrap();
        for name in [
            "1800/2.raw",
            "1800/1.raw",
            "1800/3.raw.part",
            "1800/1.raw.idx",
            "x.pcap",
            ".hidden/9.raw",
        ] {
            fs::write(at(name), "").unwrap();
        }
        std::os::unix::fs::symlink(dir.path(), at("1800/loop")).unwrap();
        let found = expand(&[at("1800/2.raw"), dir.path().to_owned(), "-".into()]).unwrap();
        let expected: Vec<String> = ["1800/2.raw", "1800/1.raw", "1800/3.raw.part"]
            .map(|n| at(n).display().to_string())
            .into_iter()
            .chain(["standard input".into()])
            .collect();
        assert_eq!(paths(&found), expected);
        assert!(expand(&[at("none")]).is_err());
        assert!(expand(&[at(".hidden/none.raw")]).is_err());
        fs::create_dir(at("empty")).unwrap();
        assert!(expand(&[at("empty")]).is_err());
    }

    #[test]
    fn renamed_file_is_still_found() {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("1_hpcap0_0.raw.part");
        fs::write(&part, "one").unwrap();
        let listed = list(&part).unwrap();
        let whole = dir.path().join("1_hpcap0_0-1.raw");
        fs::rename(&part, &whole).unwrap();
        // Another file takes the old name.
        fs::write(&part, "another").unwrap();
        assert_eq!(listed.open().unwrap().unwrap().path, whole);
        fs::remove_file(&whole).unwrap();
        assert!(listed.open().unwrap().is_none());
    }

    #[test]
    fn completed_part_is_listed_by_new_name() {
        let dir = tempfile::tempdir().unwrap();
        let whole = dir.path().join("1_hpcap0_0.raw");
        fs::write(&whole, "one").unwrap();
        let listed = list(&dir.path().join("1_hpcap0_0.raw.part")).unwrap();
        assert_eq!(listed.path, whole);
    }
}
