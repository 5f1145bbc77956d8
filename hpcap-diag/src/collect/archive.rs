//! Writing the tarball: under another name until it is complete, and never over another file.

use std::fs::{self, File, OpenOptions};
use std::io::BufWriter;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use hpcap::error::Context;
use hpcap::raw::name::rename_no_replace;
use hpcap::{Error, Kind, Result, Timestamp};
use tar::{Builder, Header};

use super::Sink;

/// A tarball that is being written. Dropping it removes what was written so far.
pub struct Archive {
    tar: Option<Builder<GzEncoder<BufWriter<File>>>>,
    part: PathBuf,
    path: PathBuf,
    /// The folder in the tarball.
    folder: String,
    time: u64,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Archive {
    /// Begins the tarball `path`, all of whose files are in the folder `folder`.
    ///
    /// # Errors
    /// [`Kind::Busy`] if there is a file of that name; errors of the operating system.
    pub fn create(path: &Path, folder: &str) -> Result<Self> {
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
        let gzip = GzEncoder::new(BufWriter::new(file), Compression::new(6));
        Ok(Self {
            tar: Some(Builder::new(gzip)),
            part,
            path: path.to_owned(),
            folder: folder.to_owned(),
            time: Timestamp::now().sec(),
        })
    }

    /// Completes the tarball, gives it its name, and returns its size in bytes.
    ///
    /// # Errors
    /// Errors of the operating system; the tarball is then removed.
    pub fn finish(mut self) -> Result<u64> {
        let tried = format!("write {}", self.part.display());
        let Some(tar) = self.tar.take() else {
            return Err(Error::new(Kind::Io, tried, "it is complete already"));
        };
        let gzip = tar.into_inner().context(|| tried.clone())?;
        let buffer = gzip.finish().context(|| tried.clone())?;
        let file = buffer
            .into_inner()
            .map_err(|e| Error::io(tried.clone(), e.into_error()))?;
        file.sync_all().context(|| tried.clone())?;
        let bytes = file.metadata().context(|| tried)?.len();
        match rename_no_replace(&self.part, &self.path) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Err(exists(&self.path)),
            renamed => renamed
                .context(|| format!("rename {} to {}", self.part.display(), self.path.display())),
        }?;
        self.part = PathBuf::new();
        Ok(bytes)
    }
}

fn exists(path: &Path) -> Error {
    let tried = format!("create {}", path.display());
    Error::new(Kind::Busy, tried, "there is a file of that name")
        .advise("name another file with -o, or remove it")
}

impl Sink for Archive {
    fn add(&mut self, path: &str, content: &[u8]) -> Result<()> {
        let Some(tar) = &mut self.tar else {
            return Ok(());
        };
        let mut header = Header::new_ustar();
        header.set_mode(0o644);
        header.set_mtime(self.time);
        header.set_size(u64::try_from(content.len()).unwrap_or(0));
        let name = format!("{}/{path}", self.folder);
        tar.append_data(&mut header, name, content)
            .context(|| format!("write {}", self.part.display()))
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        if !self.part.as_os_str().is_empty() {
            let _ = fs::remove_file(&self.part);
        }
    }
}
