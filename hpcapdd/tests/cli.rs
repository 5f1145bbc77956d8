//! Tests of the command line: exit codes, help, and refused options.

mod common;

use common::{events, hpcapdd, run, summary};

#[test]
fn usage_error_exits_with_2() {
    for (arguments, text) in [
        (&[][..], "Usage"),
        (&["/data"], "QUEUE DEST are expected"),
        (&["eth0", "/data"], "expected hpcapN"),
        (&["0", "x", "/data"], "numbers of adapter and queue"),
        (&["--source", "eth0", "null"], "af_packet:"),
        (&["--source", "gen:colour=red", "null"], "colour"),
        (
            &["--source", "gen:count=1", "--contract", "firm", "null"],
            "lossless:TIME",
        ),
        (
            &["--source", "gen:count=1", "--start", "now", "null"],
            "file, newest or oldest",
        ),
        (
            &["--source", "gen:count=1", "--rotate-size", "3G", "out"],
            "at most 2 GiB",
        ),
        (
            &["--source", "gen:count=1", "--rotate-time", "1m", "null"],
            "needs a folder",
        ),
        (
            &["--source", "gen:count=1", "--bytes", "10X", "null"],
            "1024-based",
        ),
        (
            &["--source", "gen:count=1", "--filter", "no such", "null"],
            "filter",
        ),
        (
            &[
                "--source",
                "gen:count=1",
                "--frames",
                "1",
                "--quiet",
                "--json",
                "null",
            ],
            "--json",
        ),
    ] {
        let output = run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(text), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn failure_exits_with_1() {
    for arguments in [
        &["--source", "pcap:/no/such.pcap", "null"][..],
        &["--source", "af_packet:no-such-if", "null"],
        &["--source", "gen:count=1", "--cpu", "100000", "null"],
    ] {
        let output = run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("hpcapdd: cannot "), "{stderr}");
    }
    let help = run(&["--help"]);
    assert!(help.status.success());
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    for word in ["SIGHUP", "--keep-free", "tcpdump -r -", "Exit codes"] {
        assert!(text.contains(word), "{word}");
    }
    assert!(run(&["--version"]).status.success());
}

#[test]
fn text_output_names_finished_files() {
    let dir = tempfile::tempdir().unwrap();
    let output = hpcapdd()
        .args(["--source", "gen:count=100"])
        .arg(dir.path())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let mut lines = stdout.lines();
    let line = lines.next().unwrap();
    assert!(
        line.starts_with("file complete: ") && line.contains("100 frames"),
        "{line}"
    );
    assert_eq!(lines.next(), None);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("ended (source ended): 100 frames"),
        "{stderr}"
    );
    // There is no progress line if stderr is not a terminal.
    assert!(!stderr.contains("pps  0 b/s  disk"), "{stderr}");

    let quiet = hpcapdd()
        .args(["--quiet", "--source", "gen:count=100"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(quiet.status.success());
    assert!(quiet.stdout.is_empty());
}

#[test]
fn json_has_the_whole_ledger() {
    let output = run(&["--json", "--source", "gen:count=100", "null"]);
    let events = events(&output.stdout);
    assert_eq!(events[0]["event"], "start");
    let ledger = summary(&events)["ledger"].as_object().unwrap();
    for reason in hpcap::Reason::ledger() {
        assert!(ledger[reason.name()]["frames"].is_u64(), "{reason}");
    }
}

#[test]
fn list_survives_a_reader_that_left() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = hpcapdd().arg("-D").stdout(writer).output().unwrap();
    assert!(output.status.success());
    assert!(output.stderr.is_empty());
}

#[test]
fn list_that_cannot_be_written_is_a_failure() {
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = hpcapdd().arg("-D").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}
