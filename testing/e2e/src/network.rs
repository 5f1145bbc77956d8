//! Networks that nobody else sees.

use std::process::Command;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

use crate::skip;

/// The interface that a sender sends from.
pub const SEND: &str = "veth0";
/// Its other end, where a capture listens.
pub const CAPTURE: &str = "veth1";

/// Runs `test` in a network namespace of its own. It is anonymous: the kernel removes it, with
/// everything in it, when the thread and the programs that it started have ended, whatever ended
/// them. Without the right to make one, says so and does nothing.
pub fn in_namespace(test: impl FnOnce() + Send + 'static) {
    // A namespace belongs to a thread and what it starts: tests do not disturb each other.
    let thread = std::thread::spawn(|| {
        match unshare(CloneFlags::CLONE_NEWNET) {
            Err(Errno::EPERM) => return skip("making a network namespace takes root"),
            other => other.unwrap(),
        }
        // The kernel's own frames (neighbour discovery, multicast reports) stay away.
        for scope in ["all", "default"] {
            let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6"), "1");
        }
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Runs `ip` with the words of `line`.
pub fn ip(line: &str) {
    let done = Command::new("ip").args(line.split_whitespace()).output();
    let done = done.unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "ip {line}: {said}");
}

/// Makes the pair [`SEND`], [`CAPTURE`]; both are up, and silent but for what a test sends.
pub fn veth_pair(mtu: u32) {
    ip(&format!(
        "link add name {SEND} type veth peer name {CAPTURE}"
    ));
    for name in [SEND, CAPTURE] {
        ip(&format!("link set {name} mtu {mtu} arp off multicast off"));
        ip(&format!("link set {name} up"));
    }
}

const HEADER: usize = 14;
const TAG: usize = 4;

/// What Ethernet and a pair of interfaces make of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It comes out at the other end.
    Arrives,
    /// It is no frame of Ethernet's.
    TooShort,
    /// It is longer than the interfaces take.
    TooLong,
    /// A VLAN tag with nothing behind it: the kernel drops it on arrival, before any socket.
    Dropped,
}

/// What becomes of `frame` between two interfaces with this MTU.
#[must_use]
pub fn fate(frame: &[u8], mtu: usize) -> Fate {
    if frame.len() < HEADER {
        return Fate::TooShort;
    }
    let tagged = matches!(frame[12..14], [0x81, 0x00] | [0x88, 0xa8]);
    let room = if frame[12..14] == [0x81, 0x00] {
        TAG
    } else {
        0
    };
    if frame.len() > mtu + HEADER + room {
        Fate::TooLong
    } else if tagged && frame.len() < HEADER + TAG + 2 {
        Fate::Dropped
    } else {
        Fate::Arrives
    }
}
