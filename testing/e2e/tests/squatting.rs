//! Another user was there first: folders, sockets, locks and devices have the names of queues but
//! belong to somebody else.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::{self, Permissions};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::os::unix::process::CommandExt;

use hpcap::abi::{self, hpcap_attach};
use hpcap_e2e::daemon::Daemon;
use hpcap_e2e::lab::Lab;
use hpcap_ipc::socket::Socket;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept, bind, listen, socket,
};
use nix::unistd::ftruncate;
use testkit::is_root_or_skips;
use testkit::process::{Process, run};

const IDLE: &str = "hpcap0=gen:rate=1000pps,late=delay";
const STRANGER: u32 = 4_000_001;

/// Starts a daemon in a folder of its own, as a user who is neither root nor in one of root's
/// groups.
fn daemon_of_a_stranger(lab: &Lab) -> Process {
    fs::set_permissions(lab.dir(), Permissions::from_mode(0o755)).unwrap();
    let run_dir = lab.folder("strange");
    chown(&run_dir, Some(STRANGER), Some(STRANGER)).unwrap();
    let mut hpcapd = lab.here(&lab.copy_of_program("hpcapd"));
    hpcapd
        .uid(STRANGER)
        .gid(STRANGER)
        .env("HPCAP_RUN_DIR", run_dir);
    let mut daemon = Process::spawn(hpcapd.args(["--json", "--ring", "1M", IDLE]));
    daemon.wait_for("\"event\":\"serving\"");
    daemon
}

#[test]
fn lock_that_is_a_link_is_not_followed() {
    let lab = Lab::new();
    let _ = lab.folder("run");
    let recording = lab.path("1_hpcap0_0.raw");
    fs::write(&recording, "what was recorded").unwrap();
    symlink(&recording, lab.run_dir().join("hpcap0.lock")).unwrap();
    let refused = run(lab.tool("hpcapd").arg(IDLE)).exits(1);
    let _ = refused.says(&["hpcap0.lock", "symbolic link"]);
    fs::remove_file(lab.run_dir().join("hpcap0.lock")).unwrap();
    fs::hard_link(&recording, lab.run_dir().join("hpcap0.lock")).unwrap();
    let refused = run(lab.tool("hpcapd").arg(IDLE)).exits(1);
    let _ = refused.says(&["hpcap0.lock", "not a lock"]);
    assert_eq!(fs::read_to_string(&recording).unwrap(), "what was recorded");
}

#[test]
fn lock_is_for_its_owner_only() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "1M", IDLE]);
    let lock = fs::metadata(lab.run_dir().join("hpcap0.lock")).unwrap();
    assert_eq!(lock.permissions().mode() & 0o777, 0o600);
    let _ = daemon.stop().exits(0);
}

#[test]
fn daemon_removes_nothing_but_sockets() {
    let lab = Lab::new();
    let _ = lab.folder("run");
    fs::write(lab.socket("hpcap0"), "a letter").unwrap();
    let refused = run(lab.tool("hpcapd").arg(IDLE)).exits(1);
    let _ = refused.says(&["serve hpcap0", "no socket"]);
    assert_eq!(
        fs::read_to_string(lab.socket("hpcap0")).unwrap(),
        "a letter"
    );
}

#[test]
fn device_under_the_name_of_a_socket_is_not_opened() {
    let lab = Lab::new();
    let _ = lab.folder("run");
    symlink("/dev/zero", lab.socket("hpcap0")).unwrap();
    for (tool, args) in [
        ("hpcapctl", &["status"][..]),
        ("hpcapctl", &["kill", "hpcap0", "1"]),
        ("hpcapdd", &["hpcap0", "null"]),
    ] {
        let refused = run(lab.tool(tool).args(args)).exits(1);
        let _ = refused.says(&["hpcap0.sock", "not a socket"]);
    }
}

#[test]
fn device_by_name_alone_is_no_queue() {
    let lab = Lab::new();
    let devices = lab.folder("dev");
    symlink("/dev/null", devices.join("hpcap_0_0")).unwrap();
    let mut status = lab.tool("hpcapctl");
    let status = status
        .env("HPCAP_DEV_DIR", &devices)
        .args(["status", "hpcap0"]);
    let _ = run(status).exits(1).says(&["not a device of hpcap.ko"]);
    let mut hpcapd = lab.tool("hpcapd");
    hpcapd.env("HPCAP_DEV_DIR", &devices);
    let served = run(hpcapd.args([
        "--no-linger",
        "--ring",
        "1M",
        "hpcap0=gen:count=1,rate=1000pps",
    ]));
    let _ = served.exits(0);
}

