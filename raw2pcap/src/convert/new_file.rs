//! A file that gets its name when it is complete. An unfinished file leaves nothing behind.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use hpcap::content::Content;
use hpcap::error::Context;
use hpcap::raw::name::rename_no_replace;
use hpcap::{Error, Kind, Result};
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::unistd::linkat;

use super::signals::remove_on_signal;

/// The input files, which no output may overwrite under any of their names.
#[derive(Debug, Clone, Default)]
pub struct Protected(HashMap<(u64, u64), PathBuf>);

impl Protected {
    /// Protects the files with these device and inode numbers; the paths are for messages.
    #[must_use]
    pub fn new(files: impl IntoIterator<Item = ((u64, u64), PathBuf)>) -> Self {
        Self(files.into_iter().collect())
    }

    fn of(&self, meta: &fs::Metadata) -> Option<&Path> {
        self.0.get(&(meta.dev(), meta.ino())).map(PathBuf::as_path)
    }

    /// Refuses an output `path` that leads to a protected file, directly or by a link.
    ///
    /// # Errors
    /// [`Kind::Usage`] if `path` leads to a protected file.
    pub fn check(&self, path: &Path) -> Result<()> {
        let input = fs::metadata(path).ok();
        match input.as_ref().and_then(|meta| self.of(meta)) {
            Some(input) => Err(Error::usage(
                format!("output {}", path.display()),
                format!("it is the same file as the input {}", input.display()),
            )
            .advise("name another file: -o OTHER.pcap")),
            None => Ok(()),
        }
    }

    /// Refuses standard output that is redirected to a protected file.
    pub(super) fn check_stdout(&self) -> Result<()> {
        let path = Path::new("/proc/self/fd/1");
        let is_file = fs::metadata(path).is_ok_and(|meta| meta.is_file());
        if is_file { self.check(path) } else { Ok(()) }
    }
}

/// An unfinished file.
#[derive(Debug)]
pub(super) struct NewFile {
    file: File,
    path: PathBuf,
    force: bool,
    /// Path of the unfinished file on a file system without O_TMPFILE.
    part: Option<PathBuf>,
}

/// Whether `path` is a pipe, a character device or a socket.
pub(super) fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| {
        let kind = meta.file_type();
        kind.is_fifo() || kind.is_char_device() || kind.is_socket()
    })
}

