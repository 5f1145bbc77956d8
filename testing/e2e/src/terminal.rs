//! Terminals that go away.

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Opens a terminal and returns its two ends. No child inherits them, so the terminal is closed
/// when both are dropped.
#[must_use]
pub fn terminal() -> (OwnedFd, OwnedFd) {
    let master: OwnedFd = File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY)
        .open("/dev/ptmx")
        .unwrap()
        .into();
    // SAFETY: `master` is open; the call changes nothing in this process.
    assert_eq!(unsafe { libc::unlockpt(master.as_raw_fd()) }, 0);
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: TIOCGPTPEER takes flags, no pointer, and returns a new descriptor.
    let slave = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags) };
    assert!(slave >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: the kernel has just opened this descriptor, and no other code knows it.
    (master, unsafe { OwnedFd::from_raw_fd(slave) })
}

/// Makes `command` the leader of a new session with `slave` as its terminal.
pub fn in_terminal(command: &mut Command, slave: &OwnedFd) {
    let slave = slave.as_raw_fd();
    // SAFETY: between fork and exec only setsid(2) and ioctl(2) are called, which take no lock and
    // allocate nothing.
    unsafe {
        command.pre_exec(move || {
            if libc::setsid() < 0 || libc::ioctl(slave, libc::TIOCSCTTY, 0) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
}
