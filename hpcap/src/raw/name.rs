//! Names and folders of capture files, and files that never overwrite another.
//!
//! `<base>/<D>/<T>_hpcap<IF>_<Q>.raw`: `T` is the second in which the file was started, `D` is
//! `T` rounded down to half an hour. Where a second has more than one file of a queue, the
//! later ones are `<T>_hpcap<IF>_<Q>-1.raw` and so on. A file under way ends in `.raw.part`.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use crate::error::{Context, Error, Kind, Result};
use crate::name::QueueName;
use crate::time::Timestamp;

/// Seconds of capture that share a folder.
pub const FOLDER_SECONDS: u64 = 1800;

/// Names that are tried in one second before giving up.
const SEQUENCE_MAX: u32 = 100_000;

/// The name of a capture file, without its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName {
    /// Seconds since 1970 when the file was started.
    pub start_sec: u64,
    /// 0 for the first file of this queue in this second, then 1, 2 and so on.
    pub sequence: u32,
    /// The queue.
    pub queue: QueueName,
    /// Whether the file is under way, or was left so (`.raw.part`).
    pub part: bool,
}

impl FileName {
    /// The name of a finished file.
    #[must_use]
    pub const fn new(start_sec: u64, queue: QueueName) -> Self {
        Self {
            start_sec,
            sequence: 0,
            queue,
            part: false,
        }
    }

    /// Takes the last component of a path apart; `None` where it is not such a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (stem, part) = match name.strip_suffix(".part") {
            Some(rest) => (rest, true),
            None => (name, false),
        };
        let (start, rest) = stem.strip_suffix(".raw")?.split_once("_hpcap")?;
        let (adapter, rest) = rest.split_once('_')?;
        let (queue, sequence) = rest.split_once('-').unwrap_or((rest, "0"));
        let queue = queue.strip_prefix('q').unwrap_or(queue);
        let number = |digits: &str| -> Option<u64> {
            (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
                .then(|| digits.parse().ok())?
        };
        Some(Self {
            start_sec: number(start)?,
            sequence: u32::try_from(number(sequence)?).ok()?,
            queue: QueueName::new(
                u32::try_from(number(adapter)?).ok()?,
                u32::try_from(number(queue)?).ok()?,
            ),
            part,
        })
    }

    /// [`FileName::parse`] of the last component of a path.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        Self::parse(path.file_name()?.to_str()?)
    }

    /// The name of its folder: the start rounded down to half an hour.
    #[must_use]
    pub const fn folder(&self) -> u64 {
        self.start_sec - self.start_sec % FOLDER_SECONDS
    }

    /// The path below `base`.
    #[must_use]
    pub fn path(&self, base: &Path) -> PathBuf {
        base.join(self.folder().to_string()).join(self.to_string())
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let QueueName { adapter, queue } = self.queue;
        write!(f, "{}_hpcap{adapter}_{queue}", self.start_sec)?;
        if self.sequence != 0 {
            write!(f, "-{}", self.sequence)?;
        }
        f.write_str(if self.part { ".raw.part" } else { ".raw" })
    }
}

/// The seconds since 1970 that a file's name begins with, as the original's tools read it:
/// `1391723988_hpcap0_0.raw`, but also `1391723988.raw`.
#[must_use]
pub fn start_of(name: &str) -> Option<u64> {
    let end = name
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(name.len());
    name[..end].parse().ok()
}

/// Creates a file for reading and writing with mode 0640; `truncate` allows it to exist.
///
/// # Errors
/// Those of the file system.
pub fn private_file(path: &Path, truncate: bool) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(truncate)
        .truncate(truncate)
        .create_new(!truncate)
        .mode(0o640)
        .open(path)
}

/// Renames a file, and never replaces another.
///
/// # Errors
/// `AlreadyExists` where `to` exists, and those of the file system.
pub fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        // Not every file system knows the flag; a hard link refuses to replace, too.
        Err(nix::Error::EINVAL | nix::Error::ENOSYS) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        other => other.map_err(io::Error::from),
    }
}

/// A capture file under way: `.raw.part`, created by this process, locked by it (flock), and
/// no other's.
#[derive(Debug)]
pub struct PartFile {
    file: File,
    base: PathBuf,
    name: FileName,
}

