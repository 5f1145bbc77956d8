//! Disks that are full.

use std::path::Path;
use std::process::Command;

use super::is_root;

/// A file system of its own, of `size`; unmounted when dropped.
pub(crate) struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    pub(crate) fn new(size: &str) -> Option<Self> {
        if !is_root("a disk that is full, on a tmpfs") {
            return None;
        }
        let disk = Self(tempfile::tempdir().unwrap());
        let options = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(disk.path())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            println!("skipped: a disk that is full (cannot mount a tmpfs)");
            return None;
        }
        Some(disk)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        let status = Command::new("mount")
            .args(["-o", &options])
            .arg(self.path())
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}
