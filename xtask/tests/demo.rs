//! The demonstration of `make run`, with the built programs.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use testkit::is_root_or_skips;
use testkit::process::{Process, run};

/// Prepares a demonstration that writes below `dir`. The other programs are beside xtask.
fn demo(dir: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .arg("demo")
        .arg("--dir")
        .arg(dir.path())
        .args(arguments);
    command
}

fn is_empty(dir: &Path) -> bool {
    std::fs::read_dir(dir).unwrap().next().is_none()
}

/// The numbers of the programs agree, whether the frames go over a cable or come from hpcapd.
#[test]
fn demonstration_of_its_own_traffic_balances() {
    let dir = tempfile::tempdir().unwrap();
    let done = run(&mut demo(&dir, &["--seconds", "1"])).exits(0);
    for text in [
        "sent by the generator",
        "in the RAW files",
        "The ledger balances:",
    ] {
        assert!(done.out.contains(text), "no {text:?} in\n{}", done.out);
    }
    assert!(!done.out.contains("DOES NOT AGREE"), "{}", done.out);
    // Without a terminal, nobody is asked, and the files stay.
    assert!(done.out.contains("Remove them:    rm -r "), "{}", done.out);
    assert!(!is_empty(dir.path()));
}

/// On an interface whose sender is another program, the demonstration has no number to compare with.
#[test]
fn demonstration_names_the_missing_comparison() {
    if !is_root_or_skips("capturing lo") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let done = run(&mut demo(&dir, &["--interface", "lo", "--seconds", "1"])).exits(0);
    let mut lines = done.out.lines().map(str::trim);
    assert!(
        lines.any(|line| line.starts_with("on the wire") && line.contains("not compared: nobody")),
        "{}",
        done.out
    );
}

#[test]
fn interrupted_demonstration_removes_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::spawn(&mut demo(&dir, &["--seconds", "20"]));
    process.wait_for("   | recording hpcap0");
    let done = process.interrupt().exits(1);
    assert_eq!(done.err, "demo: interrupted; everything is cleaned up\n");
    assert!(is_empty(dir.path()));
}

#[test]
fn demonstration_refuses_wrong_settings() {
    let dir = tempfile::tempdir().unwrap();
    let done = run(&mut demo(&dir, &["--interface", "nosuch0"])).exits(2);
    let expected = "demo: there is no interface nosuch0 (hpcapdd -D lists them)\n";
    assert_eq!(done.err, expected);
    for seconds in ["0", "-1", "x", "100000"] {
        let argument = format!("--seconds={seconds}");
        let _ = run(&mut demo(&dir, &[&argument]))
            .exits(2)
            .says(&["expected a number of seconds, such as 10"]);
    }
    assert!(is_empty(dir.path()));
}

#[test]
fn missing_program_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let tools = dir.path().display().to_string();
    let done = run(&mut demo(&dir, &["--tools", &tools])).exits(1);
    let expected = format!("demo: {tools}/hpcapd is missing: make build\n");
    assert_eq!(done.err, expected);
}
