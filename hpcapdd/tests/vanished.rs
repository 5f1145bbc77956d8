//! Tests of files that somebody removes or renames while they are written.

#![expect(clippy::unwrap_used, reason = "tests")]

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

/// Bytes of a frame of the tests with the header of its record.
const RECORD_BYTES: u64 = 1012;

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
        // The recorder must not write to the file between its measurement and its end.
        recorder.signal(Signal::SIGSTOP);
        let held = fs::File::open(&part).unwrap();
        fs::remove_file(part).unwrap();
        recorder.signal(Signal::SIGCONT);
        let summary = end(recorder, dir.path());
        let lost = frames_of(&summary, Reason::Storage);
        // Only frames that were in the file are lost.
        let most = held.metadata().unwrap().len() / RECORD_BYTES;
        assert!(lost > 0 && lost <= most, "{lost} of {most}");
        // The data says what is missing.
        let told: u64 = files(dir.path(), ".raw")
            .iter()
            .map(|f| read_sound(f).lost[Reason::Storage].frames)
            .sum();
        assert_eq!(told, lost);
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

/// Frames in the capture files below `folder`, whatever they are called.
fn frames_below(folder: &Path) -> u64 {
    let pcapng = |path: &PathBuf| {
        let mut reader = hpcap::pcapfile::Reader::open(path).unwrap();
        let mut frames = 0;
        while reader.next().unwrap().is_some() {
            frames += 1;
        }
        frames
    };
    let of = |end, count: &dyn Fn(&PathBuf) -> u64| -> u64 {
        files(folder, end).iter().map(count).sum()
    };
    let raw = |path: &PathBuf| common::read(path).frames.frames;
    of(".raw", &raw) + of(".raw.part", &raw) + of(".pcapng", &pcapng) + of(".pcapng.part", &pcapng)
}

#[test]
fn renamed_folder_loses_nothing() {
    let modes = MODES.into_iter().chain([&["--format", "pcapng"][..]]);
    for mode in modes {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("data");
        fs::create_dir(&base).unwrap();
        let (mut recorder, _) = start(&base, mode);
        fs::rename(&base, dir.path().join("moved")).unwrap();
        recorder.wait_until(says_gone);
        wait_until("another file has frames", || {
            let found = files(dir.path(), ".part");
            found
                .iter()
                .any(|f| f.starts_with(&base) && fs::metadata(f).is_ok_and(|m| m.len() > 100_000))
        });
        recorder.signal(Signal::SIGINT);
        let (code, events, stderr) = recorder.finish();
        let summary = summary(&events);
        assert_eq!(code, 0, "{mode:?} {stderr}\n{summary:#}");
        assert_eq!(
            frames_of(summary, Reason::Storage),
            0,
            "{mode:?} {summary:#}"
        );
        assert_eq!(summary["frames"], frames_below(dir.path()), "{mode:?}");
        assert_eq!(summary["frames"], frames_of(summary, Reason::Captured));
    }
}
