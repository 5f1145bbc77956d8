//! Hostile peers: what a member of the group can do to other clients, and what a user without any
//! group can do with folders and names.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hpcap::Reason;
use hpcap::abi::{self, hpcap_attach};
use hpcap_e2e::attack::setting;
use hpcap_e2e::daemon::{Daemon, frames};
use hpcap_e2e::lab::Lab;
use hpcap_e2e::recording::{files, generated};
use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, sendmsg,
    socket,
};
use nix::unistd::Pid;
use testkit::is_root_or_skips;
use testkit::process::{Process, run};
use testkit::wait::wait_until;

const IDLE: &str = "gen:rate=1000pps,late=delay";

/// Connects to `hpcap0` without the client library.
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

/// Sends `message` with `count` descriptors. Returns the answer.
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

/// Returns the number of descriptors that process `pid` has open.
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
    wait_until("earlier clients are gone", || {
        // Two clients remain: the daemon, which is a client of its own queue, and `client`.
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

#[test]
fn tools_name_the_limit_of_open_files() {
    let lab = Lab::new();
    let prlimit = Path::new("/usr/bin/prlimit");
    let mut refused = 0;
    for files in 5..24 {
        let daemon = hpcap_e2e::lab::binary("hpcapd");
        let limit = format!("--nofile={files}");
        let args = ["--no-linger", "--ring", "1M", "gen:count=10,rate=1000pps"];
        let done = run(lab.here(prlimit).arg(limit).arg(daemon).args(args));
        if done.code() != Some(0) {
            let _ = done.exits(1).says(&["limit of open files", "ulimit -n"]);
            refused += 1;
        }
    }
    assert!(refused > 3, "{refused}");
}

/// Returns the number of threads of process `pid` that serve clients.
fn daemon_threads(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok())
        .filter(|name| name.trim() == "client")
        .count()
}

#[test]
fn hostile_slots_harm_nobody_else() {
    let lab = Lab::new();
    let folder = lab.folder("raw");
    let rate = "gen:size=imix,rate=20M,late=delay";
    let daemon = Daemon::start(&lab, &["--ring", "8M", rate]);
    let recorder = lab.recorder(&["hpcap0", "raw"]);
    // `make attack` sets these variables for longer runs.
    let round = setting("HPCAP_ATTACK_ROUND", 1);
    let ms = setting("HPCAP_ATTACK_MS", 700).to_string();
    let hostile: Vec<_> = (0..4)
        .zip(["lossless", "lossy"].into_iter().cycle())
        .map(|(i, contract)| {
            let seed = (4 * round + i).to_string();
            let mut hostile = lab.tool("hostile-listener");
            hostile.arg(lab.socket("hpcap0"));
            Process::spawn(hostile.args(["--ms", &ms, "--seed", &seed, "--contract", contract]))
        })
        .collect();
    for one in hostile {
        let end = one.wait().exits(0).event("end");
        assert!(end["writes"].as_u64().unwrap() > 1000);
    }
    wait_until("their slots are free", || {
        daemon.listeners("hpcap0").len() == 1
    });
    // A gap shows in the sequence numbers of the frames only if another frame follows.
    let captured = || frames(&daemon.status("hpcap0")["ledger"], Reason::Captured);
    let before = captured();
    wait_until("capturing goes on", || captured() > before + 100);
    let summary = recorder.interrupt().exits(0).event("summary");
    let _ = daemon.stop().exits(0);
    let stored = generated(&files(&folder));
    assert_eq!(stored.damaged, 0);
    assert_eq!(summary["frames"], stored.frames);
    // A hostile lossless listener may hold the ring back for a moment. The frames lost by that are
    // counted in gap records.
    assert_eq!(stored.missing, stored.lost_between);
}

/// User and group id of a user who is neither root nor the daemon's user.
const STRANGER: u32 = 4_000_001;

/// Returns a shell that runs `script` in the folder of `lab`, as a user without any group of the
/// daemon.
fn stranger(lab: &Lab, script: &str) -> std::process::Command {
    use std::os::unix::process::CommandExt;
    let mut shell = lab.here(Path::new("/bin/sh"));
    shell.args(["-c", script]).uid(STRANGER).gid(STRANGER);
    shell
}

/// Lets every user enter the folder of the lab and attach to its queue.
fn open_to_all(lab: &Lab) {
    use std::fs::{Permissions, set_permissions};
    set_permissions(lab.dir(), Permissions::from_mode(0o755)).unwrap();
    set_permissions(lab.socket("hpcap0"), Permissions::from_mode(0o666)).unwrap();
}

/// Starts a process of another user that takes as many slots and connections as it gets, and keeps
/// them until it ends.
fn exhausting(lab: &Lab) -> Process {
    let copy = lab.copy_of_program("connection-hog");
    let command = format!("exec {} {}", copy.display(), lab.socket("hpcap0").display());
    let mut hog = Process::spawn(&mut stranger(lab, &command));
    hog.wait_for("refused");
    hog
}

#[test]
fn one_user_cannot_shut_out_others() {
    if !is_root_or_skips("being another user") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "1M", IDLE]);
    open_to_all(&lab);
    let hog = exhausting(&lab);
    assert!(
        hog.out().contains("12 listeners, 48 connections"),
        "{}",
        hog.out()
    );
    assert!(
        hog.out().contains("the most that one user gets"),
        "{}",
        hog.out()
    );
    let recorder = lab.recorder(&["hpcap0", "null"]);
    assert_eq!(daemon.listeners("hpcap0").len(), 13);
    let _ = recorder.interrupt().exits(0);
    drop(hog);
    wait_until("the stranger's slots are free", || {
        daemon.listeners("hpcap0").is_empty()
    });
    let _ = daemon.stop().exits(0);
}

