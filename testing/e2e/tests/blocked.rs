//! `hpcapctl kill --blocked`: which listeners hold a ring back, and what their end changes.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use hpcap_e2e::daemon::Daemon;
use hpcap_e2e::lab::Lab;
use nix::sys::signal::Signal;
use testkit::process::{Process, run};
use testkit::wait::wait_until;

/// Waits until the first listener of `hpcap0` leaves no block of its ring free.
fn wait_for_full_ring(daemon: &Daemon<'_>) {
    wait_until("the ring is full", || {
        let status = daemon.status("hpcap0");
        let number = |key: &str| status[key].as_u64().unwrap();
        let lag = status["listeners"][0]["lag_bytes"].as_u64().unwrap_or(0);
        lag + number("block_bytes") >= number("ring_bytes")
    });
}

#[test]
fn blocked_listener_is_ended_alone() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "4M", "gen:size=1000,rate=1G"]);
    let mut stuck = Process::spawn(lab.tool("hpcapdd").args(["--json", "hpcap0", "null"]));
    stuck.wait_for("\"event\":\"start\"");
    let lossy = ["--json", "--contract", "lossy", "hpcap0", "null"];
    let mut live = Process::spawn(lab.tool("hpcapdd").args(lossy));
    live.wait_for("\"event\":\"start\"");

    let nothing =
        run(lab
            .tool("hpcapctl")
            .args(["kill", "hpcap0", "--blocked", "--observe", "10ms"]));
    assert!(nothing.exits(0).out.contains("no listener holds the ring"));

    stuck.signal(Signal::SIGSTOP);
    wait_for_full_ring(&daemon);
    let plan = ["kill", "hpcap0", "--blocked", "--dry-run"];
    let plan = run(lab.tool("hpcapctl").args(plan)).exits(0).out;
    let who = format!("pid {}) would be killed: it has ", stuck.pid());
    assert!(plan.contains(&who) && plan.lines().count() == 1, "{plan}");
    assert_eq!(daemon.listeners("hpcap0").len(), 2);

    let done = run(lab.tool("hpcapctl").args(["kill", "hpcap0", "--blocked"])).exits(0);
    assert!(done.out.contains("is killed: it has "), "{}", done.out);
    let left = daemon.listeners("hpcap0");
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["contract"], "lossy");
    stuck.signal(Signal::SIGCONT);
    let _ = stuck.wait().exits(1).says(&["killed"]);
    let _ = live.interrupt().exits(0);
    let _ = daemon.stop().exits(0);
}

#[test]
fn diff_shows_the_running_queue() {
    let lab = Lab::new();
    let daemon = Daemon::start(
        &lab,
        &["--ring", "4M", "--caplen", "64", "gen:rate=1000pps"],
    );
    let file = lab.path("hpcap.toml");
    let text = "[[interface]]\nname = \"lo\"\nring = \"4M\"\ncaplen = 128\nfilter = \"udp\"\n";
    std::fs::write(&file, text).unwrap();
    let diff = run(lab.tool("hpcapctl").args(["config", "diff"]).arg(&file))
        .exits(1)
        .out;
    assert!(diff.contains("queue hpcap0: caplen: 128 in "), "{diff}");
    assert!(diff.contains("queue hpcap0: filter: \"udp\" in "), "{diff}");
    assert_eq!(diff.lines().count(), 2, "{diff}");
    let _ = daemon.stop().exits(0);
}