fn exists(tried: String, what: &Path) -> Error {
    Error::new(Kind::Io, tried, format!("{} exists", what.display())).advise("--force replaces it")
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

impl NewFile {
    /// Starts the file that will be called `path`. An existing file is replaced only with `force`, a
    /// protected file never.
    pub(super) fn create(path: PathBuf, force: bool, protected: &Protected) -> Result<Self> {
        let tried = || format!("write {}", path.display());
        protected.check(&path)?;
        if let Ok(meta) = fs::metadata(&path) {
            if !meta.is_file() {
                let what = if meta.is_dir() {
                    "a folder"
                } else {
                    "a block device"
                };
                return Err(
                    Error::usage(path.display().to_string(), format!("it is {what}"))
                        .advise("name a file: -o FILE.pcap"),
                );
            }
            if !force {
                return Err(exists(tried(), &path));
            }
        }
        if let Some(file) = open_unnamed(&path).context(tried)? {
            return Ok(Self {
                file,
                path,
                force,
                part: None,
            });
        }
        let mut part = path.clone().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        protected.check(&part)?;
        let file = open_part(&part, force)?;
        remove_on_signal(&part).context(tried)?;
        Ok(Self {
            file,
            path,
            force,
            part: Some(part),
        })
    }

    /// Returns a handle to write to.
    pub(super) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Gives the file its name.
    pub(super) fn finish(mut self) -> Result<()> {
        let tried = || format!("give {} its name", self.path.display());
        let named = match &self.part {
            Some(part) if self.force => fs::rename(part, &self.path),
            Some(part) => rename_no_replace(part, &self.path),
            None if self.force => {
                // link(2) never replaces a file, rename(2) does.
                let mut beside = self.path.clone().into_os_string();
                beside.push(format!(".{}.part", std::process::id()));
                let beside = PathBuf::from(beside);
                link_file(&self.file, &beside).and_then(|()| {
                    fs::rename(&beside, &self.path).inspect_err(|_| drop(fs::remove_file(&beside)))
                })
            }
            None => link_file(&self.file, &self.path),
        };
        match named {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(exists(tried(), &self.path)),
            other => {
                other.context(tried)?;
                self.part = None;
                Ok(())
            }
        }
    }
}

impl Drop for NewFile {
    /// Removes the unfinished file.
    fn drop(&mut self) {
        if let Some(part) = &self.part {
            let _ = fs::remove_file(part);
        }
    }
}

/// Opens a file without a name in the folder of `path`. The kernel frees the file, however the
/// process ends. `None` if the file system does not support O_TMPFILE.
fn open_unnamed(path: &Path) -> io::Result<Option<File>> {
    if !Path::new("/proc/self/fd").exists() {
        return Ok(None);
    }
    let opened = File::options()
        .read(true)
        .write(true)
        .mode(0o666)
        .custom_flags(OFlag::O_TMPFILE.bits())
        .open(folder_of(path));
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(e)
            if [
                nix::Error::EOPNOTSUPP as i32,
                nix::Error::EISDIR as i32,
                nix::Error::EINVAL as i32,
                nix::Error::ENOENT as i32,
            ]
            .contains(&e.raw_os_error().unwrap_or(0))
                && folder_of(path).is_dir() =>
        {
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

fn link_file(file: &File, path: &Path) -> io::Result<()> {
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    linkat(
        AT_FDCWD,
        Path::new(&unnamed),
        AT_FDCWD,
        path,
        AtFlags::AT_SYMLINK_FOLLOW,
    )
    .map_err(io::Error::from)
}

/// Opens and locks `part`. The remains of a killed run are overwritten; a file that is no capture
/// file is replaced only with `force`.
fn open_part(part: &Path, force: bool) -> Result<File> {
    let tried = || format!("write {}", part.display());
    for _ in 0..100 {
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
            .open(part)
            .context(tried)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(
                    Error::new(Kind::Busy, tried(), "another program is writing it")
                        .advise("wait for its end, or name another file with -o"),
                );
            }
            // On a file system without locks, other writers cannot be noticed.
            Err(TryLockError::Error(_)) | Ok(()) => {}
        }
        let meta = file.metadata().context(tried)?;
        let is_there = fs::metadata(part).is_ok_and(|now| now.ino() == meta.ino());
        if !is_there {
            // The holder of the lock has renamed or removed the file.
            continue;
        }
        let mut head = Vec::new();
        Read::by_ref(&mut file)
            .take(Content::HEAD_BYTES as u64)
            .read_to_end(&mut head)
            .context(tried)?;
        let is_ours = matches!(
            Content::of(&head),
            Content::Empty | Content::Pcap | Content::Pcapng | Content::Gzip | Content::Zstd
        );
        if !meta.is_file() || !(is_ours || force) {
            return Err(exists(tried(), part));
        }
        file.set_len(0).context(tried)?;
        io::Seek::rewind(&mut file).context(tried)?;
        return Ok(file);
    }
    Err(Error::new(
        Kind::Busy,
        tried(),
        "other programs create and remove it again and again",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn locked_part_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("x.pcap.part");
        let mut first = open_part(&part, false).unwrap();
        first.write_all(b"first").unwrap();
        assert_eq!(open_part(&part, true).unwrap_err().kind(), Kind::Busy);
        assert_eq!(fs::read(&part).unwrap(), b"first");
    }

    #[test]
    fn part_of_a_killed_run_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("x.pcap.part");
        fs::write(&part, b"\xd4\xc3\xb2\xa1 of a run that was killed").unwrap();
        drop(open_part(&part, false).unwrap());
        assert_eq!(fs::read(&part).unwrap(), b"");
    }

    #[test]
    fn part_of_another_format_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("x.pcap.part");
        fs::write(&part, "a letter to somebody").unwrap();
        assert!(open_part(&part, false).is_err());
        assert_eq!(fs::read(&part).unwrap(), b"a letter to somebody");
    }

    #[test]
    fn unfinished_file_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pcap");
        let new = NewFile::create(path.clone(), false, &Protected::default()).unwrap();
        new.file().unwrap().write_all(b"some").unwrap();
        drop(new);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let new = NewFile::create(path.clone(), false, &Protected::default()).unwrap();
        new.file().unwrap().write_all(b"all").unwrap();
        new.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"all");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn file_created_meanwhile_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pcap");
        let new = NewFile::create(path.clone(), false, &Protected::default()).unwrap();
        fs::write(&path, "other").unwrap();
        assert!(new.finish().is_err());
        assert_eq!(fs::read(&path).unwrap(), b"other");
        let new = NewFile::create(path.clone(), true, &Protected::default()).unwrap();
        new.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
