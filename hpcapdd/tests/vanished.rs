//! Tests of files that somebody removes or renames while they are written.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Running, files, frames_of, read_sound, summary};
use hpcap::Reason;
use nix::sys::signal::Signal;
use serde_json::Value;
use testkit::wait::wait_until;

/// Arguments for whole blocks, and for frame by frame.
const MODES: [&[&str]; 2] = [&[], &["--frames", "100000000"]];

fn says_gone(event: &Value) -> bool {
    event["event"] == "warning"
        && event["message"]
            .as_str()
            .unwrap()
            .contains("not there any more")
}

fn start(dir: &Path, mode: &[&str]) -> (Running, PathBuf) {
    let arguments = [&["--ring", "1M"], mode].concat();
    let recorder = Running::source("gen:size=1000,rate=2000pps", dir, &arguments);
    wait_until("a file under way has frames", || {
        files(dir, ".part")
            .first()
            .is_some_and(|f| fs::metadata(f).is_ok_and(|m| m.len() > 100_000))
    });
    let part = files(dir, ".part").remove(0);
    (recorder, part)
}

/// Ends the recorder once another file has frames. Checks that the files hold the frames that the
/// summary counts.
fn end(mut recorder: Running, dir: &Path) -> Value {
    recorder.wait_until(says_gone);
    wait_until("another file has frames", || {
        let found = files(dir, ".part");
        found
            .iter()
            .chain(&files(dir, ".raw"))
            .any(|f| fs::metadata(f).is_ok_and(|m| m.len() > 100_000))
    });
    recorder.signal(Signal::SIGINT);
    let (_, events, stderr) = recorder.finish();
    let summary = summary(&events);
    let there: u64 = files(dir, ".raw")
        .iter()
        .map(|f| read_sound(f).frames.frames)
        .sum();
    assert!(there > 0);
    assert_eq!(summary["frames"], there, "{stderr}\n{summary:#}");
    assert_eq!(
        there + frames_of(summary, Reason::Storage),
        frames_of(summary, Reason::Captured),
        "{summary:#}"
    );
    summary.clone()
}

#[test]
fn removed_part_is_counted_as_storage() {
    for mode in MODES {
        let dir = tempfile::tempdir().unwrap();
        let (recorder, part) = start(dir.path(), mode);
        fs::remove_file(part).unwrap();
        let summary = end(recorder, dir.path());
        assert!(frames_of(&summary, Reason::Storage) > 0);
    }
}

#[test]
fn removed_folder_is_made_again() {
    for mode in MODES {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("raw");
        fs::create_dir(&base).unwrap();
        let (recorder, _) = start(&base, mode);
        fs::remove_dir_all(&base).unwrap();
        let summary = end(recorder, &base);
        assert!(frames_of(&summary, Reason::Storage) > 0);
    }
}

#[test]
fn replaced_part_stays_as_it_is() {
    for mode in MODES {
        let dir = tempfile::tempdir().unwrap();
        let (mut recorder, part) = start(dir.path(), mode);
        fs::remove_file(&part).unwrap();
        fs::write(&part, "another program's").unwrap();
        recorder.wait_until(says_gone);
        recorder.signal(Signal::SIGINT);
        recorder.finish();
        assert_eq!(fs::read(&part).unwrap(), b"another program's");
    }
}

#[test]
fn removed_before_its_end_is_counted() {
    for mode in MODES {
        let dir = tempfile::tempdir().unwrap();
        let (recorder, part) = start(dir.path(), mode);
        // The recorder must not look at the file before the signal to end.
        recorder.signal(Signal::SIGSTOP);
        fs::remove_file(part).unwrap();
        recorder.signal(Signal::SIGINT);
        recorder.signal(Signal::SIGCONT);
        let (_, events, _) = recorder.finish();
        let summary = summary(&events);
        let there: u64 = files(dir.path(), ".raw")
            .iter()
            .map(|f| read_sound(f).frames.frames)
            .sum();
        assert_eq!(summary["frames"], there, "{summary:#}");
        assert!(frames_of(summary, Reason::Storage) > 0);
    }
}
