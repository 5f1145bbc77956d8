//! Files that hold all their frames, and how they are finished.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use hpcap::compress::Compression;
use hpcap::error::Context;
use hpcap::raw::index::Index;
use hpcap::{Count, Error};

use crate::report::event::{FileComplete, Frames};
use crate::storage::file::{CaptureFile, gone, is_gone, set_len};
use crate::storage::finish::compress::compress;
use crate::storage::folder::folder_of;

/// A file with all its frames, which lacks only its final length and name.
#[derive(Debug)]
pub struct Sealed {
    /// The file, which is still open.
    file: CaptureFile,
    /// Final length of the file in bytes. The room that was reserved behind it is freed.
    len: u64,
    /// Frames in the file.
    frames: Count,
    /// Index of a RAW file; `None` for other formats.
    index: Option<Index>,
}

/// The reason why a sealed file could not be finished.
#[derive(Debug)]
pub enum Unfinished {
    /// Somebody removed the file, so its frames are lost.
    Removed(Error),
    /// Somebody renamed the file, or took its disk away. The file is whole, wherever it is.
    Moved(Error),
    /// Finishing failed. The file stays as `.part`.
    Failed(Error),
}

impl From<Error> for Unfinished {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Sealed {
    /// Ends `file` at `len` bytes.
    #[must_use]
    pub fn new(mut file: CaptureFile, len: u64, frames: Count, index: Option<Index>) -> Self {
        file.seal(len);
        Self {
            file,
            len,
            frames,
            index,
        }
    }

    /// Path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Frames in the file.
    #[must_use]
    pub fn frames(&self) -> Count {
        self.frames
    }

    /// Final length of the file in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.len
    }

    /// Cuts the file to its length, flushes it to the disk, gives it its final name, and saves its
    /// index. A failure to compress the file or to save its index is returned beside the finished
    /// file, because both can be repeated.
    ///
    /// # Errors
    /// [`Unfinished`], which says what became of the file.
    pub fn finish(self) -> std::result::Result<(FileComplete, Option<Error>), Unfinished> {
        let Self {
            file,
            mut len,
            frames,
            index,
        } = self;
        let CaptureFile {
            part,
            path,
            io,
            claim,
            own,
            access,
            opened,
            ..
        } = file;
        let tried = || format!("finish {}", path.display());
        set_len(io.file(), len).context(tried)?;
        io.file().sync_data().context(tried)?;
        if is_gone(io.file(), &path) {
            let links = io.file().metadata().map_or(1, |meta| meta.nlink());
            return Err(match links {
                0 => Unfinished::Removed(
                    gone(&path).advise("the frames in it are counted as storage"),
                ),
                _ => Unfinished::Moved(gone(&path).advise("it is whole, wherever it is")),
            });
        }
        drop(io);
        let mut problem = None;
        let mut packed = None;
        if part.name().compression != Compression::None {
            match compress(&part, len, &own, &claim) {
                Ok(done) => packed = Some(done),
                Err(e) => problem = Some(e.advise("the file is kept as it is")),
            }
        }
        let path = match packed {
            Some((path, bytes)) => {
                len = bytes;
                access.give_beside(&path);
                path
            }
            None => part.finish()?.1,
        };
        if let Some(mut index) = index {
            index.file_bytes = len;
            problem = index.save(&path).err();
            access.give_beside(&hpcap::raw::index::path_for(&path));
        }
        // From now on, the real size of the file counts.
        drop(claim);
        // Flushes the name to the disk. Failures are ignored, because some file systems cannot sync
        // a folder.
        let _ = std::fs::File::open(folder_of(&path)).and_then(|f| f.sync_all());
        let complete = FileComplete {
            path,
            bytes: len,
            frames: Frames::from(frames),
            seconds: opened.elapsed().as_secs_f64(),
        };
        Ok((complete, problem))
    }
}
