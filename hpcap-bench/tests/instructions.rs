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

fn count(name: &str) -> f64 {
    let output = instructions(&[name, "--json"]);
    assert!(output.status.success(), "{output:?}");
    let counted: Value = serde_json::from_slice(&output.stdout).unwrap();
    counted["counts"][0]["instructions_per_frame"]
        .as_f64()
        .unwrap()
}

/// Stores `count` for the loop `name`, as if these compilers had made it.
fn store(path: &Path, name: &str, count: f64) {
    let output = instructions(&[name, "--json"]);
    let counted: Value = serde_json::from_slice(&output.stdout).unwrap();
    let stored = serde_json::json!({
        "compilers": counted["compilers"],
        "instructions_per_frame": { name: count },
    });
    std::fs::write(path, stored.to_string()).unwrap();
}

#[test]
fn counts_are_the_same_in_each_run() {
    if !has_valgrind() {
        return;
    }
    for name in ["push", "raw-reader"] {
        let (one, other) = (count(name), count(name));
        assert!(one > 10.0, "{name}: {one}");
        assert!(
            (one / other - 1.0).abs() < 0.002,
            "{name}: {one} and {other}"
        );
    }
}

#[test]
fn growth_of_a_count_is_a_failure() {
    if !has_valgrind() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stored.json");
    let compare = ["raw-reader", "--compare", path.to_str().unwrap()];
    let now = count("raw-reader");
    store(&path, "raw-reader", now / 1.05);
    let output = instructions(&compare);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    store(&path, "raw-reader", now);
    let output = instructions(&compare);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}
