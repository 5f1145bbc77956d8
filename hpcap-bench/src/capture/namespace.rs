//! A network of our own: a namespace with a veth pair, which vanishes with its thread.

use std::path::Path;
use std::process::Command;
use std::thread;

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};

use crate::process::run;

/// The end that frames are sent to.
pub(super) const SENDER: &str = "snd";
/// The end that they arrive at.
pub(super) const RECEIVER: &str = "rcv";

/// Runs `work` on a thread in a network namespace of its own with a pair of interfaces. Programs
/// that it starts are in the namespace, too.
///
/// # Errors
/// [`Kind::Permission`] without the right to make a namespace, and those of `work`.
pub(super) fn within<T: Send>(folder: &Path, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            // SAFETY: no memory is involved; the new namespace is this thread's alone.
            if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
                let error = std::io::Error::last_os_error();
                return Err(Error::io("make a network namespace", error)
                    .advise("run as root, or with CAP_SYS_ADMIN"));
            }
            set_up(folder)?;
            work()
        });
        inside.join().unwrap_or_else(|_| {
            let why = "the thread in the network namespace panicked";
            Err(Error::new(Kind::Gone, "measure", why))
        })
    })
}

fn set_up(folder: &Path) -> Result<()> {
    // The kernel's own frames (neighbour discovery, multicast reports) stay away.
    for scope in ["all", "default"] {
        let path = format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6");
        if Path::new(&path).exists() {
            std::fs::write(&path, "1").context(|| format!("write {path}"))?;
        }
    }
    let add = format!("link add name {SENDER} type veth peer name {RECEIVER}");
    let mut lines = vec![add];
    for name in [SENDER, RECEIVER] {
        lines.push(format!("link set {name} arp off multicast off"));
        lines.push(format!("link set {name} up"));
    }
    for line in lines {
        run(Command::new("ip").args(line.split(' ')), folder)?;
    }
    Ok(())
}

/// Packet sockets in the namespace of this thread: programs that capture.
pub(super) fn packet_sockets() -> usize {
    std::fs::read_to_string("/proc/thread-self/net/packet")
        .map_or(0, |text| text.lines().count().saturating_sub(1))
}
