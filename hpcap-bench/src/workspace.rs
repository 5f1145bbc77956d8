//! A folder for the files of a benchmark, which is removed at its end.

use std::fs;
use std::path::{Path, PathBuf};

use hpcap::error::Context;
use hpcap::units::Bytes;
use hpcap::{Error, Kind, Result};

/// A folder that only this process uses. It is removed when this value is dropped.
#[derive(Debug)]
pub struct Workspace {
    path: PathBuf,
}

impl Workspace {
    /// Creates a folder in `parent`, which must have room for `bytes` bytes.
    ///
    /// # Errors
    /// [`Kind::Full`] without enough room; another error if the folder cannot be created.
    pub fn new(parent: &Path, bytes: u64) -> Result<Self> {
        let path = parent.join(format!("hpcap-bench-{}", std::process::id()));
        let tried = || format!("make {}", path.display());
        let free = free_bytes(parent)?;
        if free < bytes {
            let why = format!("{} are needed and {} are free", Bytes(bytes), Bytes(free));
            return Err(Error::new(Kind::Full, tried(), why)
                .advise("free some, or choose another folder (--dir)"));
        }
        fs::create_dir(&path).context(tried)?;
        Ok(Self { path })
    }

    /// Returns the path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of `name` in the folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Removes the file or folder `name`, if it exists.
    pub fn remove(&self, name: &str) {
        let path = self.file(name);
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Returns how many bytes can still be written below `path`.
///
/// # Errors
/// When `path` does not exist.
pub fn free_bytes(path: &Path) -> Result<u64> {
    let stat = nix::sys::statvfs::statvfs(path)
        .context(|| format!("look at the file system of {}", path.display()))?;
    Ok(stat.blocks_available() * stat.fragment_size())
}

/// Returns the files in `folder` and below whose names end in `end`, in the order of their names.
///
/// # Errors
/// When a folder cannot be read.
pub fn files_below(folder: &Path, end: &str) -> Result<Vec<PathBuf>> {
    let tried = || format!("read {}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).context(tried)? {
        let path = entry.context(tried)?.path();
        if path.is_dir() {
            files.extend(files_below(&path, end)?);
        } else if path.to_string_lossy().ends_with(end) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Returns the sum of the lengths of `files` in bytes.
///
/// # Errors
/// When a file cannot be examined.
pub fn total_bytes(files: &[PathBuf]) -> Result<u64> {
    files.iter().try_fold(0, |sum, path| {
        let bytes = fs::metadata(path)
            .context(|| format!("look at {}", path.display()))?
            .len();
        Ok(sum + bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspace_is_removed_with_its_files() {
        let parent = tempfile::tempdir().unwrap();
        let workspace = Workspace::new(parent.path(), 1).unwrap();
        fs::create_dir(workspace.file("d")).unwrap();
        fs::write(workspace.file("d/a.raw"), "12345").unwrap();
        let files = files_below(workspace.path(), ".raw").unwrap();
        assert_eq!(total_bytes(&files).unwrap(), 5);
        drop(workspace);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn missing_room_is_an_error() {
        let parent = tempfile::tempdir().unwrap();
        let error = Workspace::new(parent.path(), u64::MAX).unwrap_err();
        assert_eq!(error.kind(), Kind::Full);
    }
}
