//! `hpcapctl selftest` with the traffic of another program, through an interface and through a queue.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use hpcap_e2e::daemon::Daemon;
use hpcap_e2e::lab::Lab;
use hpcap_e2e::network::{CAPTURE, SEND, veth_pair};
use serde_json::Value;
use testkit::network::in_namespace;
use testkit::process::run;

const FRAMES: u64 = 20_000;

/// Runs the test with a command that sends. Returns the exit code and what was found for each size of frames.
fn selftest(lab: &Lab, capture: &str, sender: &str, command: &str) -> (Option<i32>, Vec<String>) {
    let mut tool = lab.tool("hpcapctl");
    tool.args(["selftest", "--json", "--only", "wire", "--capture", capture]);
    tool.args(["--sender", sender, "--send", command, "--pps", "20000"]);
    tool.arg("--frames").arg(FRAMES.to_string());
    let done = run(tool.arg("--dir").arg(lab.path("")));
    let found = done.out.lines().map(|line| {
        let outcome: Value = serde_json::from_str(line).unwrap();
        assert_eq!(outcome["test"], "wire", "{outcome}");
        outcome["found"].as_str().unwrap().to_owned()
    });
    (done.code(), found.collect())
}

fn hpcap_bench(lab: &Lab) -> String {
    let program = lab.tool("hpcap-bench");
    let program = program.get_program().to_str().unwrap();
    format!(
        "{program} send gen:size={{size}},count={{frames}},rate={{pps}}pps,late=delay --to {SEND} --json"
    )
}

#[test]
fn sent_frames_are_captured_from_an_interface() {
    in_namespace(|| {
        veth_pair(1500);
        let lab = Lab::new();
        let (code, found) = selftest(&lab, CAPTURE, "hpcap-bench", &hpcap_bench(&lab));
        assert_eq!(
            found,
            [
                "20000 frames of 60 bytes sent, 20000 on the wire, 20000 captured: 20000 frames in 1 sound file",
                "20000 frames of 1514 bytes sent, 20000 on the wire, 20000 captured: 20000 frames in 1 sound file",
            ]
        );
        assert_eq!(code, Some(0));
    });
}

#[test]
fn sent_frames_are_captured_from_a_queue() {
    in_namespace(|| {
        veth_pair(1500);
        let lab = Lab::new();
        let source = format!("hpcap3=af_packet:{CAPTURE}");
        let daemon = Daemon::start(&lab, &["--ring", "16M", &source]);
        let (code, found) = selftest(&lab, "hpcap3", "hpcap-bench", &hpcap_bench(&lab));
        assert_eq!(code, Some(0), "{found:?}");
        let _ = daemon.stop().exits(0);
    });
}

/// The number that a sender says is compared with the frames that arrive.
#[test]
fn senders_that_do_not_tell_the_truth_fail() {
    in_namespace(|| {
        veth_pair(1500);
        let lab = Lab::new();
        let send = hpcap_bench(&lab);
        for (command, reason) in [
            (
                format!("{send} >&2; echo $(({{frames}} + 1))"),
                "20001 frames of 60 bytes sent, 20000 on the wire, 20000 captured; 1 did not reach the queue",
            ),
            (
                format!("{send} >&2; echo 100"),
                "100 frames of 60 bytes sent, 20000 on the wire (19900 of others), 20000 captured; the sender sent more \
                 than it says, or the link is in use",
            ),
            (
                "echo 0".to_owned(),
                "the sender says that it has sent nothing; it was asked for 20000 frames",
            ),
            (
                "echo no such port >&2; exit 1".to_owned(),
                "it failed (exit status: 1); its last lines:\n  no such port",
            ),
        ] {
            let (code, found) = selftest(&lab, CAPTURE, "other", &command);
            assert_eq!(code, Some(1), "{found:?}");
            assert_eq!(found.len(), 2, "{found:?}");
            assert!(found[0].contains(reason), "{found:?}");
        }
    });
}

#[test]
fn unknown_interface_is_named() {
    let lab = Lab::new();
    let (code, found) = selftest(&lab, "nosuch0", "other", "echo 1");
    assert_eq!(code, Some(1));
    assert!(found[0].contains("nosuch0"), "{found:?}");
}
