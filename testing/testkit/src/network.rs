//! Network namespaces, veth pairs, and sockets that send raw frames.

use std::ffi::{CString, c_int};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::Command;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

use crate::skip;
use crate::wait::wait_until;

/// Runs `test` in a new network namespace. The namespace is anonymous: the kernel removes it, with
/// everything in it, when the thread and the programs that it started have ended, however they
/// ended. Skips the test where this process may not create a namespace.
pub fn in_namespace(test: impl FnOnce() + Send + 'static) {
    // A namespace belongs to one thread and its children, so tests can run side by side.
    let thread = std::thread::spawn(|| {
        match unshare(CloneFlags::CLONE_NEWNET) {
            Err(Errno::EPERM) => return skip("creating a network namespace needs root"),
            other => other.unwrap(),
        }
        // Keeps out the frames that the kernel itself sends (neighbour discovery, multicast reports).
        for scope in ["all", "default"] {
            let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6"), "1");
        }
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Runs `ip` with the words of `line`, in the namespace of this thread. Returns its output.
pub fn ip(line: &str) -> String {
    let done = Command::new("ip").args(line.split_whitespace()).output();
    let done = done.unwrap_or_else(|e| panic!("run ip: {e}"));
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "ip {line}: {errors}");
    String::from_utf8(done.stdout).unwrap()
}

/// Creates a veth pair. Both ends are up and carry only the frames that a test sends.
pub fn create_veth_pair(sender: &str, receiver: &str, mtu: u32) {
    ip(&format!(
        "link add name {sender} type veth peer name {receiver}"
    ));
    for name in [sender, receiver] {
        ip(&format!("link set {name} mtu {mtu} arp off multicast off"));
        ip(&format!("link set {name} up"));
    }
}

/// Creates the veth pair `snd` and `rx`, as [`create_veth_pair`] does, with `queues` queues in each direction.
pub fn create_veth_pair_with_queues(queues: u32) {
    let queues = format!("numtxqueues {queues} numrxqueues {queues}");
    ip(&format!(
        "link add name snd {queues} type veth peer name rx {queues}"
    ));
    for name in ["snd", "rx"] {
        ip(&format!("link set {name} arp off multicast off up"));
    }
}

/// A packet socket that sends frames unchanged.
#[derive(Debug)]
pub struct FrameSender(OwnedFd);

impl FrameSender {
    /// Sends straight to the driver of `interface`. A queueing discipline would silently drop frames
    /// until the link has settled. Captures on `interface` itself do not see the frames.
    #[must_use]
    pub fn new(interface: &str) -> Self {
        Self::open(interface, true)
    }

    /// Sends through the queueing discipline, so that captures on `interface` itself see the frames,
    /// as they see those of other programs.
    #[must_use]
    pub fn visible(interface: &str) -> Self {
        wait_until("the link has a queueing discipline", || {
            !ip(&format!("link show {interface}")).contains("qdisc noop ")
        });
        Self::open(interface, false)
    }

    fn open(interface: &str, bypass: bool) -> Self {
        // SAFETY: socket(2) touches no memory; the result is checked.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        assert!(fd >= 0, "socket: {}", io::Error::last_os_error());
        // SAFETY: the descriptor was just opened, and no other code owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let on = c_int::from(bypass);
        // SAFETY: the kernel reads one integer of four bytes.
        let result = unsafe {
            let (level, option) = (libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS);
            libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const on).cast(), 4)
        };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
        let name = CString::new(interface).unwrap();
        // SAFETY: zero is a valid value of every field.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        let index = nix::net::if_::if_nametoindex(name.as_c_str()).unwrap();
        address.sll_ifindex = c_int::try_from(index).unwrap();
        let bytes = size_of::<libc::sockaddr_ll>() as u32;
        // SAFETY: the address is a `sockaddr_ll` of `bytes` bytes.
        let result = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), bytes) };
        let error = io::Error::last_os_error();
        assert_eq!(result, 0, "bind to {interface}: {error}");
        Self(fd)
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// The error of send(2), such as `ENOBUFS` while the interface has no room.
    pub fn try_send(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: the kernel reads the bytes of the frame.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        assert_eq!(usize::try_from(sent), Ok(frame.len()));
        Ok(())
    }

    /// Sends one frame, again and again while the interface has no room for it.
    pub fn send(&self, frame: &[u8]) {
        while let Err(error) = self.try_send(frame) {
            let code = error.raw_os_error();
            assert_eq!(code, Some(libc::ENOBUFS), "{} bytes", frame.len());
            std::thread::yield_now();
        }
    }
}
