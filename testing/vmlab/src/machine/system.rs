//! A system that is installed on a disk: a copy of the image that `scripts/debian-image.sh` makes.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::MachineError;
use crate::kernel::{Kernel, build_folder, programs_folder};

/// A disk with an installed system, and the files with which a machine starts it.
#[derive(Debug, Clone)]
pub struct System {
    disk: PathBuf,
    initrd: PathBuf,
    kernel: Kernel,
}

impl System {
    /// Finds the image of Debian that was made last, by `scripts/debian-image.sh`.
    ///
    /// # Errors
    /// [`MachineError::Missing`] if there is none.
    pub fn debian() -> Result<PathBuf, MachineError> {
        let folder = build_folder()?.join("debian-image");
        let made = |path: &Path| fs::metadata(path.join("times")).and_then(|file| file.modified());
        let images = fs::read_dir(&folder).into_iter().flatten().flatten();
        images
            .filter_map(|entry| Some((made(&entry.path()).ok()?, entry.path())))
            .max()
            .map(|(_, path)| path)
            .ok_or_else(|| {
                let why = format!("{} has no image of Debian", folder.display());
                MachineError::Missing(format!("{why}\n  Make it: scripts/debian-image.sh"))
            })
    }

    /// Copies the disk of an image to the new file `disk`, which holds what the guest writes.
    ///
    /// # Errors
    /// Fails if the image is not complete, or cannot be copied.
    pub fn copy(image: &Path, disk: &Path) -> Result<Self, MachineError> {
        let copied = Command::new("cp")
            .args(["--sparse=always", "--reflink=auto"])
            .args([&image.join("root.ext4"), disk])
            .status();
        match copied {
            Ok(status) if status.success() => Self::open(image, disk),
            Ok(status) => Err(MachineError::host(format!("cp failed: {status}"))),
            Err(e) => Err(MachineError::host(format!("cp: {e}"))),
        }
    }

    /// Opens a disk that was copied from an image.
    ///
    /// # Errors
    /// [`MachineError::Missing`] if the image has no kernel.
    pub fn open(image: &Path, disk: &Path) -> Result<Self, MachineError> {
        let release = fs::read_to_string(image.join("release")).map_err(|e| {
            MachineError::Missing(format!("{}: no image of a system: {e}", image.display()))
        })?;
        Ok(Self {
            disk: disk.to_owned(),
            initrd: image.join("initrd"),
            kernel: Kernel {
                folder: image.to_owned(),
                release: release.trim().to_owned(),
            },
        })
    }

    /// Returns the kernel that the system starts with.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Reads the first file system.
    pub(super) fn initrd(&self) -> Result<Vec<u8>, MachineError> {
        fs::read(&self.initrd)
            .map_err(|e| MachineError::host(format!("{}: {e}", self.initrd.display())))
    }

    /// Opens the disk for QEMU.
    pub(super) fn disk(&self) -> Result<File, MachineError> {
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).open(&self.disk);
        opened.map_err(|e| MachineError::host(format!("{}: {e}", self.disk.display())))
    }

    /// Returns the arguments of the kernel with which the system's unit `lab.service` finds the program that serves
    /// the host's commands.
    pub(super) fn arguments() -> Result<Vec<String>, MachineError> {
        let program = programs_folder()?.join("lab");
        Ok(vec![
            "root=/dev/vda".to_owned(),
            "rw".to_owned(),
            "systemd.show_status=false".to_owned(),
            format!("lab.program={}", program.display()),
        ])
    }
}
