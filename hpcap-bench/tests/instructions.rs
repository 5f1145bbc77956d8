//! Tests that instructions are counted by callgrind, and compared. Without valgrind, they are skipped.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn instructions(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hpcap-bench"))
        .arg("instructions")
        .args(arguments)
        .output()
        .unwrap()
}

fn has_valgrind() -> bool {
    let found = Command::new("valgrind").arg("--version").output().is_ok();
    if !found {
        println!("skipped: valgrind is not installed");
    }
    found
}

/// Counts the instructions of one loop.
fn count(name: &str) -> Value {
    let output = instructions(&[name, "--json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn per_frame(counted: &Value) -> f64 {
    let count = &counted["counts"][0]["instructions_per_frame"];
    count.as_f64().unwrap()
}

/// Stores `per_frame` for the raw-reader, as counted by a program of the same compilers.
fn store(path: &Path, counted: &Value, per_frame: f64) {
    let stored = serde_json::json!({
        "compilers": counted["compilers"],
        "instructions_per_frame": { "raw-reader": per_frame },
    });
    std::fs::write(path, stored.to_string()).unwrap();
}

#[test]
fn counts_are_the_same_in_each_run() {
    if !has_valgrind() {
        return;
    }
    let (one, other) = (per_frame(&count("push")), per_frame(&count("push")));
    assert!(one > 10.0, "{one}");
    assert!((one / other - 1.0).abs() < 0.002, "{one} and {other}");
}

#[test]
fn growth_of_a_count_is_a_failure() {
    if !has_valgrind() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stored.json");
    let counted = count("raw-reader");
    let now = per_frame(&counted);
    for (stored, code) in [(now / 1.05, 1), (now, 0)] {
        store(&path, &counted, stored);
        let output = instructions(&["raw-reader", "--compare", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
}
