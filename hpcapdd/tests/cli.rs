//! Tests of the command line: exit codes, help, and refused options.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::path::Path;

use common::{events, hpcapdd, run, summary};
use testkit::process::transcript;

/// Replaces what differs from run to run: the folder, the second in the name of a file, its folder, and
/// everything that depends on the time a recording took.
fn filters(dir: &Path) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(&dir.display().to_string(), "[DIR]");
    settings.add_filter(r"\d{10}/\d{10}_", "[HOUR]/[SECOND]_");
    settings.add_filter(r"\d+\.\d s\b", "[TIME] s");
    settings.add_filter(r"[\d.]+ (k|M|G)?(pps|b/s|B/s)", "[RATE] $2");
    // The names of the interfaces of this machine, and of its kernel in the file.
    settings.add_filter("there are .*", "there are [INTERFACES]");
    settings.add_filter(r"pcapng \([\d.]+ KiB", "pcapng ([SIZE]");
    settings.add_filter(r"frames, 1\d\.\d KiB in", "frames, [SIZE] in");
    settings.add_filter(r"at most \d+ % full", "at most [LAG] % full");
    settings
}

/// Compares what the recorder prints in `dir` with the snapshot `name`.
#[track_caller]
fn assert_printed(name: &str, arguments: &[&str], dir: &Path) {
    let ended = hpcapdd().args(arguments).current_dir(dir).output().unwrap();
    let _filters = filters(dir).bind_to_scope();
    insta::assert_snapshot!(name, transcript(&ended));
}

#[test]
fn help_explains_every_option() {
    insta::assert_snapshot!("help", transcript(&run(&["--help"])));
    insta::assert_snapshot!("short_help", transcript(&run(&["-h"])));
}

#[test]
fn refused_options_name_the_expected_form() {
    let dir = tempfile::tempdir().unwrap();
    for (name, arguments) in [
        ("no_arguments", &[][..]),
        ("no_queue", &["/data"]),
        ("interface_for_queue", &["lo", "/data"]),
        ("number_for_queue", &["0", "x", "/data"]),
        ("unknown_source", &["--source", "lo", "null"]),
        ("unknown_setting", &["--source", "gen:colour=red", "null"]),
        (
            "contract",
            &["--source", "gen:count=1", "--contract", "firm", "null"],
        ),
        (
            "start",
            &["--source", "gen:count=1", "--start", "now", "null"],
        ),
        (
            "rotate_size",
            &["--source", "gen:count=1", "--rotate-size", "3G", "out"],
        ),
        (
            "rotate_time",
            &["--source", "gen:count=1", "--rotate-time", "1m", "null"],
        ),
        (
            "bytes",
            &["--source", "gen:count=1", "--bytes", "10X", "null"],
        ),
        (
            "filter",
            &["--source", "gen:count=1", "--filter", "no such", "null"],
        ),
        (
            "quiet_json",
            &["--source", "gen:count=1", "--quiet", "--json", "null"],
        ),
        ("misspelt", &["--rotate-sise", "3G", "hpcap0", "out"]),
    ] {
        assert_printed(&format!("refused_{name}"), arguments, dir.path());
    }
}

#[test]
fn failures_advise_the_user() {
    let dir = tempfile::tempdir().unwrap();
    for (name, arguments) in [
        ("no_file", &["--source", "pcap:/no/such.pcap", "null"][..]),
        (
            "no_interface",
            &["--source", "af_packet:no-such-if", "null"],
        ),
        (
            "no_cpu",
            &["--source", "gen:count=1", "--cpu", "100000", "null"],
        ),
    ] {
        assert_printed(&format!("failed_{name}"), arguments, dir.path());
    }
}

#[test]
fn recording_names_its_files() {
    const OWN: [&str; 4] = ["--pages", "ordinary", "--source", "gen:count=100"];
    let dir = tempfile::tempdir().unwrap();
    for (name, more) in [
        ("to_a_folder", &["raw"][..]),
        ("to_one_file", &["x.pcapng"]),
        ("quietly", &["--quiet", "raw2"]),
    ] {
        let arguments = [&OWN[..], more].concat();
        assert_printed(&format!("recorded_{name}"), &arguments, dir.path());
    }
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

#[test]
fn full_device_ends_the_recording() {
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = hpcapdd();
    command.args(["--source", "gen:count=100000", "-"]);
    let output = command.stdout(full).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    assert!(said.contains("ended (failed): 0 frames"), "{said}");
    assert!(said.contains("(storage)"), "{said}");
    let told = said.matches("cannot write to stdout").count();
    assert_eq!(told, 1, "{said}");
}
