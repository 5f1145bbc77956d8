//! The file system in which the kernel describes its tracepoints.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hpcap::{Error, Kind, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::format::Format;

/// Where it is mounted.
const FOLDERS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// The descriptions of tracepoints. A mount that this process has made goes with it.
#[derive(Debug)]
pub struct Tracefs {
    folder: PathBuf,
    is_own_mount: bool,
}

impl Tracefs {
    /// Finds the file system, or mounts it for as long as the value lives.
    ///
    /// # Errors
    /// [`Kind::Permission`] if this user may not read it, [`Kind::NotFound`] if the kernel has no tracepoints.
    pub fn open() -> Result<Self> {
        const TRIED: &str = "read the tracepoints of the kernel";
        let mut why = None;
        for folder in FOLDERS.map(Path::new) {
            match fs::read_dir(folder.join("events")) {
                Ok(_) => return Ok(Self::at(folder)),
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => why = Some(e),
                Err(_) => {}
            }
        }
        let advice = "run it as root";
        if let Some(e) = why {
            return Err(Error::io(TRIED, e).advise(advice));
        }
        let folder = Path::new(FOLDERS[0]);
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        match mount(
            Some("tracefs"),
            folder,
            Some("tracefs"),
            flags,
            None::<&str>,
        ) {
            Ok(()) => Ok(Self {
                folder: folder.to_owned(),
                is_own_mount: true,
            }),
            Err(nix::Error::EPERM | nix::Error::EACCES) => {
                let why = format!("{} is not mounted, and only root can mount it", FOLDERS[0]);
                Err(Error::new(Kind::Permission, TRIED, why).advise(advice))
            }
            Err(e) => {
                let why = format!("this kernel has no tracefs ({})", e.desc());
                Err(Error::new(Kind::NotFound, TRIED, why)
                    .advise("a kernel with CONFIG_TRACING and CONFIG_EVENT_TRACING has it"))
            }
        }
    }

    fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            is_own_mount: false,
        }
    }

    /// Returns the format of tracepoint `name` in group `group`; `None` if the kernel does not have it.
    #[must_use]
    pub fn format(&self, group: &str, name: &str) -> Option<Format> {
        let path = self
            .folder
            .join("events")
            .join(group)
            .join(name)
            .join("format");
        Format::parse(&fs::read_to_string(path).ok()?)
    }
}

impl Drop for Tracefs {
    fn drop(&mut self) {
        if self.is_own_mount {
            let _ = umount2(&self.folder, MntFlags::MNT_DETACH);
        }
    }
}
