//! Folders of sockets. Any user can create a folder in /tmp, and a file of any name in it. Before a
//! folder is used, it is therefore checked that its owner can be trusted and that nobody else may
//! write to it.
//!
//! ```
//! use std::fs::{Permissions, set_permissions};
//! use std::os::unix::fs::PermissionsExt;
//!
//! use hpcap_base::Kind;
//! use hpcap_ipc::folder::Folder;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = tempfile::tempdir()?;
//! let folder = Folder::open(dir.path())?;
//! assert!(folder.trusts(folder.owner()) && folder.trusts(0));
//! assert!(folder.find("hpcap0.sock")?.is_none());
//!
//! // Anybody could put a socket into this folder.
//! set_permissions(dir.path(), Permissions::from_mode(0o777))?;
//! assert_eq!(Folder::open(dir.path()).unwrap_err().kind(), Kind::Permission);
//! # Ok(())
//! # }
//! ```

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{AtFlags, OFlag, open};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::unistd::{geteuid, getgroups};

use crate::connection::SYSTEM_DIR;
use hpcap_base::error::{Context, Error, Kind, Result};

/// A trusted folder of sockets: only its owner may write to it. The owner is root, the user of this
/// process, the user to whom root gave `/run/hpcap`, or, for users other than root, the owner of a
/// folder that belongs to a group of theirs.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    folder: OwnedFd,
    owner: u32,
}

impl Folder {
    /// Opens the folder at `path`.
    ///
    /// # Errors
    /// Returns [`Kind::NotFound`] when the folder does not exist; [`Kind::Permission`] when the
    /// folder cannot be trusted or may not be searched.
    pub fn open(path: &Path) -> Result<Self> {
        let tried = || format!("look for queues in {}", path.display());
        let untrusted = |why: String| {
            Err(Error::new(Kind::Permission, tried(), why).advise(
                "use a folder of your own or of root, which others may not write \
                 (--run-dir of hpcapd, HPCAP_RUN_DIR for all tools)",
            ))
        };
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let folder = match open(path, flags, Mode::empty()) {
            Ok(folder) => folder,
            Err(e) => {
                let link = std::fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink());
                return match link {
                    true => untrusted("it is a symbolic link".into()),
                    false => Err(e).context(tried),
                };
            }
        };
        let stat = fstat(&folder).context(tried)?;
        if stat.st_mode & 0o022 != 0 {
            let mode = stat.st_mode & 0o7777;
            return untrusted(format!(
                "others than its owner may write it (mode {mode:04o})"
            ));
        }
        if !is_trusted_owner(path, &stat) {
            return untrusted(format!("it belongs to user {}", stat.st_uid));
        }
        Ok(Self {
            path: path.to_owned(),
            folder,
            owner: stat.st_uid,
        })
    }

    /// The path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// User id of the folder's owner.
    #[must_use]
    pub fn owner(&self) -> u32 {
        self.owner
    }

    /// Returns the status of the file `name` in the folder, without following a link; `None` when
    /// there is no such file.
    ///
    /// # Errors
    /// Returns errors of the system.
    pub fn find(&self, name: &str) -> Result<Option<FileStat>> {
        match fstatat(&self.folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(nix::errno::Errno::ENOENT) => Ok(None),
            Err(e) => Err(e).context(|| format!("look at {}", self.path.join(name).display())),
        }
    }

    /// Whether user `uid` may serve a queue in this folder: root, the user of this process, or the
    /// owner of the folder.
    #[must_use]
    pub fn trusts(&self, uid: u32) -> bool {
        uid == 0 || uid == geteuid().as_raw() || uid == self.owner
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }
}

/// Whether `stat` describes a socket.
#[must_use]
pub fn is_socket(stat: &FileStat) -> bool {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFSOCK
}

/// Whether the owner of the folder at `path` is trusted. Everybody trusts root, themselves, and the
/// owner of `/run/hpcap`. Users other than root also trust a folder of a group of which they are a
/// member.
fn is_trusted_owner(path: &Path, stat: &FileStat) -> bool {
    let own = geteuid();
    // Only root can have created the system's folder, so root chose its owner.
    if stat.st_uid == 0 || stat.st_uid == own.as_raw() || path == Path::new(SYSTEM_DIR) {
        return true;
    }
    let group = stat.st_gid;
    let groups = getgroups().unwrap_or_default();
    let is_member = nix::unistd::getegid().as_raw() == group
        || groups.iter().any(|member| member.as_raw() == group);
    !own.is_root() && is_member
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    fn refused(path: &Path) -> String {
        let error = Folder::open(path).unwrap_err();
        assert_eq!(error.kind(), Kind::Permission, "{error}");
        error.to_string()
    }

    #[test]
    fn folder_of_ones_own_is_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        assert_eq!(folder.owner(), geteuid().as_raw());
        assert!(folder.trusts(0) && !folder.trusts(4_000_000_001));
        let none = Folder::open(&dir.path().join("none")).unwrap_err();
        assert_eq!(none.kind(), Kind::NotFound);
    }

    #[test]
    fn folder_that_others_may_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for mode in [0o777, 0o1777, 0o775, 0o702] {
            fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
            assert!(refused(dir.path()).contains("may write it"), "{mode:o}");
        }
    }

    #[test]
    fn folder_that_is_a_link_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::create_dir(&real).unwrap();
        symlink(&real, &link).unwrap();
        assert!(refused(&link).contains("symbolic link"));
    }

    #[test]
    fn folder_of_a_stranger_is_refused() {
        if !geteuid().is_root() {
            return println!("skipped: giving a folder away takes root");
        }
        let dir = tempfile::tempdir().unwrap();
        chown(dir.path(), Some(4_000_001), Some(4_000_001)).unwrap();
        assert!(refused(dir.path()).contains("user 4000001"));
    }
}
