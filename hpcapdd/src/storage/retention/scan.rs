//! Finds and deletes the files below a folder. Opens one component of a path at a time, and never
//! follows a symbolic link.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hpcap::compress::FileFormat;
use hpcap::error::Context;
use hpcap::raw::{FileName, Identity, RecordingId, SourceName};
use hpcap::{Timestamp, pcapfile, raw};
use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::storage::inode::{Inode, allocated, room_of};

/// Identity of a file in one state. File systems reuse the inode numbers of removed files, so the
/// time of the last change is part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Version {
    inode: Inode,
    /// Time at which name, length or permissions changed last, in seconds and nanoseconds.
    changed: (i64, i64),
}

impl Version {
    fn of(meta: &Metadata) -> Self {
        Self {
            inode: Inode::of(meta),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// A file that has a name as the recorder gives it.
#[derive(Debug, Clone)]
pub(super) struct Found {
    folder: CString,
    name: CString,
    pub(super) path: PathBuf,
    pub(super) inode: Inode,
    pub(super) version: Version,
    /// Length of the file in bytes.
    pub(super) len: u64,
    /// Bytes that the file and its index take: the length or the allocated room, whichever is more.
    pub(super) room: u64,
    /// Bytes of the disk that belong to the file and its index.
    pub(super) allocated: u64,
    /// Whether it is a `.part` file, which is under way or was left unfinished.
    pub(super) part: bool,
    /// Whether it is a `.part` file that a recorder has locked.
    pub(super) locked: bool,
    /// Identity in the file's header; `None` if it has none or cannot be read.
    pub(super) identity: Option<Identity>,
    /// The source in its name; `None` in the name of a file of a queue.
    pub(super) source: Option<SourceName>,
    /// Time at which the file was started, according to its name.
    pub(super) named: Timestamp,
}

impl Found {
    /// The recording that the header of the file names.
    pub(super) fn recording(&self) -> Option<RecordingId> {
        self.identity
            .as_ref()
            .and_then(|identity| identity.recording)
    }
}

/// A folder of recordings.
#[derive(Debug)]
pub(super) struct Store {
    base: PathBuf,
    /// Identities that were read from headers in earlier scans.
    identities: HashMap<Version, Option<Identity>>,
}

/// Flags for opening a path: never follow a link, and never wait.
const SAFE: OFlag = OFlag::O_NOFOLLOW
    .union(OFlag::O_CLOEXEC)
    .union(OFlag::O_NONBLOCK);

impl Store {
    pub(super) fn new(base: PathBuf) -> Self {
        Self {
            base,
            identities: HashMap::new(),
        }
    }

    pub(super) fn base(&self) -> &Path {
        &self.base
    }

    /// Opens the base folder. It may be a link, because the user named it.
    fn open_base(&self) -> io::Result<Dir> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_RDONLY;
        Ok(Dir::open(&self.base, flags, Mode::empty())?)
    }

    /// Finds every file in the half-hour folders whose name is the one that the recorder gives.
    pub(super) fn scan(&mut self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        let mut base = self.open_base()?;
        let folders = names(&mut base)?;
        for folder in folders {
            let Some(number) = folder.to_str().ok().and_then(|n| n.parse::<u64>().ok()) else {
                continue;
            };
            let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | SAFE;
            let mut dir = match Dir::openat(&base, folder.as_c_str(), flags, Mode::empty()) {
                Ok(dir) => dir,
                Err(nix::Error::ENOENT | nix::Error::ENOTDIR | nix::Error::ELOOP) => continue,
                Err(e) => return Err(e.into()),
            };
            for name in names(&mut dir)? {
                let Some(parsed) = own_name(&name, number) else {
                    continue;
                };
                if let Some(file) = self.look(dir.as_fd(), &folder, &name, parsed)? {
                    found.push(file);
                }
            }
        }
        let there = found
            .iter()
            .map(|file| (file.version, file.identity.clone()));
        self.identities = there.collect();
        Ok(found)
    }

    fn look(
        &self,
        dir: BorrowedFd<'_>,
        folder: &CStr,
        name: &CStr,
        parsed: FileName,
    ) -> io::Result<Option<Found>> {
        let file = match openat(dir, name, OFlag::O_RDONLY | SAFE, Mode::empty()) {
            Ok(fd) => File::from(fd),
            // The file may not be read, is gone, or is a link or a special file.
            Err(
                nix::Error::EACCES | nix::Error::ENOENT | nix::Error::ELOOP | nix::Error::ENXIO,
            ) => {
                return Ok(None);
            }
            Err(e) => return Err(e.into()),
        };
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Ok(None);
        }
        let version = Version::of(&meta);
        let path = self
            .base
            .join(std::ffi::OsStr::from_bytes(folder.to_bytes()))
            .join(std::ffi::OsStr::from_bytes(name.to_bytes()));
        let locked = parsed.part
            && matches!(
                file.try_lock_shared(),
                Err(std::fs::TryLockError::WouldBlock)
            );
        let known = self.identities.get(&version);
        let identity = match known {
            Some(known) => known.clone(),
            // A file whose header cannot be read has no identity, so it is kept.
            None => identity_of(&file, &path, parsed.format).unwrap_or(None),
        };
        let (index_room, index_allocated) = index_of(dir, name);
        Ok(Some(Found {
            folder: folder.to_owned(),
            name: name.to_owned(),
            path,
            inode: version.inode,
            version,
            len: meta.len(),
            room: room_of(&meta) + index_room,
            allocated: allocated(&meta) + index_allocated,
            part: parsed.part,
            locked,
            identity,
            source: parsed.source,
            named: Timestamp::from_ns(parsed.start_sec.saturating_mul(1_000_000_000)),
        }))
    }

    /// Deletes a file, its index and, if it is empty now, its folder. Returns false if the file was
    /// not the one that was found any more.
    pub(super) fn delete(&self, file: &Found) -> io::Result<bool> {
        let base = self.open_base()?;
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | SAFE;
        let dir = match Dir::openat(&base, file.folder.as_c_str(), flags, Mode::empty()) {
            Ok(dir) => dir,
            Err(nix::Error::ENOENT | nix::Error::ENOTDIR | nix::Error::ELOOP) => return Ok(false),
            Err(e) => return Err(e.into()),
        };
        let name = file.name.as_c_str();
        let stat = match fstatat(&dir, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(nix::Error::ENOENT) => return Ok(false),
            Err(e) => return Err(e.into()),
        };
        if (stat.st_dev, stat.st_ino) != (file.inode.device, file.inode.number) {
            return Ok(false);
        }
        match unlinkat(&dir, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) => {}
            Err(nix::Error::ENOENT) => return Ok(false),
            Err(e) => return Err(e.into()),
        }
        if let Ok(index) = CString::new([name.to_bytes(), b".idx"].concat()) {
            let _ = unlinkat(&dir, index.as_c_str(), UnlinkatFlags::NoRemoveDir);
        }
        // This fails if the folder still holds something, as it should.
        let _ = unlinkat(&base, file.folder.as_c_str(), UnlinkatFlags::RemoveDir);
        Ok(true)
    }
}