#[test]
fn kill_frees_the_slot_of_a_stopped_process() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "1M", IDLE]);
    let mut stopped = lab.listener(&["hpcap0"]);
    stopped.signal(Signal::SIGSTOP);
    let id = daemon.listeners("hpcap0")[0]["id"].to_string();
    let _ = run(lab.tool("hpcapctl").args(["kill", "hpcap0", &id])).exits(0);
    assert_eq!(daemon.listeners("hpcap0").len(), 0);
    // A new listener takes the slot before the killed one notices that it was killed.
    let next = lab.listener(&["hpcap0"]);
    assert!(stopped.is_running());
    stopped.signal(Signal::SIGCONT);
    let end = stopped.wait().event("end");
    assert_eq!(end["end"], "killed");
    assert_eq!(daemon.listeners("hpcap0").len(), 1);
    let _ = daemon.stop().exits(0);
    let _ = next.wait().exits(0);
}

#[test]
fn daemon_reports_missing_descriptors() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "1M", IDLE]);
    let pid = Pid::from_raw(daemon.process.pid().try_into().unwrap());
    let limit = |soft: u64| {
        let limits = libc::rlimit {
            rlim_cur: soft,
            rlim_max: 1024,
        };
        // SAFETY: `limits` is a valid `rlimit`, and the pointer for the old limits is null.
        let done = unsafe {
            libc::prlimit(
                pid.as_raw(),
                libc::RLIMIT_NOFILE,
                &raw const limits,
                std::ptr::null_mut(),
            )
        };
        assert_eq!(done, 0);
    };
    limit(open_descriptors(daemon.process.pid()) as u64);
    let refused = run(lab.tool("hpcapctl").args(["status", "hpcap0"])).exits(1);
    let refused = refused.says(&["no file descriptors left", "ulimit -n"]);
    assert!(!refused.err.contains("gone"), "{}", refused.err);
    limit(1024);
    wait_until("clients are let in again", || {
        run(lab.tool("hpcapctl").args(["status", "hpcap0"])).code() == Some(0)
    });
    let _ = daemon.stop().exits(0);
}
