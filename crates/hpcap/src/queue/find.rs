//! Finds queues by name, among the sockets of `hpcapd` and the devices of the kernel module.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hpcap_ipc::connection::{Connection, run_dirs, socket_path};
use hpcap_ipc::device::{self, dev_dir, device_path};
use hpcap_ipc::folder::Folder;
use nix::unistd::{Gid, Group};

use super::{Connect, Queue, QueueAddress};
use crate::error::{Context, Error, Kind, Result};
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
    /// Opens a queue of a running producer: of `hpcapd`, or of the kernel module. `address` is
    /// anything that names a queue: text such as `hpcap0`, a [`QueueName`], or the path of a socket
    /// or device. Text with a slash is a path.
    ///
    /// A socket is trusted only if root, the user of this process or the owner of its folder serves
    /// it, and only the owner may write to the folder. A device must belong to the kernel module.
    ///
    /// # Errors
    /// Returns [`Kind::Usage`] when the text names no queue, [`Kind::NotFound`] when no producer
    /// serves the queue, [`Kind::Permission`] when this user may not open it or the socket cannot be
    /// trusted, [`Kind::Version`] when the producer has another version, [`Kind::Gone`] when the
    /// producer ended and left its socket behind.
    pub fn open<A>(address: A) -> Result<Self>
    where
        A: TryInto<QueueAddress>,
        Error: From<A::Error>,
    {
        match address.try_into()? {
            QueueAddress::Name(name) => Self::find(name),
            QueueAddress::Path(path) => {
                let tried = format!("open queue {}", path.display());
                match Connection::to(&path) {
                    Ok(connection) => Self::with(Arc::new(At(path)), connection, &tried),
                    Err(e) => Err(explain(e, &path, &tried)?),
                }
            }
        }
    }

    /// Opens the queues `names` side by side, so that a producer that does not answer delays no other
    /// one. The results are in the order of `names`. All of them together take no longer than the
    /// slowest.
    #[must_use]
    pub fn open_all(names: &[QueueName]) -> Vec<Result<Self>> {
        std::thread::scope(|scope| {
            let open = |name: QueueName| {
                let thread = std::thread::Builder::new().name("opening".into());
                let started = thread.spawn_scoped(scope, move || Self::open(name));
                started.context(|| format!("start the thread that opens queue {name}"))
            };
            let threads: Vec<_> = names.iter().map(|name| open(*name)).collect();
            let opened = threads.into_iter().map(|thread| match thread?.join() {
                Ok(opened) => opened,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            opened.collect()
        })
    }

    /// Searches the queue `name` in the folders of sockets and devices.
    fn find(name: QueueName) -> Result<Self> {
        let tried = format!("open queue {name}");
        let mut refused = None;
        let sockets = run_dirs().into_iter().map(|dir| socket_path(&dir, name));
        for path in sockets.chain([device_path(&dev_dir(), name)]) {
            match Connection::to(&path) {
                Ok(connection) => return Self::with(Arc::new(At(path)), connection, &tried),
                Err(e) if e.kind() == Kind::NotFound => {}
                // Another user's folder, or a file of another kind with a queue's name, must not
                // hide a queue that is served elsewhere.
                Err(e) if e.os_error().is_none() && e.kind() != Kind::Timeout => {
                    refused.get_or_insert(e);
                }
                Err(e) if e.os_error() == Some(libc::ECONNREFUSED) => {
                    refused = Some(explain(e, &path, &tried)?);
                }
                Err(e) => return Err(explain(e, &path, &tried)?),
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

/// Returns the error of a connection to `path` with what to do about it.
///
/// # Errors
/// Returns the errors of [`device::is_device`].
fn explain(error: Error, path: &Path, tried: &str) -> Result<Error> {
    Ok(match error.os_error() {
        Some(libc::ECONNREFUSED) => {
            let why = format!("its producer is gone and left {} behind", path.display());
            Error::new(Kind::Gone, tried, why)
                .advise("start hpcapd again: it takes the socket over")
        }
        Some(_) if error.kind() == Kind::Permission => {
            let why = format!("permission denied on {}", path.display());
            Error::new(Kind::Permission, tried, why).advise(who_may(path, device::is_device(path)?))
        }
        _ => error,
    })
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
