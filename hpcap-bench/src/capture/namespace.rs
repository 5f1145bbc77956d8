//! A network namespace with a veth pair, which vanishes with its thread.

use std::path::Path;
use std::process::Command;
use std::thread;

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};

use super::{RECEIVER, SENDER};
use crate::process::run;
use crate::report::{Report, Row};
use crate::workspace::Workspace;

/// Runs `work` on a thread in a new network namespace with a pair of interfaces of these names. The
/// programs that `work` starts are in the namespace, too. `folder` gets the output of the programs that
/// make the pair.
///
/// # Errors
/// [`Kind::Permission`] without the right to create a namespace, and the errors of `work`.
pub fn within<T: Send>(
    folder: &Path,
    pair: [&str; 2],
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            // SAFETY: unshare(2) accesses no memory; only this thread enters the new namespace.
            if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
                let error = std::io::Error::last_os_error();
                return Err(Error::io("make a network namespace", error)
                    .advise("run as root, or with CAP_SYS_ADMIN"));
            }
            set_up(folder, pair)?;
            work()
        });
        inside.join().unwrap_or_else(|_| {
            let why = "the thread in the network namespace panicked";
            Err(Error::new(Kind::Gone, "measure", why))
        })
    })
}

/// Runs `work` as [`within`] does, between the sender and the receiver of the measurements. Without the
/// rights for it, adds a row to the report that says that `what` was skipped, and returns `None`.
///
/// # Errors
/// The errors of `work`, and others of [`within`].
pub(crate) fn within_or_skip<T: Send>(
    what: &str,
    workspace: &Workspace,
    report: &mut Report,
    work: impl FnOnce(&mut Report) -> Result<T> + Send,
) -> Result<Option<T>> {
    match within(workspace.path(), [SENDER, RECEIVER], || work(report)) {
        Ok(measured) => Ok(Some(measured)),
        Err(e) if e.kind() == Kind::Permission || e.os_error() == Some(libc::EPERM) => {
            report.add(Row::skipped(what, "takes root"));
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

fn set_up(folder: &Path, pair: [&str; 2]) -> Result<()> {
    // Without IPv6, the kernel sends no frames of its own (neighbour discovery, multicast reports).
    for scope in ["all", "default"] {
        let path = format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6");
        if Path::new(&path).exists() {
            std::fs::write(&path, "1").context(|| format!("write {path}"))?;
        }
    }
    let [one, other] = pair;
    let mut lines = vec![format!("link add name {one} type veth peer name {other}")];
    for name in pair {
        lines.push(format!("link set {name} arp off multicast off"));
        lines.push(format!("link set {name} up"));
    }
    for line in lines {
        run(Command::new("ip").args(line.split(' ')), folder)?;
    }
    Ok(())
}

/// Counts the packet sockets in this thread's namespace, one or more for each capturing program.
pub(crate) fn packet_sockets() -> usize {
    std::fs::read_to_string("/proc/thread-self/net/packet")
        .map_or(0, |text| text.lines().count().saturating_sub(1))
}