impl PartFile {
    /// Creates the file of `queue` that starts at `start` below `base`, which must exist, and
    /// its half-hour folder. Mode 0640, folder 0755, both as the umask allows. Nothing is ever
    /// overwritten: a name that is taken gets a sequence number.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(base: &Path, queue: QueueName, start: Timestamp) -> Result<Self> {
        Self::create_from(base, queue, start, 0)
    }

    /// As [`PartFile::create`], with no sequence number below `first`: names then follow each
    /// other even where older files of the same second have been deleted.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create_from(
        base: &Path,
        queue: QueueName,
        start: Timestamp,
        first: u32,
    ) -> Result<Self> {
        let mut name = FileName::new(start.sec(), queue);
        let folder = base.join(name.folder().to_string());
        for sequence in first..SEQUENCE_MAX {
            name.sequence = sequence;
            name.part = true;
            let path = name.path(base);
            let finished = FileName {
                part: false,
                ..name
            }
            .path(base);
            if finished.exists() {
                continue;
            }
            let file = match create_in(&folder, &path) {
                Ok(file) => file,
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(e) => return Err(Error::io(format!("create {}", path.display()), e)),
            };
            // Another recorder may have finished a file of this name in between.
            if finished.exists() {
                fs::remove_file(&path).context(|| format!("remove {}", path.display()))?;
                continue;
            }
            // Best effort: a file system without locks still records.
            let _ = file.try_lock();
            return Ok(Self {
                file,
                base: base.to_owned(),
                name,
            });
        }
        Err(Error::new(
            Kind::Full,
            format!("create a file for {queue} in {}", folder.display()),
            format!("second {} has {SEQUENCE_MAX} files already", start.sec()),
        ))
    }

    /// The file, open for reading and writing.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Where it is: `....raw.part`.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.name.path(&self.base)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> FileName {
        self.name
    }

    /// Gives it its final name, `....raw`, and says which: where that was taken meanwhile, it
    /// gets the next sequence number. The lock ends when the returned file is closed.
    ///
    /// # Errors
    /// Those of the file system; the file then still is `.raw.part`.
    pub fn finish(self) -> Result<(File, PathBuf)> {
        let from = self.path();
        for sequence in self.name.sequence..SEQUENCE_MAX {
            let to = FileName {
                sequence,
                part: false,
                ..self.name
            }
            .path(&self.base);
            match rename_no_replace(&from, &to) {
                Ok(()) => return Ok((self.file, to)),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => {
                    return Err(Error::io(
                        format!("rename {} to {}", from.display(), to.display()),
                        e,
                    ));
                }
            }
        }
        Err(Error::new(
            Kind::Full,
            format!("rename {}", from.display()),
            format!(
                "second {} has {SEQUENCE_MAX} files already",
                self.name.start_sec
            ),
        ))
    }

    /// Removes the file, for one in which nothing was stored.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn discard(self) -> Result<()> {
        let path = self.path();
        fs::remove_file(&path).context(|| format!("remove {}", path.display()))
    }
}

/// Creates the file, and its folder where that is missing: retention may remove an empty
/// folder at any moment.
fn create_in(folder: &Path, path: &Path) -> io::Result<File> {
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
    private_file(path, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn names_read_back_as_they_print() {
        for text in [
            "1391723988_hpcap0_0.raw",
            "1391723988_hpcap3_12.raw.part",
            "1391723988_hpcap0_1-7.raw",
        ] {
            assert_eq!(FileName::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(
            FileName::parse("1391723988_hpcap0_0.raw").unwrap().folder(),
            1_391_722_200
        );
        assert_eq!(
            FileName::parse("5_hpcap1_q2.raw"),
            Some(FileName::new(5, QueueName::new(1, 2))),
            "the dd script of the original"
        );
        for text in [
            "",
            "x.raw",
            "_hpcap0_0.raw",
            "1_hpcap0_0.pcap",
            "1_hpcap0.raw",
            "1_hpcap0_0-.raw",
        ] {
            assert_eq!(FileName::parse(text), None, "{text}");
        }
        assert_eq!(start_of("17.raw"), Some(17));
        assert_eq!(start_of("x17.raw"), None);
    }

    #[test]
    fn files_of_one_second_do_not_collide() {
        let dir = tempfile::tempdir().unwrap();
        let (queue, start) = (QueueName::new(0, 1), Timestamp::new(3700, 5));
        let mut a = PartFile::create(dir.path(), queue, start).unwrap();
        let b = PartFile::create(dir.path(), queue, start).unwrap();
        a.file.write_all(b"a").unwrap();
        assert_eq!(a.path(), dir.path().join("3600/3700_hpcap0_1.raw.part"));
        assert_eq!(b.path(), dir.path().join("3600/3700_hpcap0_1-1.raw.part"));
        let mode = fs::metadata(a.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777 & !0o640, 0, "{mode:o}");
        // Somebody takes the final name: it is not overwritten.
        fs::write(dir.path().join("3600/3700_hpcap0_1.raw"), "other").unwrap();
        let (_, path) = a.finish().unwrap();
        assert_eq!(path, dir.path().join("3600/3700_hpcap0_1-1.raw"));
        assert_eq!(fs::read(&path).unwrap(), b"a");
        let (_, path) = b.finish().unwrap();
        assert_eq!(path, dir.path().join("3600/3700_hpcap0_1-2.raw"));
        assert_eq!(
            fs::read(dir.path().join("3600/3700_hpcap0_1.raw")).unwrap(),
            b"other"
        );
        let c = PartFile::create(dir.path(), queue, start).unwrap();
        assert_eq!(c.path(), dir.path().join("3600/3700_hpcap0_1-3.raw.part"));
        c.discard().unwrap();
        assert_eq!(fs::read_dir(dir.path().join("3600")).unwrap().count(), 3);
    }
}
