//! The sockets by which clients find queues. Each socket has one owner, which replaces a stale
//! socket of the same name.

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hpcap::error::Context;
use hpcap::{Error, Kind, QueueName, Result};
use hpcap_ipc::connection::{run_dirs, socket_path};
use hpcap_ipc::device::{dev_dir, device_path, is_device};
use hpcap_ipc::folder::{Folder, is_socket};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, Flock, FlockArg, OFlag, openat};
use nix::poll::PollFlags;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept4, bind, listen, socket,
};
use nix::sys::stat::{FchmodatFlags, Mode, fchmod, fchmodat};
use nix::unistd::{AccessFlags, Gid, Group, UnlinkatFlags, access, fchownat, unlinkat};

use hpcap_engine::Engine;

/// A listening socket in the file system. Dropping it removes the file.
#[derive(Debug)]
pub(super) struct SocketListener {
    socket: OwnedFd,
    path: PathBuf,
    /// Held as long as the socket exists, so that two daemons cannot serve one queue.
    _lock: Flock<File>,
    dir: Arc<Folder>,
    name: QueueName,
    /// A spare descriptor. When no other descriptor is left, it is closed for a moment to refuse a
    /// client.
    spare: RefCell<Option<OwnedFd>>,
    /// End of the pause that follows a failed accept(2).
    pause: Cell<Option<Instant>>,
}

/// Largest number of clients that wait to be accepted.
pub(super) const BACKLOG: usize = 64;

/// Pause after a failed accept(2), which would otherwise fail again at once.
const PAUSE: Duration = Duration::from_millis(500);

/// Opens the spare descriptor.
fn spare() -> Option<OwnedFd> {
    File::open("/dev/null").map(OwnedFd::from).ok()
}

/// Opens the folder for sockets: the requested folder, or the first of the usual folders that can
/// be used. Creates the folder if it does not exist.
pub(super) fn run_dir(asked: Option<&Path>) -> Result<Folder> {
    let (candidates, chosen) = match asked {
        Some(dir) => (vec![dir.to_owned()], true),
        None => (run_dirs(), std::env::var_os("HPCAP_RUN_DIR").is_some()),
    };
    let mut last = None;
    for (i, dir) in candidates.iter().enumerate() {
        // The last of the usual folders belongs to a single user.
        let mode = if !chosen && i > 0 { 0o700 } else { 0o755 };
        let made = fs::DirBuilder::new()
            .recursive(chosen)
            .mode(mode)
            .create(dir);
        let usable = match made {
            Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(Error::io(format!("make {} for sockets", dir.display()), e))
            }
            _ => Folder::open(dir).and_then(|folder| {
                access(dir, AccessFlags::W_OK)
                    .context(|| format!("make sockets in {}", dir.display()))?;
                Ok(folder)
            }),
        };
        match usable {
            Ok(folder) => return Ok(folder),
            Err(e) => last = Some(e),
        }
    }
    let none = || Error::usage("folder for sockets", "there is none");
    Err(last
        .unwrap_or_else(none)
        .advise("run as root, or choose a folder of your own with --run-dir or HPCAP_RUN_DIR"))
}

/// Looks up the group for sockets: the requested group, or `hpcap` if it exists.
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

