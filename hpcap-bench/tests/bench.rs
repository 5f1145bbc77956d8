//! Tests of what the commands print. The figures of measurements are not tested.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::process::{Command, Output};

use serde_json::Value;

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hpcap-bench"))
        .args(arguments)
        // clap wraps the help at this width.
        .env("COLUMNS", "100")
        .output()
        .unwrap()
}

/// The exit code and both outputs.
fn printed(arguments: &[&str]) -> String {
    let output = bench(arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "exit code {}\n--- stdout\n{}--- stderr\n{}",
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr)
    )
}

#[test]
fn producer_is_measured_and_reported() {
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

/// The help of hpcap-bench and of each of its commands.
#[test]
fn help_of_all_commands() {
    insta::assert_snapshot!("help", printed(&["--help"]));
    for command in [
        "send",
        "verify",
        "limits",
        "instructions",
        "all",
        "ring",
        "reader",
        "disk",
        "files",
        "memory",
        "capture",
        "sniff",
        "tap",
    ] {
        insta::assert_snapshot!(format!("help_{command}"), printed(&[command, "--help"]));
    }
}

#[test]
fn errors_name_the_attempt() {
    for (name, arguments) in [
        ("disk_nowhere", &["disk", "/nonexistent"][..]),
        ("memory_nowhere", &["memory", "--dir", "/nonexistent"]),
        ("limits_of_frames", &["limits", "10Mpps"]),
        ("limits_of_no_frame", &["limits", "--size", "12"]),
        ("limits_of_no_clock", &["limits", "--clock", "fast"]),
        ("instructions_unknown", &["instructions", "pull"]),
        (
            "instructions_not_stored",
            &["instructions", "--compare", "/nonexistent"],
        ),
    ] {
        insta::assert_snapshot!(format!("error_{name}"), printed(arguments));
    }
}

#[test]
fn disk_without_room_is_an_error() {
    let output = bench(&["disk", "/tmp", "--size", "1000T"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn limits_of_a_link() {
    let arguments = ["limits", "40G", "--clock", "3G", "--size", "60,1514,imix"];
    insta::assert_snapshot!("limits", printed(&arguments));
    let cut = [&arguments[..], &["--caplen", "96", "--json"]].concat();
    insta::assert_snapshot!("limits_json", printed(&cut));
}
