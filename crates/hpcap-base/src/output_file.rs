//! Files that a user names as outputs, and that are replaced if they exist.
//!
//! A program that captures often runs as root, and it often writes into a folder such as /tmp, where
//! everybody can write. Another user can put something under the expected name: a link to a file of root,
//! which would be destroyed, or a file of his own, in which he would read the frames. Linux refuses that
//! when fs.protected_symlinks, protected_hardlinks and protected_regular are set. The functions of this
//! module always refuse it.
//!
//! ```
//! use hpcap_base::output_file::{FRAMES_MODE, create_or_replace, is_removed, write};
//!
//! # fn main() -> std::io::Result<()> {
//! let folder = std::env::temp_dir().join(format!("hpcap-example-{}", std::process::id()));
//! std::fs::create_dir(&folder)?;
//! let path = folder.join("noon.pcap");
//! write(&path, FRAMES_MODE, b"the capture of yesterday")?;
//!
//! // The file of this name is emptied.
//! let file = create_or_replace(&path, FRAMES_MODE)?;
//! assert_eq!(std::fs::metadata(&path)?.len(), 0);
//!
//! std::fs::remove_file(&path)?;
//! assert!(is_removed(&file), "what is written now is lost when the file is closed");
//! std::fs::remove_dir(&folder)?;
//! # Ok(())
//! # }
//! ```

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, readlinkat};
use nix::libc;
use nix::sys::stat::Mode;
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use nix::unistd::Uid;

/// Symbolic links that are followed one after the other, as many as the kernel follows.
const LINKS_MAX: usize = 40;

/// Permissions of files with frames: the group may read them.
pub const FRAMES_MODE: u32 = 0o640;

/// Permissions of files without frames, reduced by the umask.
pub const SHARED_MODE: u32 = 0o666;

/// Creates the file `path` with the permissions `mode`, or opens and empties the file of that name.
///
/// A symbolic link is followed if it belongs to this user or to root. In a folder that several users can
/// write and whose sticky bit is set, a file is replaced only if it belongs to this user or to the owner of
/// the folder, and has no other name. The open never waits: for a FIFO that nobody reads it fails with
/// ENXIO.
///
/// # Errors
/// `PermissionDenied` for what another user has put there, and errors of the file system.
pub fn create_or_replace(path: &Path, mode: u32) -> io::Result<File> {
    for _ in 0..LINKS_MAX {
        let end = follow(path.to_owned())?;
        let nofollow = match end {
            End::Path(_) => libc::O_NOFOLLOW,
            End::OfKernel(_) => 0,
        };
        let (End::Path(end) | End::OfKernel(end)) = end;
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(mode)
            .custom_flags(nofollow | libc::O_NONBLOCK)
            .open(&end);
        match opened {
            // A link has taken the place of what was there a moment ago.
            Err(e) if e.raw_os_error() == Some(libc::ELOOP) => {}
            Err(e) => return Err(e),
            Ok(file) => {
                let found = file.metadata()?;
                check_owner(&end, &found)?;
                if found.is_file() {
                    file.set_len(0)?;
                }
                return Ok(file);
            }
        }
    }
    Err(Errno::ELOOP.into())
}

/// Writes `bytes` into the file `path`, which is created or replaced as by [`create_or_replace`].
///
/// # Errors
/// Errors of [`create_or_replace`] and of writing.
pub fn write(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    io::Write::write_all(&mut create_or_replace(path, mode)?, bytes)
}

/// Whether `file` has lost its last name, so that its content is lost as soon as it is closed.
#[must_use]
pub fn is_removed(file: &File) -> bool {
    file.metadata()
        .is_ok_and(|found| found.is_file() && found.nlink() == 0)
}

/// What a path leads to.
#[derive(Debug)]
enum End {
    /// A path that is no symbolic link.
    Path(PathBuf),
    /// A link of procfs, such as `/proc/self/fd/1`, which leads to what no path names.
    OfKernel(PathBuf),
}

/// Follows the symbolic links that `path` ends in.
fn follow(mut path: PathBuf) -> io::Result<End> {
    for _ in 0..LINKS_MAX {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let link = match open(&path, flags, Mode::empty()) {
            Ok(link) => File::from(link),
            Err(Errno::ENOENT) => return Ok(End::Path(path)),
            Err(e) => return Err(e.into()),
        };
        let found = link.metadata()?;
        if !found.is_symlink() {
            return Ok(End::Path(path));
        }
        if fstatfs(&link)?.filesystem_type() == PROC_SUPER_MAGIC {
            return Ok(End::OfKernel(path));
        }
        let target = readlinkat(&link, "")?;
        if found.uid() != 0 && found.uid() != Uid::effective().as_raw() {
            return Err(refused(format!(
                "{} is a symbolic link of another user (uid {}), and leads to {}",
                path.display(),
                found.uid(),
                target.display()
            )));
        }
        path = folder_of(&path).join(target);
    }
    Err(Errno::ELOOP.into())
}

