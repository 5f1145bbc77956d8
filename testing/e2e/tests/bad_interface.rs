//! Interfaces that do not exist, may not be used, or are removed; queues of another group.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use hpcap_e2e::daemon::{Daemon, on_the_wire};
use hpcap_e2e::lab::{Lab, binary};
use hpcap_e2e::network::{CAPTURE, SEND, veth_pair};
use hpcap_e2e::recording::contents;
use testkit::network::{in_namespace, ip};
use testkit::process::{copy_program, run};
use testkit::wait::wait_until;
use testkit::{is_root_or_skips, skip};

#[test]
fn unknown_interface_lists_existing_ones() {
    in_namespace(|| {
        veth_pair(1500);
        let lab = Lab::new();
        let words = ["nosuch0", "there is none of that name", "lo", SEND, CAPTURE];
        for (tool, args) in [
            ("hpcapd", &["af_packet:nosuch0"][..]),
            ("hpcapdd", &["--source", "af_packet:nosuch0", "null"]),
            ("hpcap-bench", &["send", "gen:count=1", "--to", "nosuch0"]),
        ] {
            let _ = run(lab.tool(tool).args(args)).exits(1).says(&words);
        }
        assert!(!lab.socket("hpcap0").exists());
    });
}

/// Creates a folder that any user can read, with copies of programs in it.
fn public_tools(lab: &Lab, names: &[&str]) {
    let open = |path: &Path| std::fs::set_permissions(path, PermissionsExt::from_mode(0o755));
    open(lab.dir()).unwrap();
    for name in names {
        let copy = lab.path(name);
        copy_program(&binary(name), &copy);
        open(&copy).unwrap();
    }
}

/// `name` from [`public_tools`], run as a user without rights.
fn as_nobody(lab: &Lab, name: &str) -> Command {
    let mut command = lab.here(Path::new("setpriv"));
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(lab.path(name));
    command
}

fn can_become_nobody() -> bool {
    if !is_root_or_skips("becoming another user") {
        return false;
    }
    let there = Command::new("setpriv").arg("--version").output().is_ok();
    if !there {
        skip("becoming another user takes setpriv");
    }
    there
}

#[test]
fn missing_capability_is_named() {
    if !can_become_nobody() {
        return;
    }
    let lab = Lab::new();
    public_tools(&lab, &["hpcapd", "hpcapdd", "hpcap-bench"]);
    let run_dir = lab.folder("run");
    std::os::unix::fs::chown(&run_dir, Some(65534), Some(65534)).unwrap();
    for (tool, args) in [
        ("hpcapd", &["af_packet:lo"][..]),
        ("hpcapdd", &["--source", "af_packet:lo", "null"]),
        ("hpcap-bench", &["send", "gen:count=1", "--to", "lo"]),
    ] {
        let refused = run(as_nobody(&lab, tool).args(args)).exits(1);
        let _ = refused.says(&["CAP_NET_RAW", "root", "-m 0750", "setcap"]);
    }
    for tool in ["hpcapd", "hpcapdd"] {
        let source: &[&str] = match tool {
            "hpcapd" => &["af_xdp:lo,takeover=on"],
            _ => &["--source", "af_xdp:lo,takeover=on", "null"],
        };
        let refused = run(as_nobody(&lab, tool).args(source)).exits(1);
        let _ = refused.says(&["CAP_NET_RAW", "CAP_NET_ADMIN", "CAP_BPF", "af_packet:"]);
    }
    assert_eq!(std::fs::read_dir(&run_dir).unwrap().count(), 0);
}

#[test]
fn refused_queue_names_its_group() {
    if !can_become_nobody() {
        return;
    }
    let lab = Lab::new();
    public_tools(&lab, &["hpcapdd", "hpcapd", "hpcapctl"]);
    let daemon = Daemon::start(
        &lab,
        &[
            "--ring",
            "4M",
            "--group",
            "daemon",
            "gen:rate=1000pps,late=delay",
        ],
    );
    for (tool, args) in [
        ("hpcapdd", &["hpcap0", "null"][..]),
        ("hpcapctl", &["status", "hpcap0"]),
    ] {
        let refused = run(as_nobody(&lab, tool).args(args)).exits(1);
        let _ = refused.says(&["open queue hpcap0", "permission denied", "group daemon"]);
    }
    // A member of the group may attach.
    let mut member = lab.here(Path::new("setpriv"));
    let gid = nix::unistd::Group::from_name("daemon")
        .unwrap()
        .unwrap()
        .gid;
    member
        .args([
            "--reuid=65534",
            &format!("--regid={gid}"),
            "--clear-groups",
            "--",
        ])
        .arg(lab.path("hpcapdd"))
        .args(["--frames", "10", "hpcap0", "null"]);
    let _ = run(&mut member).exits(0);
    let _ = daemon.stop().exits(0);
}

/// Sends generated frames numbered from 0 and waits until they are on the wire.
fn send(lab: &Lab, count: u64) {
    let spec = format!("gen:size=100,rate=100kpps,late=delay,count={count}");
    let sent = run(lab
        .tool("hpcap-bench")
        .args(["send", "--json", &spec, "--to", SEND]))
    .exits(0);
    let outcome: serde_json::Value = serde_json::from_str(&sent.out).unwrap();
    assert_eq!(outcome["sent"]["frames"], count);
}

/// Waits until the queue has counted `total` frames on the wire.
fn seen(daemon: &Daemon<'_>, total: u64) {
    wait_until("frames on the wire", || {
        on_the_wire(&daemon.status("hpcap0")["ledger"]) == total
    });
}

#[test]
fn capture_survives_a_vanished_interface() {
    in_namespace(|| {
        veth_pair(1500);
        let lab = Lab::new();
        let folder = lab.folder("raw");
        let source = format!("af_packet:{CAPTURE}");
        let mut daemon = Daemon::start(&lab, &["--ring", "16M", &source]);
        let recorder = lab.recorder(&["hpcap0", "raw"]);
        send(&lab, 500);
        seen(&daemon, 500);

        ip(&format!("link set {CAPTURE} down"));
        daemon.process.wait_for("down");
        ip(&format!("link set {CAPTURE} up"));
        daemon.process.wait_for("up again");
        send(&lab, 300);
        seen(&daemon, 800);

        ip(&format!("link delete {CAPTURE}"));
        daemon.process.wait_for("gone");
        veth_pair(1500);
        daemon.process.wait_for("is back");
        send(&lab, 200);
        seen(&daemon, 1000);

        let _ = daemon.stop().exits(0);
        let summary = recorder.wait().exits(1).event("summary");
        assert_eq!(summary["frames"], 1000);
        let recorded = contents(&folder);
        assert_eq!(recorded.frames.len(), 1000);
        assert!(recorded.damage.is_empty() && recorded.lost == 0);
    });
}
