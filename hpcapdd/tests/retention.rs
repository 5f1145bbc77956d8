//! `--keep-...` against clocks and other recorders.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use common::{files, hpcapdd, of_kind, record, run};

fn stored(dir: &Path) -> Vec<String> {
    files(dir, ".raw")
        .iter()
        .map(|f| f.file_name().unwrap().to_str().unwrap().to_owned())
        .collect()
}

/// `None` where there is no faketime.
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
    let rotating = [&source[..], &["--rotate-size", "2M", path]].concat();
    if with_clock("+10d", &rotating).is_none() {
        return;
    }
    let before = stored(dir.path());
    assert!(before.len() > 3, "{before:?}");
    let more = ["--ring", "1M", "--rotate-size", "2M", "--keep-files", "4"];
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
    assert!(
        names[0].contains("_one") && names[1].contains("_two"),
        "{names:?}"
    );
}

#[test]
fn source_has_the_name_that_was_asked_for() {
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
fn group_reads_what_it_may() {
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
fn rotate_size_too_small_is_told_the_least() {
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
