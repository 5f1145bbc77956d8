//! `hpcapctl status`: its output, and its messages about queues that it cannot read.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use hpcap_e2e::daemon::Daemon;
use hpcap_e2e::lab::{Lab, binary};
use nix::sys::signal::Signal;
use testkit::is_root_or_skips;
use testkit::process::{Process, events, run};
use testkit::wait::wait_until;

const RATE: &str = "gen:rate=1000pps,late=delay";

/// Returns `hpcapctl`, run by a user who is in no group of the daemon's.
fn of_a_stranger(lab: &Lab) -> Command {
    let copy = lab.copy_of_program("hpcapctl");
    fs::set_permissions(lab.dir(), Permissions::from_mode(0o755)).unwrap();
    let mut command = lab.here(&copy);
    command.uid(65_534).gid(65_534).arg("status");
    command
}

#[test]
fn status_fails_without_permission() {
    if !is_root_or_skips("being another user") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "1M", RATE]);
    for args in [&[][..], &["hpcap0"], &["--json"]] {
        let refused = run(of_a_stranger(&lab).args(args)).exits(1);
        let refused = refused.says(&["open queue hpcap0", "permission denied"]);
        assert_eq!(refused.out, "");
    }
    let _ = daemon.stop().exits(0);
}

#[test]
fn status_fails_on_a_folder_without_permission() {
    if !is_root_or_skips("being another user") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "1M", RATE]);
    fs::set_permissions(lab.run_dir(), Permissions::from_mode(0o700)).unwrap();
    let refused = run(&mut of_a_stranger(&lab)).exits(1);
    let refused = refused.says(&["run", "ermission denied"]);
    assert!(!refused.out.contains("no queue"), "{}", refused.out);
    let _ = daemon.stop().exits(0);
}

#[test]
fn status_shows_the_queues_beside_a_dead_one() {
    let lab = Lab::new();
    let alive = Daemon::start(&lab, &["--ring", "1M", RATE]);
    let dead = Daemon::start(&lab, &["--ring", "1M", RATE]);
    let _ = dead.process.kill();
    let status = run(lab.tool("hpcapctl").arg("status")).exits(1);
    let status = status.says(&["hpcap1", "its producer is gone"]);
    assert!(status.out.starts_with("hpcap0"), "{}", status.out);
    let _ = alive.stop().exits(0);
}

#[test]
fn watch_shows_rates_of_each_queue() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "1M", RATE]);
    let mut watch = lab.tool("hpcapctl");
    let watch = Process::spawn(watch.args(["status", "--watch=100ms", "--json"]));
    let rate_of = |queue: &str| {
        events(&watch.out())
            .filter(|line| line["queue"] == queue)
            .filter_map(|line| line["rates"]["on_the_wire"]["frames_per_second"].as_f64())
            .any(|rate| rate > 0.0)
    };
    wait_until("a rate of hpcap0", || rate_of("hpcap0"));
    // The second queue appears while `hpcapctl` runs.
    let second = Daemon::start(&lab, &["--ring", "1M", RATE]);
    wait_until("a rate of hpcap1", || rate_of("hpcap1"));
    watch.signal(Signal::SIGTERM);
    let _ = watch.wait();
    let _ = second.stop().exits(0);
    let _ = daemon.stop().exits(0);
}

#[test]
fn watch_ends_with_its_reader() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "1M", RATE]);
    let script = format!(
        "{} status --watch=100ms | head -n 1",
        binary("hpcapctl").display()
    );
    let line = run(lab.here("/bin/sh".as_ref()).args(["-c", &script])).exits(0);
    assert!(line.out.contains("hpcap0"), "{}", line.out);
    assert!(line.out.contains("captured"), "{}", line.out);
    let _ = daemon.stop().exits(0);
}
