//! Tests of whole-block recordings on a disk that refuses writes.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Running, files, frames_of, holes, hpcapdd, of_kind, read, summary, verify_all};
use hpcap::Reason;
use hpcap::raw::{Event, Reader};
use hpcap_source::generator::verify;
use nix::libc;
use serde_json::Value;

const FRAMES: u64 = 12_000;
const BLOCK_BYTES: u64 = 1 << 20;
/// In the middle of the third block, and not at the edge of a record.
const FAIL_AT: u64 = 2 * BLOCK_BYTES + (1 << 19) + 4096;

/// Compiles the library that makes writes fail.
fn library(folder: &Path) -> PathBuf {
    let library = folder.join("failing_disk.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/failing_disk.c");
    let done = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(source)
        .arg("-ldl")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{stderr}");
    library
}

/// Records into `folder` while `times` writes fail with `errno`. An argument `NAME=VALUE` is a
/// variable of the library.
fn record(folder: &Path, errno: i32, times: u32, more: &[&str]) -> (i32, Vec<Value>, String) {
    let source = format!("gen:size=1514,count={FRAMES}");
    let mut command = hpcapdd();
    command
        .env("LD_PRELOAD", library(folder.parent().unwrap()))
        .env("FAIL_AT", FAIL_AT.to_string())
        .env("FAIL_ERRNO", errno.to_string())
        .env("FAIL_TIMES", times.to_string())
        .args(["--ring", "4M", "--source", &source])
        .arg(folder);
    for option in more {
        match option.split_once('=') {
            Some((name, value)) => command.env(name, value),
            None => command.arg(option),
        };
    }
    Running::start(&mut command).finish()
}

fn has_warning(events: &[Value], text: &str) -> bool {
    let warnings = of_kind(events, "warning");
    warnings
        .iter()
        .any(|w| w["message"].as_str().unwrap().contains(text))
}

#[test]
fn block_that_a_file_refuses_begins_the_next() {
    for errno in [libc::EIO, libc::EFBIG] {
        for more in [&[][..], &["--buffered"]] {
            let dir = tempfile::tempdir().unwrap();
            let folder = dir.path().join("out");
            let (code, events, stderr) = record(&folder, errno, 3, more);
            assert_eq!(code, 0, "{stderr}");
            assert!(has_warning(&events, "nothing is lost"), "{events:#?}");
            assert_eq!(verify_all(&folder), FRAMES);
            assert_eq!(summary(&events)["frames"], FRAMES);
            assert_eq!(summary(&events)["files"], 4);
            assert_eq!(summary(&events)["stored_bytes"], stored_once(&events));
        }
    }
}

/// Bytes that the summary says are stored if no block failed: the frames, and what is between them.
fn stored_once(events: &[Value]) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("out");
    let (code, whole, stderr) = record(&folder, 0, 0, &[]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(summary(&whole)["frames"], summary(events)["frames"]);
    summary(&whole)["stored_bytes"].clone()
}

#[test]
fn write_that_fails_for_a_while_is_repeated() {
    for errno in [libc::ENOSPC, libc::EDQUOT] {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("out");
        let (code, events, stderr) = record(&folder, errno, 2, &[]);
        assert_eq!(code, 0, "{stderr}");
        assert!(has_warning(&events, "holding the ring"), "{events:#?}");
        assert_eq!(verify_all(&folder), FRAMES);
        assert_eq!(summary(&events)["files"], 1);
    }
}

/// Records while the disk refuses what cannot be stored elsewhere: the files have gaps for what they
/// lack, and for nothing else.
fn check_loss(times: u32, variable: &str) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("out");
    let (code, events, stderr) = record(&folder, libc::EIO, times, &[variable]);
    assert_eq!(code, 1, "{stderr}");
    let summary = summary(&events);
    let contents: Vec<_> = files(&folder, ".raw").iter().map(|p| read(p)).collect();
    let stored: u64 = contents.iter().map(|c| c.frames.frames).sum();
    let told: u64 = contents
        .iter()
        .map(|c| c.lost[Reason::Storage].frames)
        .sum();
    let lost = frames_of(summary, Reason::Storage);
    assert!(lost > 0);
    assert_eq!(summary["frames"], stored);
    assert_eq!(told, lost);
    assert_eq!(stored + lost, FRAMES);
    let sequence: Vec<u64> = contents.into_iter().flat_map(|c| c.sequence).collect();
    assert_eq!(holes(&sequence), lost);
}

/// The disk does not give back what is in the failed file, so the start of the record that reaches
/// into the next block is lost.
#[test]
fn unreadable_file_loses_the_frames_of_its_gap() {
    check_loss(1, "FAIL_READS=1");
}

/// The new file, too, takes only its first block.
#[test]
fn second_failure_loses_the_frames_of_its_gap() {
    check_loss(2, &format!("FAIL_AT={}", BLOCK_BYTES + 8192));
}

/// Numbers of the whole frames in a file that a killed recorder left behind.
fn frames_left(path: &Path) -> Vec<u64> {
    let mut reader = Reader::open(path).unwrap();
    let mut numbers = Vec::new();
    while let Some(event) = reader.next().unwrap() {
        if let Event::Frame(record) = event {
            numbers.push(verify(record.data).unwrap().seq);
        }
    }
    numbers
}

/// The files are so short that the recorder must end most of them itself: the producer starts at most one every
/// 100 ms. The end of such a file has several short records, which begin the next file.
#[test]
fn recorder_killed_at_any_write_stores_no_frame_twice() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path());
    let mut killed = 0;
    for call in 1..=60 {
        let folder = dir.path().join(call.to_string());
        let done = hpcapdd()
            .env("LD_PRELOAD", &library)
            .env("KILL_AT", call.to_string())
            .args(["--ring", "1M", "--rotate-size", "512K"])
            .args(["--source", "gen:size=300,count=40000"])
            .arg(&folder)
            .output()
            .unwrap();
        let mut left = files(&folder, ".raw.part");
        left.extend(files(&folder, ".raw"));
        // `file.raw.part` comes before `file~01.raw`.
        left.sort();
        let sequence: Vec<u64> = left.iter().flat_map(|path| frames_left(path)).collect();
        assert_eq!(holes(&sequence), 0, "call {call}: {done:?}");
        killed += u32::from(!done.status.success());
    }
    assert_eq!(killed, 60);
}