/// Bytes that the index beside the file `name` takes, and bytes of the disk that belong to the
/// index.
fn index_of(dir: BorrowedFd<'_>, name: &CStr) -> (u64, u64) {
    let index = CString::new([name.to_bytes(), b".idx"].concat());
    let stat = index.map(|index| fstatat(dir, index.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW));
    let Ok(Ok(stat)) = stat else { return (0, 0) };
    let bytes = |n: i64| u64::try_from(n).unwrap_or(0);
    let allocated = bytes(stat.st_blocks) * 512;
    (bytes(stat.st_size).max(allocated), allocated)
}

fn names(dir: &mut Dir) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in dir.iter() {
        names.push(entry?.file_name().to_owned());
    }
    Ok(names)
}

/// Reads the identity of a file, whose position is its start; `None` for a file that has none.
fn identity_of(file: &File, path: &Path, format: FileFormat) -> hpcap::Result<Option<Identity>> {
    let name = path.display();
    match format {
        FileFormat::Raw => raw::identity::read(file, name.to_string()),
        FileFormat::Pcapng => pcapfile::identity::read(file).context(|| format!("read {name}")),
        FileFormat::Pcap => Ok(None),
    }
}

/// Parses `name` if the recorder would have given exactly this name in this folder. A file that a
/// user renamed or moved is kept.
fn own_name(name: &CStr, folder: u64) -> Option<FileName> {
    let text = name.to_str().ok()?;
    let parsed = FileName::parse(text)?;
    (parsed.folder() == folder && parsed.is_written_as(text)).then_some(parsed)
}

#[cfg(test)]
impl Found {
    /// Makes a file that was started at `start`.
    pub(super) fn example(start: Timestamp) -> Self {
        let inode = Inode {
            device: 0,
            number: start.as_ns(),
        };
        Self {
            folder: CString::default(),
            name: CString::default(),
            path: PathBuf::new(),
            inode,
            version: Version {
                inode,
                changed: (0, 0),
            },
            len: 0,
            room: 0,
            allocated: 0,
            part: false,
            locked: false,
            identity: None,
            source: None,
            named: start,
        }
    }
}
