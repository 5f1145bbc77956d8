//! The sockets under which queues are found: one owner each, a stale one taken over.

use std::cell::{Cell, RefCell};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hpcap::error::Context;
use hpcap::queue::connection::{run_dirs, socket_path};
use hpcap::queue::device::{dev_dir, device_path, is_device};
use hpcap::{Error, Kind, QueueName, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::poll::PollFlags;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept4, bind, listen, socket,
};
use nix::unistd::{Gid, Group, chown};

use crate::server::Conversations;

/// A socket in the file system that belongs to this process. Removed when dropped.
#[derive(Debug)]
pub(super) struct Doorway {
    socket: OwnedFd,
    path: PathBuf,
    /// Held for as long as the socket is: two daemons cannot serve one queue.
    _lock: Flock<File>,
    lock_path: PathBuf,
    /// Given up for a moment where there are no descriptors left, to turn a client away.
    spare: RefCell<Option<OwnedFd>>,
    /// When clients are looked for again, after the system refused to let one in.
    pause: Cell<Option<Instant>>,
}

/// How long a socket is left alone after the system refused to let a client in.
const PAUSE: Duration = Duration::from_millis(500);

/// A descriptor to be given up when there is no other.
fn spare() -> Option<OwnedFd> {
    File::open("/dev/null").map(OwnedFd::from).ok()
}

/// The folder for sockets: the one asked for, or the first of the usual ones that can be used.
pub(super) fn run_dir(asked: Option<&Path>) -> Result<PathBuf> {
    let candidates = match asked {
        Some(dir) => vec![dir.to_owned()],
        None => run_dirs(),
    };
    let mut last = None;
    for dir in candidates {
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&dir);
        match made {
            Ok(()) if nix::unistd::access(&dir, nix::unistd::AccessFlags::W_OK).is_ok() => {
                return Ok(dir);
            }
            Ok(()) => last = Some((dir, Errno::EACCES.into())),
            Err(e) => last = Some((dir, e)),
        }
    }
    let (dir, e) = last.unwrap_or_else(|| (PathBuf::new(), Errno::ENOENT.into()));
    Err(Error::io(format!("use {} for sockets", dir.display()), e)
        .advise("run as root, or choose a folder with --run-dir or HPCAP_RUN_DIR"))
}

/// The group for sockets: the one asked for, or `hpcap` where it exists.
pub(super) fn group(asked: Option<&str>) -> Result<Option<Gid>> {
    let name = asked.unwrap_or("hpcap");
    let found = Group::from_name(name).context(|| format!("look up group {name}"))?;
    match (found, asked) {
        (Some(group), _) => Ok(Some(group.gid)),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Error::usage(
            format!("group {name:?}"),
            "there is no such group; create it: groupadd --system hpcap",
        )),
    }
}

impl Doorway {
    /// Serves queue `name` in folder `dir`, to members of `group`.
    pub(super) fn open(dir: &Path, name: QueueName, group: Option<Gid>) -> Result<Self> {
        let path = socket_path(dir, name);
        let lock_path = dir.join(format!("{name}.lock"));
        let tried = || format!("serve {name} at {}", path.display());
        // Programs that open it by name must find one queue.
        let device = device_path(&dev_dir(), name);
        if is_device(&device)? {
            let why = format!("the kernel module serves it already ({})", device.display());
            return Err(Error::new(Kind::Busy, format!("serve {name}"), why)
                .advise("choose another name (hpcap1=SOURCE)"));
        }
        let lock = take_lock(&lock_path, name)?;
        // The lock is ours: whatever stands there was left behind by a dead daemon.
        match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(tried(), e));
            }
            _ => {}
        }
        let socket = socket(
            AddressFamily::Unix,
            SockType::SeqPacket,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            None,
        )
        .context(tried)?;
        let address = UnixAddr::new(&path).context(tried)?;
        bind(socket.as_raw_fd(), &address).context(tried)?;
        let doorway = Self {
            socket,
            path: path.clone(),
            _lock: lock,
            lock_path,
            spare: RefCell::new(spare()),
            pause: Cell::new(None),
        };
        // Before anybody can connect: only listen() opens the door.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).context(tried)?;
        if let Some(gid) = group {
            chown(&path, None, Some(gid)).context(tried)?;
        }
        let backlog = Backlog::new(64).context(tried)?;
        listen(&doorway.socket, backlog).context(tried)?;
        Ok(doorway)
    }

    /// The next client, if one knocks. One for whom there is no descriptor left is told so.
    pub(super) fn accept(&self) -> Option<OwnedFd> {
        match self.take_client() {
            Ok(client) => Some(client),
            Err(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM) => {
                self.turn_away();
                None
            }
            Err(_) => None,
        }
    }

    fn take_client(&self) -> nix::Result<OwnedFd> {
        let fd = accept4(self.socket.as_raw_fd(), SockFlag::SOCK_CLOEXEC)?;
        // SAFETY: the kernel has just opened this descriptor for us.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Lets the next client in with the spare descriptor, and sends it away. Others wait for a
    /// moment: the socket would be ready all the time.
    fn turn_away(&self) {
        drop(self.spare.borrow_mut().take());
        if let Ok(client) = self.take_client() {
            Conversations::turn_away(client);
        }
        *self.spare.borrow_mut() = spare();
        self.pause.set(Some(Instant::now() + PAUSE));
    }

    /// What to wait for on this socket: clients, or nothing while there is no room for any.
    pub(super) fn events(&self) -> PollFlags {
        match self.pause.get() {
            Some(until) if Instant::now() < until => PollFlags::empty(),
            _ => PollFlags::POLLIN,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl AsFd for Doorway {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Doorway {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(&self.lock_path);
    }
}

fn take_lock(path: &Path, name: QueueName) -> Result<Flock<File>> {
    let tried = || format!("lock {}", path.display());
    for _ in 0..16 {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(path)
            .context(tried)?;
        let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                let why = format!("hpcapd with pid {} serves it already", pid.trim());
                return Err(Error::new(Kind::Busy, format!("serve {name}"), why)
                    .advise("choose another name (hpcap1=SOURCE), or stop that one"));
            }
            Err((_, e)) => return Err(Error::io(tried(), e.into())),
        };
        // A daemon that has just ended may have removed the file between open and lock.
        let ours = nix::sys::stat::fstat(&*lock).context(tried)?;
        let there = nix::sys::stat::stat(path);
        if there.is_ok_and(|there| there.st_ino == ours.st_ino) {
            lock.set_len(0).context(tried)?;
            lock.seek(SeekFrom::Start(0)).context(tried)?;
            writeln!(lock, "{}", std::process::id()).context(tried)?;
            return Ok(lock);
        }
    }
    Err(Error::new(
        Kind::Busy,
        tried(),
        "others take and leave it all the time",
    ))
}
