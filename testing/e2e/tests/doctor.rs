//! `hpcapctl doctor` beside a daemon: the queue, its poll thread, and what it is losing.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use hpcap_e2e::daemon::Daemon;
use hpcap_e2e::lab::Lab;
use serde_json::Value;
use testkit::process::run;
use testkit::wait::wait_until;

const RATE: &str = "gen:size=imix,rate=50M";

/// Runs the doctor, and returns its exit code and its findings.
fn examine(lab: &Lab) -> (Option<i32>, Vec<Value>) {
    let done = run(lab.tool("hpcapctl").args(["doctor", "--json"]));
    let lines = done.out.lines();
    let findings = lines.map(|line| serde_json::from_str(line).unwrap());
    (done.code(), findings.collect())
}

/// Returns what the check `name` found about hpcap0.
fn find<'a>(findings: &'a [Value], name: &str) -> &'a Value {
    findings
        .iter()
        .find(|f| f["check"] == name && f["subject"] == "hpcap0")
        .unwrap()
}

#[test]
fn poll_thread_is_found_on_its_cpu() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "4M", "--cpu", "0", RATE]);
    let (_, findings) = examine(&lab);
    let thread = find(&findings, "poll-thread");
    assert_eq!(
        (&thread["state"], &thread["found"]),
        (&"ok".into(), &"CPU 0".into())
    );
    let _ = daemon.stop().exits(0);
}

#[test]
fn present_loss_is_a_problem_with_its_cure() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "1M", RATE]);
    let stuck = lab.listener(&["hpcap0", "--stuck"]);
    let mut last = (None, Vec::new());
    // On a busy machine, no frame may be lost during the half second of one examination.
    wait_until("the doctor sees frames being lost", || {
        last = examine(&lab);
        last.0 == Some(1) && find(&last.1, "losses")["state"] == "problem"
    });
    let (_, findings) = last;
    let loss = find(&findings, "losses");
    assert!(
        loss["found"].as_str().unwrap().starts_with("ring_full: "),
        "{loss}"
    );
    let listener = find(&findings, "listeners");
    let id = &daemon.listeners("hpcap0")[0]["id"];
    assert_eq!(listener["next"], format!("hpcapctl kill hpcap0 {id}"));
    drop(stuck);
    let _ = daemon.stop().exits(0);
}
