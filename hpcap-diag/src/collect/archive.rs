//! Writing the tarball: under another name until it is complete, and never over another file.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use hpcap::error::Context;
use hpcap::{Error, Kind, Result, Timestamp};
use tar::{Builder, Header};

use super::Sink;
use crate::output::PartFile;

/// A tarball that is being written. Dropping it removes what was written so far.
pub struct Archive {
    tar: Option<Builder<GzEncoder<BufWriter<File>>>>,
    part: PartFile,
    /// The folder in the tarball.
    folder: String,
    time: u64,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive")
            .field("path", &self.part.path())
            .finish_non_exhaustive()
    }
}

impl Archive {
    /// Begins the tarball `path`, all of whose files are in the folder `folder`.
    ///
    /// # Errors
    /// [`Kind::Busy`] if there is a file of that name; errors of the operating system.
    pub fn create(path: &Path, folder: &str) -> Result<Self> {
        let (part, file) = PartFile::create(path)?;
        let gzip = GzEncoder::new(BufWriter::new(file), Compression::new(6));
        Ok(Self {
            tar: Some(Builder::new(gzip)),
            part,
            folder: folder.to_owned(),
            time: Timestamp::now().sec(),
        })
    }

    /// Completes the tarball, gives it its name, and returns its size in bytes.
    ///
    /// # Errors
    /// Errors of the operating system; the tarball is then removed.
    pub fn finish(mut self) -> Result<u64> {
        let tried = format!("write {}", self.part.part().display());
        let Some(tar) = self.tar.take() else {
            return Err(Error::new(Kind::Io, tried, "it is complete already"));
        };
        let gzip = tar.into_inner().context(|| tried.clone())?;
        let buffer = gzip.finish().context(|| tried.clone())?;
        let file = buffer
            .into_inner()
            .map_err(|e| Error::io(tried.clone(), e.into_error()))?;
        self.part.finish(&file)
    }
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
            .context(|| format!("write {}", self.part.part().display()))
    }
}