#[test]
fn folder_of_a_stranger_is_not_entered() {
    if !is_root_or_skips("being another user") {
        return;
    }
    let lab = Lab::new();
    let daemon = daemon_of_a_stranger(&lab);
    for (tool, args) in [
        ("hpcapctl", &["status"][..]),
        ("hpcapdd", &["hpcap0", "null"]),
        ("hpcapd", &["--ring", "1M", "gen:"]),
    ] {
        let mut tool = lab.tool(tool);
        tool.env("HPCAP_RUN_DIR", lab.path("strange")).args(args);
        let _ = run(&mut tool).exits(1).says(&["belongs to user 4000001"]);
    }
    drop(daemon);
}

#[test]
fn folder_that_all_may_write_is_not_used() {
    let lab = Lab::new();
    let run_dir = lab.folder("run");
    fs::set_permissions(&run_dir, Permissions::from_mode(0o1777)).unwrap();
    for (tool, args) in [("hpcapd", &[IDLE][..]), ("hpcapctl", &["status"])] {
        let refused = run(lab.tool(tool).args(args)).exits(1);
        let _ = refused.says(&["may write it", "1777"]);
    }
    assert_eq!(fs::read_dir(run_dir).unwrap().count(), 0);
}

#[test]
fn queue_of_a_stranger_is_refused() {
    if !is_root_or_skips("being another user") {
        return;
    }
    let lab = Lab::new();
    let daemon = daemon_of_a_stranger(&lab);
    let _ = lab.folder("run");
    // The socket is in a trusted folder, but its process belongs to another user.
    fs::hard_link(lab.path("strange/hpcap0.sock"), lab.socket("hpcap0")).unwrap();
    for (tool, args) in [
        ("hpcapctl", &["status", "hpcap0"][..]),
        ("hpcapdd", &["hpcap0", "null"]),
    ] {
        let refused = run(lab.tool(tool).args(args)).exits(1);
        let _ = refused.says(&["process of user 4000001"]);
    }
    drop(daemon);
}

#[test]
fn memory_that_can_shrink_is_not_mapped() {
    let lab = Lab::new();
    let _ = lab.folder("run");
    let kind = SockType::SeqPacket;
    let door = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
    let address = UnixAddr::new(&lab.socket("hpcap0")).unwrap();
    bind(door.as_raw_fd(), &address).unwrap();
    listen(&door, Backlog::new(1).unwrap()).unwrap();
    let producer = std::thread::spawn(move || {
        // SAFETY: the kernel has just opened this descriptor, and no other code knows it.
        let client = unsafe { OwnedFd::from_raw_fd(accept(door.as_raw_fd()).unwrap()) };
        let client = Socket::from(client);
        let _ = client.receive_request();
        let queue = memfd_create("queue", MFdFlags::MFD_ALLOW_SEALING).unwrap();
        ftruncate(&queue, 1 << 20).unwrap();
        let answer = hpcap_attach {
            magic: abi::HPCAP_ATTACH_MAGIC,
            abi_version: abi::HPCAP_ABI_VERSION,
            ..hpcap_attach::zeroed()
        };
        client.send(&answer, &[queue.as_raw_fd()]).unwrap();
    });
    let refused = run(lab.tool("hpcapctl").args(["status", "hpcap0"])).exits(1);
    let _ = refused.says(&["not sealed"]);
    producer.join().unwrap();
}

/// A link of another user under the name of an output must not lead root's program to a file of root. Linux
/// refuses it in a folder whose sticky bit is set, unless fs.protected_symlinks is off.
#[test]
fn link_of_a_stranger_is_no_output() {
    if !is_root_or_skips("being another user") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "1M", "--look-back", IDLE]);
    let recorded = ["--source", "gen:count=10", "x.raw"];
    let _ = run(lab.tool("hpcapdd").args(recorded)).exits(0);
    let precious = lab.path("precious");
    fs::write(&precious, "precious").unwrap();
    let shared = lab.folder("open");
    fs::set_permissions(&shared, Permissions::from_mode(0o777)).unwrap();
    for name in ["x.pcapng", "x-0.pcap", "sizes"] {
        symlink(&precious, shared.join(name)).unwrap();
        lchown(shared.join(name), Some(STRANGER), None).unwrap();
    }
    for line in [
        "hpcap-tap hpcap0 -c 1 -w open/x.pcapng",
        "hpcapdd --source gen:count=10 open/x.pcapng",
        "raw2pcap x.raw -o open/x.pcapng",
        "rxtxcpu -l0 --duration 10ms -w open/x.pcap lo",
        "checkraw -x open/sizes x.raw",
    ] {
        let mut words = line.split(' ');
        let refused = run(lab.tool(words.next().unwrap()).args(words));
        assert_ne!(refused.code(), Some(0), "{line}: {}", refused.err);
        assert_eq!(fs::read(&precious).unwrap(), b"precious", "{line}");
    }
    // With --force, the link is replaced, and not the file.
    let forced = ["x.raw", "--force", "-o", "open/x.pcapng"];
    let _ = run(lab.tool("raw2pcap").args(forced)).exits(0);
    assert_eq!(fs::read(&precious).unwrap(), b"precious");
    let _ = daemon.stop().exits(0);
}
