//! The guest's root: the host's root folder under a writable layer in memory.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sys::utsname::uname;
use nix::unistd::{chdir, chroot, sethostname};

use super::{HOME, HOST, HOST_TAG, PATH, SETUP, Setup, at};

/// Folder in which the root is assembled. It is only used until the root is complete.
const BASE: &str = "/base";

/// Switches from the first file system to the host's. Returns the settings of the guest.
pub(super) fn enter() -> io::Result<Setup> {
    for (kind, target) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        mount_new(kind, kind, target, MsFlags::empty(), "")?;
    }
    let setup: Setup = serde_json::from_str(&at(SETUP, fs::read_to_string(SETUP))?)?;
    for module in &setup.modules {
        load(module)?;
    }
    let options = "trans=virtio,version=9p2000.L,msize=524288,cache=loose";
    mount_new("9p", HOST_TAG, HOST, MsFlags::MS_RDONLY, options)?;
    mount_new("tmpfs", "ram", "/ram", MsFlags::empty(), "size=100%")?;
    fs::create_dir("/ram/upper")?;
    fs::create_dir("/ram/work")?;
    // The root has the permissions of the upper folder, not those of the host's root.
    fs::set_permissions("/ram/upper", fs::Permissions::from_mode(0o755))?;
    let options = format!("lowerdir={HOST},upperdir=/ram/upper,workdir=/ram/work");
    mount_new("overlay", "root", BASE, MsFlags::empty(), &options)?;
    for folder in [HOST, "/proc", "/sys", "/dev"] {
        let target = format!("{BASE}{folder}");
        fs::create_dir_all(&target)?;
        let moved = mount(Some(folder), target.as_str(), NONE, MsFlags::MS_MOVE, NONE);
        at(format_args!("moving {folder}"), moved)?;
    }
    // As switch_root does, the new root is mounted over the first file system, which cannot be
    // unmounted.
    chdir(BASE)?;
    at(
        "moving the root",
        mount(Some("."), "/", NONE, MsFlags::MS_MOVE, NONE),
    )?;
    chroot(".")?;
    chdir("/")?;
    Ok(setup)
}

/// Mounts the kernel's file systems and the folders of the lab, and shows the modules: everything
/// that programs expect.
pub(super) fn furnish(setup: &Setup) -> io::Result<()> {
    // SAFETY: no other thread of this program runs yet.
    unsafe { std::env::set_var("PATH", PATH) };
    sethostname("guest")?;
    let nothing = MsFlags::empty();
    mount_new("tmpfs", "run", "/run", nothing, "mode=755")?;
    mount_new("tmpfs", "shm", "/dev/shm", nothing, "mode=1777,size=100%")?;
    mount_new(
        "devpts",
        "devpts",
        "/dev/pts",
        nothing,
        "ptmxmode=666,mode=620,gid=5",
    )?;
    // Some kernels do not have these file systems.
    for (kind, folder) in [
        ("debugfs", "/sys/kernel/debug"),
        ("tracefs", "/sys/kernel/tracing"),
    ] {
        if Path::new(folder).is_dir() {
            let _ = mount_new(kind, kind, folder, nothing, "");
        }
    }
    for (name, target) in [
        ("fd", "self/fd"),
        ("stdin", "self/fd/0"),
        ("stdout", "self/fd/1"),
        ("stderr", "self/fd/2"),
    ] {
        let _ = symlink(
            Path::new("/proc").join(target),
            Path::new("/dev").join(name),
        );
    }
    fs::create_dir_all("/out")?;
    fs::create_dir_all(HOME)?;
    if let Some(programs) = &setup.programs {
        show(programs, Path::new("/hpcap/bin"))?;
    }
    if let Some(tree) = &setup.module_tree {
        let release = uname()?.release().to_owned();
        show(tree, &Path::new("/lib/modules").join(release))?;
    }
    loopback_up()
}

/// Shows a folder of the host at `place`. The guest's changes to the folder are not visible there,
/// and the host's own content at `place` is hidden.
fn show(folder: &Path, place: &Path) -> io::Result<()> {
    let folder = Path::new(HOST).join(folder.strip_prefix("/").unwrap_or(folder));
    at(place.display(), fs::create_dir_all(place))?;
    let shown = mount(Some(&folder), place, NONE, MsFlags::MS_BIND, NONE);
    at(
        format_args!("showing {} at {}", folder.display(), place.display()),
        shown,
    )
}

const NONE: Option<&str> = None;

/// Mounts a file system at a folder, which is created if it is missing.
pub(super) fn mount_new(
    kind: &str,
    source: &str,
    target: &str,
    flags: MsFlags,
    options: &str,
) -> io::Result<()> {
    fs::create_dir_all(target)?;
    let mounted = mount(Some(source), target, Some(kind), flags, Some(options));
    at(format_args!("mounting {kind} at {target}"), mounted)
}

/// Loads one module, without its dependencies.
fn load(module: &Path) -> io::Result<()> {
    let file = at(module.display(), File::open(module))?;
    // SAFETY: the parameters are a C string, and the descriptor is open.
    let code = unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0) };
    if code == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::EEXIST) {
        return Ok(());
    }
    at(module.display(), Err(error))
}

/// Brings the loopback interface up, because programs communicate over it.
fn loopback_up() -> io::Result<()> {
    // SAFETY: a new socket; the structure is plain data, for which zeroes are valid, and outlives
    // the calls.
    let code = unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        if socket < 0 {
            return Ok(());
        }
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
            *to = from.cast_signed();
        }
        let mut code = libc::ioctl(socket, libc::SIOCGIFFLAGS, &raw mut request);
        if code == 0 {
            let up = libc::IFF_UP as i16;
            request.ifr_ifru.ifru_flags |= up;
            code = libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw mut request);
        }
        libc::close(socket);
        code
    };
    if code == 0 {
        Ok(())
    } else {
        at("loopback interface", Err(io::Error::last_os_error()))
    }
}
