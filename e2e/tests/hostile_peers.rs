//! Peers that mean harm: what a member of the group can do to others, and what somebody who is in
//! no group can do with folders and names.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use hpcap::abi::{self, hpcap_attach};
use hpcap_e2e::daemon::Daemon;
use hpcap_e2e::lab::Lab;
use hpcap_e2e::process::until;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, sendmsg,
    socket,
};

const IDLE: &str = "gen:rate=1000pps,late=delay";

/// A raw connection to `hpcap0`.
fn connected(lab: &Lab) -> OwnedFd {
    let kind = SockType::SeqPacket;
    let client = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
    let address = UnixAddr::new(&lab.socket("hpcap0")).unwrap();
    connect(client.as_raw_fd(), &address).unwrap();
    client
}

fn request(op: u32) -> hpcap_attach {
    hpcap_attach {
        magic: abi::HPCAP_ATTACH_MAGIC,
        abi_version: abi::HPCAP_ABI_VERSION,
        op,
        ..hpcap_attach::zeroed()
    }
}

/// Sends `message` with `count` descriptors, and takes the answer.
fn ask_with_descriptors(client: &OwnedFd, message: &[u8], count: usize) -> hpcap_attach {
    let fds = vec![client.as_fd().as_raw_fd(); count];
    let rights = [ControlMessage::ScmRights(&fds)];
    let flags = MsgFlags::MSG_NOSIGNAL;
    let iov = [IoSlice::new(message)];
    sendmsg::<()>(client.as_raw_fd(), &iov, &rights, flags, None).unwrap();
    let mut answer = [0; size_of::<hpcap_attach>()];
    let count = recv(client.as_raw_fd(), &mut answer, MsgFlags::empty()).unwrap();
    hpcap_attach::from_bytes(&answer[..count]).unwrap()
}

/// How many descriptors process `pid` has open.
fn open_descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .count()
}

#[test]
fn daemon_keeps_no_descriptors_of_clients() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "1M", IDLE]);
    let pid = daemon.process.pid();
    let client = connected(&lab);
    let _ = daemon.listeners("hpcap0");
    until("earlier clients are gone", || {
        // The daemon itself is a client of its queue, and this is one.
        daemon_threads(pid) == 2
    });
    let before = open_descriptors(pid);
    for count in [1, 2, 3, 4, 5, 64, 253] {
        for _ in 0..20 {
            let message = request(abi::HPCAP_OP_OBSERVE);
            let answer = ask_with_descriptors(&client, message.as_bytes(), count);
            assert_eq!(answer.error, libc::EINVAL);
            assert!(abi::text(&answer.message).contains("file descriptors"));
        }
    }
    assert_eq!(open_descriptors(pid), before);
    let _ = daemon.stop().exits(0);
}

/// How many threads of `pid` serve clients.
fn daemon_threads(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok())
        .filter(|name| name.trim() == "client")
        .count()
}
