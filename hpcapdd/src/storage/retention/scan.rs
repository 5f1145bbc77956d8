//! The files below a folder, and their removal: one step at a time, and never through a symbolic
//! link.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hpcap::Timestamp;
use hpcap::raw::{FileName, Identity, identity};
use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

/// A file, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Inode {
    device: u64,
    number: u64,
}

impl Inode {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            number: meta.ino(),
        }
    }
}

/// A file at one moment of its life: numbers of files that were removed come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Version {
    inode: Inode,
    /// When its name, its length or its rights changed last.
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

/// A file that has a name of ours.
#[derive(Debug, Clone)]
pub(super) struct Found {
    folder: CString,
    name: CString,
    pub(super) path: PathBuf,
    pub(super) inode: Inode,
    pub(super) version: Version,
    /// What it takes of the disk, or would take without holes.
    pub(super) bytes: u64,
    /// Under way, or left so.
    pub(super) part: bool,
    /// Another process is at work on it.
    pub(super) locked: bool,
    /// What its header says.
    pub(super) identity: Option<Identity>,
    /// When it was started, as its name says.
    pub(super) named: Timestamp,
}

/// A folder of recordings.
#[derive(Debug)]
pub(super) struct Store {
    base: PathBuf,
    /// What the headers said that were read before.
    identities: HashMap<Version, Option<Identity>>,
}

/// Never follows a link, and never waits.
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

    /// The base itself was named by the user, and may be a link.
    fn open_base(&self) -> io::Result<Dir> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_RDONLY;
        Ok(Dir::open(&self.base, flags, Mode::empty())?)
    }

    /// Every file in the half-hour folders that is called as the recorder would have called it.
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
            // Not ours to read, or gone.
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
            // What cannot be read says nothing, and stays.
            None => identity::read(&file, &path, parsed.format).unwrap_or(None),
        };
        // A part has room behind its end.
        let reserved = if parsed.part { meta.blocks() * 512 } else { 0 };
        Ok(Some(Found {
            folder: folder.to_owned(),
            name: name.to_owned(),
            path,
            inode: version.inode,
            version,
            bytes: meta.len().max(reserved),
            part: parsed.part,
            locked,
            identity,
            named: Timestamp::from_ns(parsed.start_sec.saturating_mul(1_000_000_000)),
        }))
    }

    /// Deletes a file, its index, and its folder where that is empty now. Returns whether the file
    /// was still the one that was found.
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
        // Fails where something is left in it, which is what we want.
        let _ = unlinkat(&base, file.folder.as_c_str(), UnlinkatFlags::RemoveDir);
        Ok(true)
    }
}

fn names(dir: &mut Dir) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in dir.iter() {
        names.push(entry?.file_name().to_owned());
    }
    Ok(names)
}

/// Only what the recorder itself would have called so, there: what a user renamed stays.
fn own_name(name: &CStr, folder: u64) -> Option<FileName> {
    let text = name.to_str().ok()?;
    let parsed = FileName::parse(text)?;
    (parsed.folder() == folder && parsed.is_written_as(text)).then_some(parsed)
}

#[cfg(test)]
impl Found {
    /// A file that was started at `start`.
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
            bytes: 0,
            part: false,
            locked: false,
            identity: None,
            named: start,
        }
    }
}
