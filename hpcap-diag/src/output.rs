//! Files that programs write: under another name until they are complete, and never over another file.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hpcap::error::Context;
use hpcap::raw::name::rename_no_replace;
use hpcap::{Error, Kind, Result};

/// A file that is being written, called `NAME.part`. Dropping it removes what was written so far.
#[derive(Debug)]
pub struct PartFile {
    part: PathBuf,
    path: PathBuf,
}

impl PartFile {
    /// Creates the file that will be called `path`; only its owner can read it.
    ///
    /// # Errors
    /// [`Kind::Busy`] if there is a file of that name; errors of the operating system.
    pub fn create(path: &Path) -> Result<(Self, File)> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        if path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part);
        let file = match file {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Err(exists(&part)),
            file => file.context(|| format!("create {}", part.display())),
        }?;
        let path = path.to_owned();
        Ok((Self { part, path }, file))
    }

    /// The name of the file until it is complete.
    #[must_use]
    pub fn part(&self) -> &Path {
        &self.part
    }

    /// The name of the file when it is complete.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `bytes` into the empty `file`, completes it, and gives it its name.
    ///
    /// # Errors
    /// Errors of the operating system; the file is then removed.
    pub fn write(self, mut file: File, bytes: &[u8]) -> Result<()> {
        file.write_all(bytes)
            .context(|| format!("write {}", self.part.display()))?;
        self.finish(&file).map(drop)
    }

    /// Completes `file`, gives it its name, and returns its size in bytes.
    ///
    /// # Errors
    /// Errors of the operating system; the file is then removed.
    pub fn finish(mut self, file: &File) -> Result<u64> {
        let tried = || format!("write {}", self.part.display());
        file.sync_all().context(tried)?;
        let bytes = file.metadata().context(tried)?.len();
        match rename_no_replace(&self.part, &self.path) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Err(exists(&self.path)),
            renamed => renamed
                .context(|| format!("rename {} to {}", self.part.display(), self.path.display())),
        }?;
        self.part = PathBuf::new();
        Ok(bytes)
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if !self.part.as_os_str().is_empty() {
            let _ = fs::remove_file(&self.part);
        }
    }
}

fn exists(path: &Path) -> Error {
    let tried = format!("create {}", path.display());
    Error::new(Kind::Busy, tried, "there is a file of that name")
        .advise("name another file, or remove it")
}
