//! A small file system that a test can fill.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::{is_root_or_skips, skip};

/// A tmpfs of limited size. Dropping it unmounts the file system.
#[derive(Debug)]
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// Mounts a file system of `size`, as mount(8) spells it, such as `4m`. Reports the skip and returns
    /// `None` where this process may not mount.
    #[must_use]
    pub fn new(size: &str) -> Option<Self> {
        if !is_root_or_skips("filling a tmpfs") {
            return None;
        }
        let disk = Self(tempfile::tempdir().unwrap());
        let options = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(disk.path())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            skip("filling a tmpfs, which cannot be mounted here");
            return None;
        }
        Some(disk)
    }

    /// Returns the mount point of the file system.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Changes the size of the file system.
    pub fn resize(&self, size: &str) {
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
