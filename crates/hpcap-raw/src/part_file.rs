//! Unfinished capture files, which never overwrite another file.
//!
//! A file has the ending `.part` until it is complete, so that other programs leave it alone. A file whose name is taken
//! gets a number instead of replacing the other file.
//!
//! ```
//! use std::io::Write;
//!
//! use hpcap_base::Timestamp;
//! use hpcap_raw::{PartFile, Writer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let start = Timestamp::new(1_700_001_234, 0);
//! let file = PartFile::create(folder.path(), "hpcap0".parse()?, start)?;
//! assert!(file.path().ends_with("1700001000/1700001234_hpcap0_0.raw.part"));
//!
//! let mut writer = Writer::new(file.file());
//! writer.frame(1_700_001_234, 0, 60, &[0xab; 60])?;
//! writer.close(4096)?.0.flush()?;
//! let (_, path) = file.finish()?;
//! assert!(path.ends_with("1700001000/1700001234_hpcap0_0.raw"));
//! # Ok(())
//! # }
//! ```

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::name::{FileName, ending, private_file, rename_no_replace, stem_of};
use hpcap_base::compress::Compression;
use hpcap_base::error::{Context, Error, Kind, Result};
use hpcap_base::name::QueueName;
use hpcap_base::time::Timestamp;

/// Sequence numbers tried for one name before creating a file fails.
const SEQUENCE_MAX: u32 = 100_000;

/// How the names of a recorder's files are formed.
#[derive(Debug, Clone)]
enum Names {
    /// Names with the start second, in the half-hour folders of `base`.
    Dated { base: PathBuf, name: FileName },
    /// The name that the user chose; further files get `-1`, `-2` and so on after the stem.
    Asked {
        folder: PathBuf,
        stem: OsString,
        name: FileName,
    },
}

impl Names {
    fn name(&self) -> FileName {
        match self {
            Self::Dated { name, .. } | Self::Asked { name, .. } => *name,
        }
    }

    fn set_sequence(&mut self, number: u32) {
        match self {
            Self::Dated { name, .. } | Self::Asked { name, .. } => name.sequence = number,
        }
    }

    /// The path of the file, with the endings for `compression` and `part`.
    fn path(&self, compression: Compression, part: bool) -> PathBuf {
        match self {
            Self::Dated { base, name } => FileName {
                compression,
                part,
                ..*name
            }
            .path(base),
            Self::Asked { folder, stem, name } => {
                let ending = ending(name.format, compression, part);
                let mut file = stem.clone();
                match name.sequence {
                    0 => file.push(ending),
                    n => file.push(format!("-{n}{ending}")),
                }
                folder.join(file)
            }
        }
    }

    /// Whether a finished file has this name, with or without the ending of the compression.
    fn is_taken(&self) -> bool {
        [Compression::None, self.name().compression]
            .into_iter()
            .any(|compression| self.path(compression, false).exists())
    }

    fn full(&self, tried: String) -> Error {
        Error::new(
            Kind::Full,
            tried,
            format!(
                "{SEQUENCE_MAX} files have that name already, or that second ({})",
                self.name().start_sec
            ),
        )
    }
}

/// An unfinished capture file (`.raw.part`). This process created the file, holds its lock (flock),
/// and is the only one that writes to it.
#[derive(Debug)]
pub struct PartFile {
    file: File,
    names: Names,
}

impl PartFile {
    /// Creates the RAW file of `queue` that starts at `start`, and its half-hour folder, below
    /// `base`, which must exist. The file has mode 0640 and the folder 0755, both reduced by the
    /// umask. The file never overwrites another: when its name is taken, it gets a sequence number.
    ///
    /// # Errors
    /// Returns errors of the file system.
    pub fn create(base: &Path, queue: QueueName, start: Timestamp) -> Result<Self> {
        Self::create_from(base, FileName::new(start.sec(), queue))
    }

    /// Creates a file as [`PartFile::create`] does, with a sequence number of at least that of
    /// `name`. Names then keep their order when older files of the same second have been deleted.
    ///
    /// # Errors
    /// Returns errors of the file system.
    pub fn create_from(base: &Path, name: FileName) -> Result<Self> {
        let base = base.to_owned();
        Self::create_with(Names::Dated { base, name })
    }

