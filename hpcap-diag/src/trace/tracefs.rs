//! The file system in which the kernel describes its tracepoints.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;

use hpcap::{Error, Kind, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::event::TRACEPOINTS;
use super::format::Format;

/// Where it is mounted.
const FOLDERS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
const TRIED: &str = "read the tracepoints of the kernel";

/// The formats of [`TRACEPOINTS`], in their order; `None` where the kernel does not have the tracepoint.
pub type Formats = [Option<Format>; TRACEPOINTS.len()];

/// Reads the formats of all tracepoints. Where the file system is not mounted, only a thread of this process sees it.
///
/// # Errors
/// [`Kind::Permission`] if this user may not read it, [`Kind::NotFound`] if the kernel has no tracepoints.
pub fn read_formats() -> Result<Formats> {
    let mut why = None;
    for folder in FOLDERS.map(Path::new) {
        match fs::read_dir(folder.join("events")) {
            Ok(_) => return Ok(formats_below(folder)),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => why = Some(e),
            Err(_) => {}
        }
    }
    if let Some(e) = why {
        return Err(Error::io(TRIED, e).advise("run it as root"));
    }
    let ended = thread::scope(|scope| scope.spawn(mount_and_read).join());
    ended.unwrap_or_else(|_| {
        let why = "the thread that reads them has ended early";
        Err(Error::new(Kind::Io, TRIED, why))
    })
}

/// Mounts the file system for this thread alone: the mount ends with the thread, even if the process is killed.
fn mount_and_read() -> Result<Formats> {
    let folder = Path::new(FOLDERS[0]);
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    let nothing = None::<&str>;
    let kind = Some("tracefs");
    let mounted = unshare(CloneFlags::CLONE_NEWNS)
        .and_then(|()| mount(nothing, "/", nothing, private, nothing))
        .and_then(|()| mount(kind, folder, kind, flags, nothing));
    match mounted {
        Ok(()) => Ok(formats_below(folder)),
        Err(nix::Error::EPERM | nix::Error::EACCES) => {
            let why = format!("{} is not mounted, and only root can mount it", FOLDERS[0]);
            Err(Error::new(Kind::Permission, TRIED, why).advise("run it as root"))
        }
        Err(e) => {
            let why = format!("this kernel has no tracefs ({})", e.desc());
            Err(Error::new(Kind::NotFound, TRIED, why)
                .advise("a kernel with CONFIG_TRACING and CONFIG_EVENT_TRACING has it"))
        }
    }
}

fn formats_below(folder: &Path) -> Formats {
    TRACEPOINTS.map(|(group, name, _)| {
        let path = folder.join("events").join(group).join(name).join("format");
        Format::parse(&fs::read_to_string(path).ok()?)
    })
}
