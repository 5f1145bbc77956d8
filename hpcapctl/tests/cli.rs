//! Tests of exit codes and messages. The tests that need the kernel module run in a virtual
//! machine.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::{Command, Output};

use testkit::process::transcript;

/// Runs `hpcapctl` with `folder` as the folder of devices and of sockets.
fn hpcapctl_in(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hpcapctl"))
        .args(args)
        .env("HPCAP_DEV_DIR", folder)
        .env("HPCAP_RUN_DIR", folder)
        .output()
        .unwrap()
}

/// Runs each command in `folder`, and compares exit codes and outputs with the snapshot `name`.
fn compare(name: &str, folder: &Path, commands: &[&[&str]]) {
    let runs = commands.iter().map(|args| {
        let printed = transcript(&hpcapctl_in(folder, args));
        format!("$ hpcapctl {}\n{printed}", args.join(" "))
    });
    let text = runs.collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(name, text.replace(&folder.display().to_string(), "FOLDER"));
}

#[test]
fn usage_errors_list_the_allowed_values() {
    let empty = tempfile::tempdir().unwrap();
    compare(
        "usage",
        empty.path(),
        &[
            &[],
            &["ring", "eth0", "--size", "1G"],
            &["ring", "hpcap0"],
            &["ring", "hpcap0", "--size", "3X"],
            &["ring", "hpcap0", "--size", "1G", "--pages", "3M"],
            &["kill", "hpcap0", "all"],
        ],
    );
}

#[test]
fn missing_queue_is_named_with_advice() {
    let empty = tempfile::tempdir().unwrap();
    compare(
        "missing_queue",
        empty.path(),
        &[
            &["ring", "hpcap7", "--size", "64M"],
            &["status", "hpcap7"],
            &["kill", "hpcap7:1", "4"],
        ],
    );
}

#[test]
fn no_queue_at_all_is_not_an_error() {
    let empty = tempfile::tempdir().unwrap();
    compare(
        "no_queue",
        empty.path(),
        &[&["status"], &["status", "--json"]],
    );
}

#[test]
fn queue_of_hpcapd_has_no_ring_to_set() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("hpcap0.sock"), "").unwrap();
    compare(
        "ring_of_hpcapd",
        dir.path(),
        &[&["ring", "hpcap0", "--size", "64M"]],
    );
}

#[test]
fn foreign_device_is_recognised() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/null", dir.path().join("hpcap_0_0")).unwrap();
    compare("foreign_device", dir.path(), &[&["status", "hpcap0"]]);
}