impl SocketListener {
    /// Serves queue `name` in folder `dir`, to members of `group`.
    pub(super) fn open(dir: &Arc<Folder>, name: QueueName, group: Option<Gid>) -> Result<Self> {
        let path = socket_path(dir.path(), name);
        let file = format!("{name}.sock");
        let tried = || format!("serve {name} at {}", path.display());
        // The kernel module may serve a queue of this name, and a name must lead to only one queue.
        let device = device_path(&dev_dir(), name);
        if is_device(&device)? {
            let why = format!("the kernel module serves it already ({})", device.display());
            return Err(Error::new(Kind::Busy, format!("serve {name}"), why)
                .advise("choose another name (hpcap1=SOURCE)"));
        }
        let lock = take_lock(dir, name)?;
        // This process holds the lock, so a socket of that name is left over from a dead daemon.
        match dir.find(&file)? {
            Some(found) if !is_socket(&found) => {
                let why = "something that is no socket has its name";
                return Err(Error::new(Kind::Busy, tried(), why)
                    .advise("remove it, or choose another folder with --run-dir"));
            }
            Some(_) => {
                unlinkat(&**dir, file.as_str(), UnlinkatFlags::NoRemoveDir).context(tried)?;
            }
            None => {}
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
        let listener = Self {
            socket,
            path: path.clone(),
            dir: Arc::clone(dir),
            name,
            _lock: lock,
            spare: RefCell::new(spare()),
            pause: Cell::new(None),
        };
        // bind(2) used the path, which may have led to another folder than the checked one.
        if !dir.find(&file)?.is_some_and(|found| is_socket(&found)) {
            let why = "the folder was exchanged meanwhile";
            return Err(Error::new(Kind::Permission, tried(), why));
        }
        // Mode and group are set before listen(2): until then no client can connect.
        let mode = Mode::from_bits_truncate(0o660);
        fchmodat(&**dir, file.as_str(), mode, FchmodatFlags::FollowSymlink).context(tried)?;
        if let Some(gid) = group {
            let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
            fchownat(&**dir, file.as_str(), None, Some(gid), flags).context(tried)?;
        }
        let backlog = i32::try_from(BACKLOG).unwrap_or(i32::MAX);
        let backlog = Backlog::new(backlog).context(tried)?;
        listen(&listener.socket, backlog).context(tried)?;
        Ok(listener)
    }

    /// Accepts the next client, if there is one. Refuses the client if no descriptor is left.
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
        // SAFETY: accept4 has just returned this descriptor, which has no other owner.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Accepts the next client with the spare descriptor and refuses it. A pause follows, because
    /// poll(2) would report the waiting clients again at once.
    fn turn_away(&self) {
        drop(self.spare.borrow_mut().take());
        if let Ok(client) = self.take_client() {
            Engine::turn_away(client);
        }
        *self.spare.borrow_mut() = spare();
        self.pause.set(Some(Instant::now() + PAUSE));
    }

    /// Returns the events to wait for on this socket: clients, or nothing during a pause.
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

impl AsFd for SocketListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for SocketListener {
    fn drop(&mut self) {
        for file in [format!("{}.sock", self.name), lock_name(self.name)] {
            let _ = unlinkat(&*self.dir, file.as_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

fn lock_name(name: QueueName) -> String {
    format!("{name}.lock")
}

/// Takes the lock of queue `name`. The lock file must belong to the owner of the folder, root or this
/// user, with mode 0600, so that no other user can open and hold it.
fn take_lock(dir: &Folder, name: QueueName) -> Result<Flock<File>> {
    let file_name = lock_name(name);
    let tried = || format!("lock {}", dir.path().join(lock_name(name)).display());
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    for _ in 0..16 {
        let file = match openat(dir, file_name.as_str(), flags | OFlag::O_NONBLOCK, mode) {
            Ok(file) => File::from(file),
            Err(Errno::ELOOP) => return Err(no_lock(tried(), "it is a symbolic link")),
            Err(e) => return Err(e).context(tried),
        };
        let ours = nix::sys::stat::fstat(&file).context(tried)?;
        let is_file = ours.st_mode & libc::S_IFMT == libc::S_IFREG;
        if !is_file || ours.st_nlink > 1 || !dir.trusts(ours.st_uid) {
            return Err(no_lock(tried(), "it is not a lock of hpcapd"));
        }
        let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((file, Errno::EWOULDBLOCK)) => {
                let mut pid = String::new();
                let _ = file.take(20).read_to_string(&mut pid);
                let pid = pid.trim().parse::<u32>();
                let who = pid.map_or_else(
                    |_| "another hpcapd".into(),
                    |pid| format!("hpcapd with pid {pid}"),
                );
                let why = format!("{who} serves it already");
                return Err(Error::new(Kind::Busy, format!("serve {name}"), why)
                    .advise("choose another name (hpcap1=SOURCE), or stop that one"));
            }
            Err((_, e)) => return Err(Error::io(tried(), e.into())),
        };
        // A daemon that has just ended may have removed the file between open and lock.
        let there = dir.find(&file_name)?;
        if there.is_some_and(|there| there.st_ino == ours.st_ino) {
            fchmod(&*lock, mode).context(tried)?;
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

/// The error for a file that has the name of a lock but is not one. The file is not changed.
fn no_lock(tried: String, why: &str) -> Error {
    Error::new(Kind::Permission, tried, why)
        .advise("remove it, or choose another folder with --run-dir")
}
