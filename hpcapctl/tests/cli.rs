//! Tests of exit codes and messages. The tests that need the kernel module run in a virtual
//! machine.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::process::{Command, Output};

/// Runs `hpcapctl` with empty folders for devices and sockets.
fn hpcapctl(args: &[&str]) -> Output {
    let nothing = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_hpcapctl"))
        .args(args)
        .env("HPCAP_DEV_DIR", nothing.path())
        .env("HPCAP_RUN_DIR", nothing.path())
        .output()
        .unwrap()
}

fn refused(args: &[&str], code: i32, texts: &[&str]) {
    let done = hpcapctl(args);
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(code), "{args:?}: {said}");
    for text in texts {
        assert!(said.contains(text), "{args:?}: {text:?} is not in {said}");
    }
}

#[test]
fn usage_errors_exit_with_2_and_say_what_is_allowed() {
    refused(&[], 2, &["ring", "status", "kill"]);
    refused(&["ring", "eth0", "--size", "1G"], 2, &["hpcapN"]);
    refused(&["ring", "hpcap0"], 2, &["--size"]);
    refused(&["ring", "hpcap0", "--size", "3X"], 2, &["64M"]);
    refused(
        &["ring", "hpcap0", "--size", "1G", "--pages", "3M"],
        2,
        &["ordinary, 2M, 1G or auto"],
    );
    refused(&["kill", "hpcap0", "all"], 2, &["all"]);
}

#[test]
fn a_queue_that_is_not_there_is_named_with_what_to_do() {
    let advice = "modprobe hpcap_ixgbe";
    refused(
        &["ring", "hpcap7", "--size", "64M"],
        1,
        &["hpcap_7_0", advice],
    );
    refused(&["status", "hpcap7"], 1, &["hpcap7", advice]);
    refused(&["kill", "hpcap7:1", "4"], 1, &["hpcap7:1", advice]);
}

#[test]
fn no_queue_at_all_is_not_an_error() {
    let done = hpcapctl(&["status"]);
    assert!(done.status.success());
    assert!(
        String::from_utf8(done.stdout)
            .unwrap()
            .contains("no queue is served")
    );
    assert!(hpcapctl(&["status", "--json"]).stdout.is_empty());
}

#[test]
fn a_queue_of_hpcapd_is_not_mistaken_for_one_of_the_module() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("hpcap0.sock"), "").unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_hpcapctl"))
        .args(["ring", "hpcap0", "--size", "64M"])
        .env("HPCAP_DEV_DIR", dir.path())
        .env("HPCAP_RUN_DIR", dir.path())
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(1));
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(said.contains("hpcapd --ring"), "{said}");
}

#[test]
fn another_device_under_the_name_of_a_queue_is_recognised() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/null", dir.path().join("hpcap_0_0")).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_hpcapctl"))
        .args(["status", "hpcap0"])
        .env("HPCAP_DEV_DIR", dir.path())
        .env("HPCAP_RUN_DIR", dir.path())
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(1));
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(said.contains("not a device of hpcap.ko"), "{said}");
}