    /// Creates a file that will be called `path`, which must have the ending of `name`, in a folder
    /// that must exist. The file gets a number after its stem when that name is taken or when the
    /// sequence number of `name` is greater than 0.
    ///
    /// # Errors
    /// Returns [`Kind::Usage`] for another ending, and errors of the file system.
    pub fn create_at(path: &Path, name: FileName) -> Result<Self> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let expected = ending(name.format, name.compression, false);
        let stem = path.file_name().and_then(|name| stem_of(name, &expected));
        let Some(stem) = stem else {
            return Err(Error::usage(
                format!("file name {}", path.display()),
                format!("expected one that ends in {expected}"),
            ));
        };
        Self::create_with(Names::Asked {
            folder: folder.to_owned(),
            stem: stem.to_owned(),
            name,
        })
    }

    fn create_with(mut names: Names) -> Result<Self> {
        for sequence in names.name().sequence..SEQUENCE_MAX {
            names.set_sequence(sequence);
            if names.is_taken() {
                continue;
            }
            let path = names.path(Compression::None, true);
            let file = match create_in(&names, &path) {
                Ok(file) => file,
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(e) => return Err(Error::io(format!("create {}", path.display()), e)),
            };
            // Another recorder can finish a file of this name after the first check.
            if names.is_taken() {
                fs::remove_file(&path).context(|| format!("remove {}", path.display()))?;
                continue;
            }
            // The result is ignored: recording must also work on a file system without locks.
            let _ = file.try_lock();
            return Ok(Self { file, names });
        }
        let path = names.path(Compression::None, true);
        Err(names.full(format!("create {}", path.display())))
    }

    /// The file, open for reading and writing.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The current path of the file: `....raw.part`.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.names.path(Compression::None, true)
    }

    /// The name of the file. When the user chose the name, only its sequence number and its ending
    /// have a meaning.
    #[must_use]
    pub fn name(&self) -> FileName {
        self.names.name()
    }

    /// Renames the file to its final name, `....raw`, and returns it with the new path. When
    /// another file has taken that name, this one gets the next sequence number. The lock ends when
    /// the returned file is closed.
    ///
    /// # Errors
    /// Returns errors of the file system; the file is then still called `.raw.part`.
    pub fn finish(self) -> Result<(File, PathBuf)> {
        let from = self.path();
        let to = self.take_name(&from, Compression::None)?;
        Ok((self.file, to))
    }

    /// Renames `from` to the first of its names that is free, and returns the new path.
    fn take_name(&self, from: &Path, compression: Compression) -> Result<PathBuf> {
        let mut names = self.names.clone();
        for sequence in names.name().sequence..SEQUENCE_MAX {
            names.set_sequence(sequence);
            let to = names.path(compression, false);
            match rename_no_replace(from, &to) {
                Ok(()) => return Ok(to),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => {
                    return Err(Error::io(
                        format!("rename {} to {}", from.display(), to.display()),
                        e,
                    ));
                }
            }
        }
        Err(self.names.full(format!("rename {}", from.display())))
    }

    /// Creates the compressed file that the name's ending asks for, lets `fill` write its content,
    /// and removes the uncompressed file once the compressed one is on the disk under its final
    /// name.
    ///
    /// # Errors
    /// Returns errors of the file system and of `fill`. Then no part of the compressed file
    /// remains, and the uncompressed one is unchanged.
    pub fn replace(&self, fill: impl FnOnce(&File) -> io::Result<()>) -> Result<PathBuf> {
        let compression = self.name().compression;
        let from = self.path();
        let path = self.names.path(compression, true);
        let tried = || format!("compress {}", from.display());
        let file = private_file(&path, false).context(tried)?;
        let made = fill(&file)
            .and_then(|()| file.sync_data())
            .context(tried)
            .and_then(|()| self.take_name(&path, compression));
        match made {
            // The result is ignored: when removal fails, an uncompressed copy remains and no data
            // is lost.
            Ok(_) => drop(fs::remove_file(&from)),
            Err(_) => drop(fs::remove_file(&path)),
        }
        made
    }

    /// Removes the file; for a file into which nothing was stored.
    ///
    /// # Errors
    /// Returns errors of the file system.
    pub fn discard(self) -> Result<()> {
        let path = self.path();
        fs::remove_file(&path).context(|| format!("remove {}", path.display()))
    }
}

/// Creates the file, and its half-hour folder when that does not exist. The loop repeats both
/// because retention can remove an empty folder between the two calls.
fn create_in(names: &Names, path: &Path) -> io::Result<File> {
    if let (Names::Dated { .. }, Some(folder)) = (names, path.parent()) {
        for _ in 0..16 {
            match fs::DirBuilder::new().mode(0o755).create(folder) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
                _ => {}
            }
            match private_file(path, false) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                other => return other,
            }
        }
    }
    private_file(path, false)
}

#[cfg(test)]
mod tests;
