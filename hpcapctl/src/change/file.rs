//! Files that are there completely or not at all, also after a power cut.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The name of a file while it is written.
#[must_use]
pub fn temporary(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".hpcap-new");
    name.into()
}

/// Writes a file with the given mode, and returns when it is on disk under its name.
///
/// # Errors
/// Errors of the file system. The file is then as it was before.
pub fn write_atomically(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let new = temporary(path);
    let written = write_new(&new, content, mode).and_then(|()| fs::rename(&new, path));
    if let Err(e) = written {
        let _ = fs::remove_file(&new);
        return Err(e);
    }
    sync_folder(path)
}

fn write_new(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(content)?;
    // The umask may have removed bits of the mode.
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    file.sync_all()
}

/// Makes a change of the names in the folder of `path` survive a power cut.
///
/// # Errors
/// Errors of the file system.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Removes the file or symbolic link `path`, if there is one, so that it does not come back after a power failure.
///
/// # Errors
/// Errors of the file system.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
        Ok(()) => sync_folder(path),
    }
}
