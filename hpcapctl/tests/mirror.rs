//! `hpcapctl mirror` on interfaces in a network namespace.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod printed;

use std::process::Command;

use testkit::network::{FrameSender, create_veth_pair, in_namespace, ip};
use testkit::wait::wait_until;

fn run(arguments: &[&str]) -> (i32, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_hpcapctl"))
        .arg("mirror")
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
    (done.status.code().unwrap(), text)
}

/// `wire` sends to `port`, and `out` sends to `analyser`.
fn network() {
    create_veth_pair("wire", "port", 1500);
    create_veth_pair("out", "analyser", 1500);
}

/// How many frames an interface has received.
fn received(name: &str) -> u64 {
    let text = ip(&format!("-j -s link show {name}"));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json[0]["stats64"]["rx"]["packets"].as_u64().unwrap()
}

#[test]
fn mirrored_frames_leave_the_other_interface() {
    in_namespace(|| {
        network();
        let (code, text) = run(&["add", "port", "out", "--direction", "in"]);
        assert_eq!((code, text.as_str()), (0, "mirrored port to out, in\n"));
        let before = received("analyser");
        let sender = FrameSender::new("wire");
        for _ in 0..10 {
            sender.send(&[0x42; 60]);
        }
        wait_until("the copies arrive", || received("analyser") - before == 10);
        let (code, text) = run(&["delete", "port", "out"]);
        assert_eq!((code, text.as_str()), (0, "deleted port to out, in\n"));
        let arrived = received("port");
        sender.send(&[0x42; 60]);
        wait_until("the frame arrives", || received("port") > arrived);
        assert_eq!(received("analyser") - before, 10, "no copy any more");
    });
}

#[test]
fn mirror_is_added_once() {
    in_namespace(|| {
        network();
        let (code, text) = run(&["add", "port", "out", "--dry-run"]);
        assert_eq!(code, 0);
        assert_eq!(
            text,
            "would mirror port to out, in\nwould mirror port to out, out\n"
        );
        assert_eq!(run(&["list"]).1, "no interface is mirrored\n");
        run(&["add", "port", "out"]);
        let (_, text) = run(&["add", "port", "out"]);
        assert_eq!(
            text,
            "there already: port to out, in\nthere already: port to out, out\n"
        );
        assert_eq!(
            run(&["list", "port"]).1,
            "port to out, in\nport to out, out\n"
        );
        let json = run(&["list", "--json"]).1;
        let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
        assert_eq!(
            first,
            serde_json::json!({"from": "port", "to": "out", "direction": "in", "own": true})
        );
        run(&["delete", "port", "out"]);
        let (_, text) = run(&["delete", "port", "out"]);
        assert_eq!(text, "nothing to do: port is not mirrored to out\n");
    });
}

#[test]
fn mirrors_that_would_circulate_are_refused() {
    in_namespace(|| {
        network();
        assert_eq!(run(&["add", "port", "port"]).0, 2);
        run(&["add", "port", "out"]);
        let (code, text) = run(&["add", "out", "port"]);
        assert_eq!(code, 1);
        insta::assert_snapshot!("circulating", text);
        let (code, text) = run(&["add", "port", "nothing"]);
        assert_eq!(code, 1);
        let _filters = printed::settings().bind_to_scope();
        insta::assert_snapshot!("no_interface", text);
    });
}

#[test]
fn mirror_of_another_program_is_left_alone() {
    in_namespace(|| {
        network();
        for arguments in [
            "qdisc add dev port clsact",
            "filter add dev port ingress u32 match u32 0 0 action mirred egress mirror dev out",
        ] {
            let done = Command::new("tc")
                .args(arguments.split(' '))
                .status()
                .unwrap();
            assert!(done.success(), "tc {arguments}");
        }
        assert_eq!(run(&["list"]).1, "port to out, in (of another program)\n");
        let (code, text) = run(&["delete", "port", "out"]);
        assert_eq!(code, 0);
        assert!(text.starts_with("left alone"), "{text}");
        assert_eq!(run(&["list"]).1, "port to out, in (of another program)\n");
    });
}
