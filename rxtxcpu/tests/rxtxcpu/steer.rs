//! Predictions for a flow.

use testkit::process::transcript;

use crate::lab::Lab;

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
