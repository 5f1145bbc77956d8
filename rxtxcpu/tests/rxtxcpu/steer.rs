//! Predictions for a flow.

use testkit::network::in_namespace;
use testkit::process::{Process, run, transcript};
use testkit::tap::Tap;

use crate::lab::{Lab, udp_frame};

const KEY: &str =
    "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa";

/// Runs `rxtxcpu` with the words of `line`, and compares exit code and outputs with the snapshot `name`.
#[track_caller]
fn assert_printed(name: &str, line: &str) {
    let done = Lab::new().tool("rxtxcpu", line).output().unwrap();
    let mut settings = insta::Settings::clone_current();
    settings.add_filter("there are lo.*", "there are [INTERFACES]");
    let _filters = settings.bind_to_scope();
    insta::assert_snapshot!(name, transcript(&done));
}

#[test]
fn flow_of_microsoft_reaches_its_queue() {
    let flow = "steer lo tcp 66.9.149.187:2794 161.142.100.80:1766";
    let line = format!("{flow} --key {KEY} --queues 7 --to-queue 5");
    assert_printed("steer_to_queue", &line);
}

#[test]
fn asymmetric_key_comes_with_a_remedy() {
    let flow = "steer lo tcp 66.9.149.187:2794 161.142.100.80:1766 --queues 64";
    assert_printed("steer_asymmetric", &format!("{flow} --key {KEY}"));
    let symmetric = vec!["6d:5a"; 20].join(":");
    assert_printed("steer_symmetric", &format!("{flow} --key {symmetric}"));
}

#[test]
fn prediction_that_cannot_be_made_is_refused() {
    let flow = "udp 10.0.0.1:5 10.0.0.2:6";
    for (name, line) in [
        ("no_table", format!("lo {flow}")),
        ("no_key", format!("lo {flow} --queues 2")),
        ("wrong_key", format!("lo {flow} --queues 2 --key 6d5")),
        ("no_interface", format!("nosuch0 {flow}")),
        ("two_versions", "lo udp 10.0.0.1:5 [::1]:6".to_owned()),
        ("no_ports", "lo udp 10.0.0.1 10.0.0.2".to_owned()),
        ("no_flow", "lo".to_owned()),
    ] {
        assert_printed(&format!("steer_{name}"), &format!("steer {line}"));
    }
}

/// Returns what is said of a flow while `tap` receives `frames` of its packets on `queue`, and as many of another flow.
fn observe(tap: &Tap, line: &str, queue: usize, frames: usize) -> String {
    let lab = Lab::new();
    let words: Vec<&str> = line.split_whitespace().chain(["--observe", "1h"]).collect();
    let mut steer = Process::spawn(&mut lab.with_sysfs("rxtxcpu", &words));
    steer.wait_for("watching tap0 for 3600s");
    for _ in 0..frames {
        tap.receive(queue, &udp_frame(53, false));
        tap.receive(queue, &udp_frame(80, false));
    }
    steer.interrupt().exits(0).out
}

#[test]
fn observed_queue_is_compared_with_the_predicted_one() {
    in_namespace(|| {
        let Some(tap) = Tap::create("tap0", 4) else {
            return;
        };
        let line = format!("steer tap0 udp 192.0.2.1:12345 192.0.2.2:53 --key {KEY} --queues 4");
        let predicted = run(&mut Lab::new().tool("rxtxcpu", &line)).exits(0).out;
        let queue = predicted
            .lines()
            .find_map(|line| line.strip_prefix("queue  "));
        let queue: usize = queue.unwrap()[..1].parse().unwrap();
        let same = observe(&tap, &line, queue, 7);
        assert!(same.contains(&format!("  queue  {queue} (7)\n")), "{same}");
        assert!(same.contains("The queue is the predicted one."), "{same}");
        let other = if queue == 2 { 3 } else { 2 };
        let elsewhere = observe(&tap, &line, other, 300);
        for part in [
            format!("  queue  {other} (300)\n"),
            format!("The queue is not the predicted one ({queue})"),
            "--key or --queues may be wrong".to_owned(),
        ] {
            assert!(elsewhere.contains(&part), "{part}: {elsewhere}");
        }
        let none = observe(&tap, &line, 0, 0);
        assert!(none.contains("none arrived on tap0"), "{none}");
    });
}
