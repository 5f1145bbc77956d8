//! Tests that the benchmarks' output can be parsed. The figures themselves are not tested.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::process::{Command, Output};

use serde_json::Value;

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hpcap-bench"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn the_producer_is_measured_and_reported() {
    let arguments = ["ring", "--ring", "4M", "--runs", "1", "--batch", "32"];
    let output = bench(&[&arguments[..], &["--json"]].concat());
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = report["rows"].as_array().unwrap();
    let of_ring_h: Vec<_> = rows
        .iter()
        .filter(|row| row["peer_name"] == "timestamp + memcpy")
        .collect();
    assert_eq!(of_ring_h.len(), 4);
    for row in of_ring_h {
        let (ours, peer) = (&row["ours"]["median"], &row["peer"]["median"]);
        let ratio = peer.as_f64().unwrap() / ours.as_f64().unwrap();
        assert!(
            (row["ratio"].as_f64().unwrap() - ratio).abs() < 1e-9,
            "{row}"
        );
        let verdict = if ratio >= 0.7 { "pass" } else { "miss" };
        assert_eq!(row["verdict"], verdict);
    }

    let output = bench(&arguments);
    assert!(output.status.success(), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        table.lines().filter(|line| line.starts_with('|')).count(),
        rows.len() + 2
    );
}

#[test]
fn readers_are_measured_and_reported() {
    let arguments = ["reader", "--ring", "4M", "--frames", "20000", "--runs", "1"];
    let output = bench(&[&arguments[..], &["--json"]].concat());
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    for row in rows {
        assert!(row["ours"]["median"].as_f64().unwrap() > 0.0, "{row}");
        assert!(row["peer"]["median"].as_f64().unwrap() > 0.0, "{row}");
    }
}

#[test]
fn a_folder_without_room_or_without_existence_is_an_error() {
    for arguments in [
        &["disk", "/nonexistent"][..],
        &["disk", "/tmp", "--size", "1000T"],
        &["memory", "--dir", "/nonexistent"],
    ] {
        let output = bench(arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(!output.stderr.is_empty());
    }
}
