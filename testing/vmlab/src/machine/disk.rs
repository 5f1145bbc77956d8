//! A disk for a guest: a file without a name that holds an ext4 file system.

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::MachineError;
use crate::kernel::host_command;

/// Creates a sparse file of `bytes` bytes in `folder`, with an empty file system.
pub(super) fn make(bytes: u64, folder: &Path) -> Result<File, MachineError> {
    let host =
        |e: std::io::Error| MachineError::host(format!("a disk in {}: {e}", folder.display()));
    fs::create_dir_all(folder).map_err(host)?;
    let mut options = OpenOptions::new();
    let unnamed = options
        .read(true)
        .write(true)
        .custom_flags(libc::O_TMPFILE)
        .mode(0o600);
    let file = unnamed.open(folder).map_err(host)?;
    file.set_len(bytes).map_err(host)?;
    let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    let mut mke2fs = host_command("mke2fs");
    mke2fs.args([
        "-q",
        "-F",
        "-t",
        "ext4",
        "-E",
        "lazy_itable_init=1,lazy_journal_init=1,nodiscard",
    ]);
    let output = mke2fs.arg(&path).output();
    match output {
        Ok(output) if output.status.success() => Ok(file),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(MachineError::host(format!("mke2fs failed: {said}")))
        }
        Err(e) => Err(MachineError::Missing(format!(
            "mke2fs, of the package e2fsprogs: {e}"
        ))),
    }
}