/// Refuses a file that another user may have put into a folder of several users.
fn check_owner(path: &Path, found: &Metadata) -> io::Result<()> {
    let folder = folder_of(path).metadata()?;
    let is_shared = folder.mode() & libc::S_ISVTX != 0 && folder.mode() & 0o022 != 0;
    if !is_shared {
        return Ok(());
    }
    let uid = found.uid();
    if uid != Uid::effective().as_raw() && uid != folder.uid() {
        let path = path.display();
        return Err(refused(format!(
            "{path} belongs to another user (uid {uid})"
        )));
    }
    if found.is_file() && found.nlink() > 1 {
        let path = path.display();
        return Err(refused(format!("{path} has other names, too (hard links)")));
    }
    Ok(())
}

fn refused(why: String) -> io::Error {
    let advice = "remove it, or name a file in another folder";
    io::Error::new(io::ErrorKind::PermissionDenied, format!("{why}: {advice}"))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// A folder that is removed when it is dropped.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str, mode: u32) -> Self {
            let name = format!("hpcap-output-file-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            Self(path)
        }

        fn at(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn replace(path: &Path) -> io::Result<()> {
        write(path, FRAMES_MODE, b"new")
    }

    #[test]
    fn file_is_created_for_its_group() {
        let folder = Folder::new("new", 0o755);
        let path = folder.at("x");
        replace(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(path.metadata().unwrap().mode() & 0o027, 0);
    }

    #[test]
    fn file_is_replaced_through_own_links() {
        let folder = Folder::new("own", 0o1777);
        fs::write(folder.at("file"), "a longer text").unwrap();
        symlink("file", folder.at("link")).unwrap();
        symlink(folder.at("link"), folder.at("second")).unwrap();
        replace(&folder.at("second")).unwrap();
        assert_eq!(fs::read(folder.at("file")).unwrap(), b"new");
    }

    #[test]
    fn link_to_a_missing_file_creates_it() {
        let folder = Folder::new("missing", 0o755);
        symlink("file", folder.at("link")).unwrap();
        replace(&folder.at("link")).unwrap();
        assert_eq!(fs::read(folder.at("file")).unwrap(), b"new");
    }

    #[test]
    fn links_in_a_circle_are_an_error() {
        let folder = Folder::new("circle", 0o755);
        symlink("b", folder.at("a")).unwrap();
        symlink("a", folder.at("b")).unwrap();
        let error = replace(&folder.at("a")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
    }

    #[test]
    fn descriptor_is_reached_by_its_path() {
        let (mut reader, writer) = io::pipe().unwrap();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer));
        replace(Path::new(&path)).unwrap();
        drop(writer);
        let mut text = String::new();
        io::Read::read_to_string(&mut reader, &mut text).unwrap();
        assert_eq!(text, "new");
    }

    #[test]
    fn link_of_another_user_is_refused() {
        if !Uid::effective().is_root() {
            println!("skipped: only root can give a link to another user");
            return;
        }
        // Linux itself refuses the link in a folder whose sticky bit is set.
        let folder = Folder::new("other", 0o777);
        fs::write(folder.at("precious"), "precious").unwrap();
        symlink("precious", folder.at("x")).unwrap();
        std::os::unix::fs::lchown(folder.at("x"), Some(65_534), None).unwrap();
        let error = replace(&folder.at("x")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(
            error.to_string().contains("link of another user"),
            "{error}"
        );
        assert_eq!(fs::read(folder.at("precious")).unwrap(), b"precious");
    }

    #[test]
    fn file_of_another_user_is_refused_in_a_shared_folder() {
        if !Uid::effective().is_root() {
            println!("skipped: only root can give a file to another user");
            return;
        }
        let shared = Folder::new("shared", 0o1777);
        let own = Folder::new("private", 0o755);
        for folder in [&shared, &own] {
            fs::write(folder.at("x"), "old").unwrap();
            std::os::unix::fs::chown(folder.at("x"), Some(65_534), None).unwrap();
        }
        assert!(replace(&shared.at("x")).is_err());
        assert_eq!(fs::read(shared.at("x")).unwrap(), b"old");
        replace(&own.at("x")).unwrap();
    }

    #[test]
    fn hard_link_is_refused_in_a_shared_folder() {
        let shared = Folder::new("names", 0o1777);
        let own = Folder::new("target", 0o755);
        fs::write(own.at("precious"), "precious").unwrap();
        fs::hard_link(own.at("precious"), shared.at("x")).unwrap();
        let error = replace(&shared.at("x")).unwrap_err();
        assert!(error.to_string().contains("hard links"), "{error}");
        assert_eq!(fs::read(own.at("precious")).unwrap(), b"precious");
    }

    #[test]
    fn removed_file_is_noticed() {
        let folder = Folder::new("removed", 0o755);
        let file = create_or_replace(&folder.at("x"), FRAMES_MODE).unwrap();
        fs::rename(folder.at("x"), folder.at("y")).unwrap();
        assert!(!is_removed(&file));
        fs::remove_file(folder.at("y")).unwrap();
        assert!(is_removed(&file));
    }
}
