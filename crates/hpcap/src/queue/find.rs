//! Finds queues by name, among the sockets of `hpcapd` and the devices of the kernel module.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::unistd::{Gid, Group};

use super::connection::{Connection, run_dirs, socket_path};
use super::device::{self, dev_dir, device_path};
use super::folder::Folder;
use super::{Connect, Queue};
use crate::error::{Error, Kind, Result};
use crate::name::QueueName;

/// The path of a producer's socket or device.
#[derive(Debug)]
struct At(PathBuf);

impl Connect for At {
    fn connect(&self) -> Result<Connection> {
        Connection::to(&self.0)
    }
}

impl Queue {
    /// Opens the queue `name` of a running producer: of `hpcapd`, or of the kernel module. The name
    /// is a [`QueueName`] or text such as `hpcap0`.
    ///
    /// # Errors
    /// Returns [`Kind::Usage`] when the text names no queue, [`Kind::NotFound`] when no producer
    /// serves the queue, [`Kind::Permission`] when this user may not open it, [`Kind::Version`]
    /// when the producer has another version, [`Kind::Gone`] when the producer ended and left its
    /// socket behind.
    pub fn open<N>(name: N) -> Result<Self>
    where
        N: TryInto<QueueName>,
        Error: From<N::Error>,
    {
        let name = name.try_into()?;
        let tried = format!("open queue {name}");
        let mut refused = None;
        let sockets = run_dirs().into_iter().map(|dir| socket_path(&dir, name));
        for path in sockets.chain([device_path(&dev_dir(), name)]) {
            match Connection::to(&path) {
                Ok(connection) => return Self::with(Arc::new(At(path)), connection),
                Err(e) if e.kind() == Kind::NotFound => {}
                // Another user's folder, or a file of another kind with a queue's name, must not
                // hide a queue that is served elsewhere.
                Err(e) if e.os_error().is_none() && e.kind() != Kind::Timeout => {
                    refused.get_or_insert(e);
                }
                Err(e) if e.os_error() == Some(libc::ECONNREFUSED) => {
                    let why = format!("its producer is gone and left {} behind", path.display());
                    refused = Some(
                        Error::new(Kind::Gone, &tried, why)
                            .advise("start hpcapd again: it takes the socket over"),
                    );
                }
                Err(e) if e.kind() == Kind::Permission => {
                    let why = format!("permission denied on {}", path.display());
                    return Err(Error::new(Kind::Permission, &tried, why)
                        .advise(who_may(&path, device::is_device(&path)?)));
                }
                Err(e) => return Err(e),
            }
        }
        Err(refused.unwrap_or_else(|| nobody(name, &tried)))
    }

    /// Lists the queues that producers serve on this machine. The errors name the folders that
    /// could not be read and in which there may be more queues.
    #[must_use]
    pub fn list() -> (Vec<QueueName>, Vec<Error>) {
        let mut unseen = Vec::new();
        let mut names: Vec<QueueName> = Vec::new();
        for dir in run_dirs() {
            let files = Folder::open(&dir).and_then(|_| files_in(&dir));
            let files = files.or_else(|e| match e.kind() {
                Kind::NotFound => Ok(Vec::new()),
                _ => Err(e),
            });
            let files = files.unwrap_or_else(|e| {
                unseen.push(e);
                Vec::new()
            });
            names.extend(
                files
                    .iter()
                    .filter_map(|file| file.strip_suffix(".sock")?.parse::<QueueName>().ok()),
            );
        }
        let dir = dev_dir();
        names.extend(
            files_in(&dir)
                .unwrap_or_default()
                .iter()
                .filter_map(|file| device::queue_of(file))
                .filter(|name| device::is_device(&device_path(&dir, *name)).unwrap_or(false)),
        );
        names.sort_unstable();
        names.dedup();
        (names, unseen)
    }
}

/// Returns the names of the files in `dir`; none when the folder does not exist.
fn files_in(dir: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io(format!("list {}", dir.display()), e)),
    };
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect())
}

/// Returns the error for a queue without producer; it names the searched folders.
fn nobody(name: QueueName, tried: &str) -> Error {
    let dirs: Vec<_> = run_dirs()
        .iter()
        .chain([&dev_dir()])
        .map(|dir| dir.display().to_string())
        .collect();
    let why = format!("no producer serves it (looked in {})", dirs.join(", "));
    let module = if Path::new("/sys/module/hpcap").exists() {
        "hpcap.ko is loaded, and has no such queue"
    } else {
        "or load the kernel module: modprobe hpcap_ixgbe"
    };
    Error::new(Kind::NotFound, tried, why).advise(format!(
        "start one: hpcapd {name}=af_packet:INTERFACE; {module}; \
         `hpcapctl status` lists what runs"
    ))
}

/// Advises how to get access to `path`: usually through its group, named if the group has a name.
fn who_may(path: &Path, is_device: bool) -> String {
    let Ok(found) = std::fs::metadata(path) else {
        return "become a member of the group that owns the socket (hpcapd --group), or root"
            .into();
    };
    if is_device && found.gid() == 0 {
        return "become root, or give it to a group: \
                copy 70-hpcap.rules to /etc/udev/rules.d, and run `udevadm trigger`"
            .into();
    }
    match Group::from_gid(Gid::from_raw(found.gid())) {
        Ok(Some(group)) => format!("become a member of group {}, or root", group.name),
        _ => format!("become a member of group {}, or root", found.gid()),
    }
}
