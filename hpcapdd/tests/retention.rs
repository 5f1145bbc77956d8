//! Tests of the `--keep-...` options with wrong clocks and other recorders.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use common::{files, hpcapdd, of_kind, record, run};

fn stored(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = files(dir, ".raw")
        .iter()
        .map(|f| f.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// Runs the recorder with its clock moved by `by`. Returns `None` if faketime is not installed.
fn with_clock(by: &str, arguments: &[&str]) -> Option<()> {
    let program = hpcapdd();
    let done = Command::new("faketime")
        .args(["-f", by])
        .arg(program.get_program())
        .args(arguments)
        .output();
    let Ok(done) = done else {
        println!("skipped: there is no faketime");
        return None;
    };
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{stderr}");
    Some(())
}

#[test]
fn files_from_the_future_make_room() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let source = ["--source", "gen:size=1000,count=20000", "--ring", "1M"];
    // Files of a frame-by-frame recording end exactly at the limit.
    let by_records = ["--frames", "20000", "--rotate-size", "2M"];
    let rotating = [&source[..], &by_records, &[path]].concat();
    if with_clock("+10d", &rotating).is_none() {
        return;
    }
    let before = stored(dir.path());
    assert!(before.len() > 3, "{before:?}");
    let more = [&by_records[..], &["--keep-files", "4"]].concat();
    let events = record("gen:size=1000,count=20000", dir.path(), &more);
    let completed = of_kind(&events, "file_complete").len();
    let left = stored(dir.path());
    assert_eq!(left.len(), 4);
    let ours = left.iter().filter(|name| !before.contains(name)).count();
    assert_eq!(ours, completed.min(4), "{left:?}");
    let warned = of_kind(&events, "warning");
    assert!(
        warned
            .iter()
            .any(|w| w["message"].as_str().unwrap().contains("in the future")),
        "{warned:?}"
    );
}

#[test]
fn recordings_of_two_sources_keep_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let pcap = |name: &str| {
        let path = dir.path().join(name);
        let out = path.to_str().unwrap().to_owned();
        let made = run(&["--source", "gen:size=1000,count=2000", &out]);
        assert!(made.status.success());
        format!("pcap:{out}")
    };
    let (one, two) = (pcap("one.pcapng"), pcap("two.pcapng"));
    let store = dir.path().join("store");
    record(&one, &store, &[]);
    for _ in 0..3 {
        record(&two, &store, &["--keep-files", "1"]);
    }
    let names = stored(&store);
    assert_eq!(names.len(), 2, "{names:?}");
    let of = |source| names.iter().filter(|name| name.contains(source)).count();
    assert_eq!((of("_one"), of("_two")), (1, 1), "{names:?}");
}

#[test]
fn source_has_the_requested_name() {
    let dir = tempfile::tempdir().unwrap();
    record("uplink=gen:count=10", dir.path(), &[]);
    assert!(stored(dir.path())[0].ends_with("_uplink.raw"));
    let out = dir.path().to_str().unwrap();
    for name in ["a/b", "hpcap0_0", ""] {
        let spec = format!("{name}=gen:count=10");
        assert_eq!(
            run(&["--source", &spec, out]).status.code(),
            Some(2),
            "{name}"
        );
    }
}

#[test]
fn files_get_mode_with_group() {
    let dir = tempfile::tempdir().unwrap();
    let own = nix::unistd::getgid().as_raw().to_string();
    let access = ["--file-mode", "0660", "--file-group", &own];
    record("gen:count=10", dir.path(), &access);
    let file = files(dir.path(), ".raw").remove(0);
    let index = hpcap::raw::index::path_for(&file);
    for (path, mode) in [
        (file.as_path(), 0o660),
        (&index, 0o660),
        (file.parent().unwrap(), 0o770),
    ] {
        let meta = fs::metadata(path).unwrap();
        assert_eq!(
            meta.permissions().mode() & 0o777,
            mode,
            "{}",
            path.display()
        );
        assert_eq!(meta.gid().to_string(), own);
    }
    let out = dir.path().to_str().unwrap();
    let refused = run(&["--source", "gen:count=1", "--file-mode", "0444", out]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn keep_free_beyond_the_disk_is_usage() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    let refused = run(&["--source", "gen:count=1", "--keep-free", "1000000G", out]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn too_small_rotate_size_names_the_least() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    let refused = run(&["--source", "gen:count=1", "--rotate-size", "100", out]);
    assert_eq!(refused.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert!(
        stderr.contains("at least 128K") && !stderr.contains("2 GiB"),
        "{stderr}"
    );
}

#[test]
fn keep_size_holds_without_rotate_size() {
    let dir = tempfile::tempdir().unwrap();
    let more = ["--frames", "30000", "--ring", "1M", "--keep-size", "8M"];
    let events = record("gen:size=1000,count=30000", dir.path(), &more);
    assert!(!of_kind(&events, "file_deleted").is_empty());
    let sizes: Vec<u64> = files(dir.path(), ".raw")
        .iter()
        .map(|f| fs::metadata(f).unwrap().len())
        .collect();
    assert!(sizes.iter().all(|n| *n <= 2 << 20), "{sizes:?}");
    assert!(sizes.iter().sum::<u64>() <= 8 << 20, "{sizes:?}");
}

#[test]
fn failed_open_leaves_no_part() {
    let program = hpcapdd();
    let program = program.get_program().to_str().unwrap();
    let mut failed = 0;
    // One of these limits is reached when the file exists and cannot be opened a second time.
    for limit in 8..40 {
        let dir = tempfile::tempdir().unwrap();
        let line = format!(
            "ulimit -n {limit}; exec {program} --source gen:count=10 --duration 1s {}",
            dir.path().display()
        );
        let done = Command::new("sh").args(["-c", &line]).output().unwrap();
        failed += u32::from(!done.status.success());
        let parts = files(dir.path(), ".part");
        assert!(parts.is_empty(), "{limit}: {parts:?}");
    }
    assert!(failed > 0);
}

/// The clock is set forward by two days while a recorder with `--keep-age 1h` runs.
#[test]
fn step_of_the_clock_makes_no_file_old() {
    use common::Running;
    use nix::sys::signal::Signal;
    let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
    if !Path::new(library).exists() {
        println!("skipped: there is no {library}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let offset = dir.path().join("offset");
    fs::write(&offset, "+0").unwrap();
    let store = dir.path().join("store");
    record("gen:count=10", &store, &[]);
    let mut command = hpcapdd();
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", &offset)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1")
        .args(["--source", "gen:rate=1000pps", "--ring", "1M"])
        .args(["--rotate-time", "1s", "--keep-age", "1h"])
        .arg(&store);
    let mut recorder = Running::start(&mut command);
    recorder.wait_for("file_complete");
    fs::write(&offset, "+2d").unwrap();
    recorder.wait_until(|e| {
        e["event"] == "warning" && e["message"].as_str().unwrap().contains("set forward")
    });
    for _ in 0..2 {
        recorder.wait_for("file_complete");
    }
    recorder.signal(Signal::SIGINT);
    let (code, events, stderr) = recorder.finish();
    assert_eq!(code, 0, "{stderr}");
    assert!(of_kind(&events, "file_deleted").is_empty());
}
