//! Tests of the recorder with an engine of its own: the files hold every captured frame.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::os::unix::fs::MetadataExt;

use common::{
    Running, files, frames_of, holes, hpcapdd, lost_before_us, of_kind, read, read_sound, record,
    run, summary, told_before_us, verify_all,
};
use hpcap::Reason;
use hpcap::raw::{Event, split_record};
use hpcap_source::generator::verify;
use nix::sys::signal::Signal;
use testkit::wait::wait_until;

#[test]
fn file_holds_every_frame_of_the_source() {
    let dir = tempfile::tempdir().unwrap();
    for (size, ring) in [("60", "1M"), ("imix", "16M"), ("60-9000", "640K")] {
        let folder = dir.path().join(size);
        let source = format!("gen:size={size},count=30000");
        let events = record(&source, &folder, &["--ring", ring]);
        assert_eq!(verify_all(&folder), 30_000, "{size}");
        let summary = summary(&events);
        assert_eq!(summary["ended_by"], "source ended");
        assert_eq!(summary["frames"], 30_000);
        assert_eq!(frames_of(summary, Reason::Captured), 30_000);
        let complete = of_kind(&events, "file_complete");
        assert_eq!(complete.len(), 1);
        assert_eq!(complete[0]["frames"], 30_000);
        let content = read_sound(&files(&folder, ".raw")[0]);
        assert_eq!(content.headers, 1);
        assert_eq!(
            content.frames.bytes,
            summary["frame_bytes"].as_u64().unwrap()
        );
        assert_eq!(content.ledger.unwrap()[Reason::Captured], content.frames);
        assert!(files(&folder, ".part").is_empty());
    }
}

#[test]
fn unused_reservation_is_returned() {
    let dir = tempfile::tempdir().unwrap();
    record("gen:size=60,count=1000", dir.path(), &[]);
    let path = &files(dir.path(), ".raw")[0];
    let meta = path.metadata().unwrap();
    assert_eq!(meta.len(), 4 << 20);
    assert!(meta.blocks() * 512 < 1 << 20, "{} blocks", meta.blocks());
}

#[test]
fn rotated_files_lose_no_frame() {
    let dir = tempfile::tempdir().unwrap();
    // Blocks have 128 KiB. A producer starts at most ten files per second on request.
    let recorder = Running::source(
        "gen:size=imix,rate=5000pps,late=delay,count=6000",
        dir.path(),
        &["--ring", "512K", "--rotate-size", "256K"],
    );
    let (code, events, stderr) = recorder.finish();
    assert_eq!(code, 0, "{stderr}");
    let complete = of_kind(&events, "file_complete");
    let paths = files(dir.path(), ".raw");
    assert!(paths.len() >= 5, "{}", paths.len());
    assert_eq!(complete.len(), paths.len());
    let missed = frames_of(summary(&events), Reason::NoListener);
    let mut contents = Vec::new();
    for (path, event) in paths.iter().zip(complete) {
        let content = read_sound(path);
        assert_eq!(event["frames"], content.frames.frames);
        assert!(content.bytes <= 512 << 10, "{}", content.bytes);
        assert_eq!(content.headers, 1);
        contents.push(content);
    }
    let sequence: Vec<u64> = contents.iter().flat_map(|c| c.sequence.clone()).collect();
    let lost = lost_before_us(summary(&events));
    assert_eq!(holes(&sequence), told_before_us(&contents));
    assert_eq!(sequence.len() as u64 + missed + lost, 6000);
    assert_eq!(summary(&events)["files"], paths.len());
    assert_eq!(summary(&events)["frames"], sequence.len());
}

#[test]
fn sigint_stores_all_captured_frames() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let dir = tempfile::tempdir().unwrap();
        let recorder = Running::source("gen:size=imix,rate=30000pps,late=delay", dir.path(), &[]);
        wait_until("a file of some length", || {
            files(dir.path(), ".part")
                .first()
                .is_some_and(|p| p.metadata().unwrap().len() > 1 << 20)
        });
        recorder.signal(signal);
        let (code, events, stderr) = recorder.finish();
        assert_eq!(code, 0, "{stderr}");
        let summary = summary(&events);
        assert_eq!(summary["ended_by"], "signal");
        let captured = frames_of(summary, Reason::Captured);
        let content = read_sound(&files(dir.path(), ".raw")[0]);
        assert_eq!(content.frames.frames, captured);
        assert_eq!(summary["frames"], captured);
        assert_eq!(content.last_event, "padding");
        assert_eq!(holes(&content.sequence), told_before_us(&[content]));
    }
}

#[test]
fn idle_link_is_on_disk_within_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = Running::source("gen:size=60,rate=50pps,late=delay", dir.path(), &[]);
    let part = || files(dir.path(), ".part").first().cloned();
    // The file grows by far less than a block at a time.
    for frames in [1, 20, 40] {
        wait_until("frames in the file under way", || {
            part().is_some_and(|path| read(&path).frames.frames >= frames)
        });
    }
    let length = part().unwrap().metadata().unwrap().len();
    assert!(length < 1 << 20, "{length}");
    recorder.signal(Signal::SIGINT);
    let (code, events, _) = recorder.finish();
    assert_eq!(code, 0);
    // Parts of a block that were written twice are in the file only once.
    let content = read_sound(&files(dir.path(), ".raw")[0]);
    assert_eq!(
        content.frames.frames,
        frames_of(summary(&events), Reason::Captured)
    );
    assert_eq!(holes(&content.sequence), told_before_us(&[content]));
}

#[test]
fn sighup_starts_a_file_without_traffic() {
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = Running::source(
        "gen:size=60,rate=500pps,late=delay,count=700",
        dir.path(),
        &[],
    );
    wait_until("a file", || {
        files(dir.path(), ".part")
            .first()
            .is_some_and(|path| read(path).frames.frames > 100)
    });
    recorder.signal(Signal::SIGHUP);
    let complete = recorder.wait_for("file_complete");
    assert!(complete["frames"].as_u64().unwrap() > 100);
    let (code, events, stderr) = recorder.finish();
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(summary(&events)["files"], 2);
    let paths = files(dir.path(), ".raw");
    let contents: Vec<_> = paths.iter().map(|path| read_sound(path)).collect();
    let sequence: Vec<u64> = contents.iter().flat_map(|c| c.sequence.clone()).collect();
    assert_eq!(*sequence.last().unwrap(), 699);
    assert_eq!(holes(&sequence), told_before_us(&contents));
}

#[test]
fn limits_end_the_recording() {
    let dir = tempfile::tempdir().unwrap();
    let folder = |name: &str| dir.path().join(name);
    let of = |name: &str, more: &[&str]| {
        let events = record("gen:size=60", &folder(name), more);
        (
            summary(&events)["ended_by"].as_str().unwrap().to_owned(),
            verify_all(&folder(name)),
        )
    };
    assert_eq!(
        of("frames", &["--frames", "12345"]),
        ("frames".into(), 12_345)
    );
    let (by, frames) = of("bytes", &["--bytes", "1M"]);
    assert_eq!(by, "bytes");
    // Each record has 72 bytes, and the file has a header.
    assert!((14_500..=14_563).contains(&frames), "{frames}");
    let (by, frames) = of(
        "files",
        &["--ring", "1M", "--rotate-size", "512K", "--files", "3"],
    );
    assert_eq!(
        (by.as_str(), files(&folder("files"), ".raw").len()),
        ("files", 3)
    );
    assert!(frames > 10_000, "{frames}");
    let (by, frames) = of("duration", &["--duration", "50ms", "--ring", "1M"]);
    assert_eq!(by, "duration");
    assert!(frames > 0);
}

#[test]
fn filter_with_caplen_selects_frames() {
    let dir = tempfile::tempdir().unwrap();
    // With a frame limit, the recorder records frame by frame, over several files.
    let events = record(
        "gen:size=imix,count=50000",
        dir.path(),
        &["--frames", "40000", "--rotate-size", "2M", "--ring", "4M"],
    );
    assert_eq!(verify_all(dir.path()), 40_000);
    assert!(files(dir.path(), ".raw").len() > 3);
    assert_eq!(of_kind(&events, "start")[0]["mode"], "records");
    assert_eq!(summary(&events)["frames"], 40_000);
}

#[test]
fn null_destination_counts_frames() {
    for more in [&[][..], &["--frames", "5000"], &["--filter", "ip"]] {
        let mut arguments = vec!["--json", "--source", "gen:size=60,count=20000", "null"];
        arguments.extend(more);
        let output = run(&arguments);
        assert!(output.status.success());
        let events = common::events(&output.stdout);
        let wanted = if more.contains(&"--frames") {
            5000
        } else {
            20_000
        };
        assert_eq!(summary(&events)["frames"], wanted, "{more:?}");
    }
}

#[test]
fn plain_files_have_no_tags() {
    let dir = tempfile::tempdir().unwrap();
    for more in [&["--plain"][..], &["--plain", "--frames", "900"]] {
        let folder = dir.path().join(more.len().to_string());
        record("gen:size=60,count=1000", &folder, more);
        let content = read_sound(&files(&folder, ".raw")[0]);
        assert_eq!((content.headers, content.ledger), (0, None), "{more:?}");
        assert_eq!(
            content.frames.frames,
            if more.len() == 1 { 1000 } else { 900 }
        );
    }
}

#[test]
fn pipe_carries_pcapng() {
    let mut recorder = hpcapdd()
        .args([
            "--source",
            "gen:size=60,rate=200pps,late=delay",
            "-",
            "--json",
        ])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pipe = recorder.stdout.take().unwrap();
    let mut reader = hpcap::pcapfile::Reader::new(pipe, "the pipe").unwrap();
    // Frames arrive while the capture runs, long before a buffer is full.
    let mut next = None;
    for _ in 0..50 {
        let frame = reader.next().unwrap().unwrap();
        let seq = hpcap_source::generator::verify(frame.data).unwrap().seq;
        assert!(next.is_none_or(|next| next == seq));
        next = Some(seq + 1);
    }
    // After the reader has gone, the recorder ends quietly, with the summary.
    drop(reader);
    let output = recorder.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("\"ended_by\":\"reader gone\""), "{stderr}");
}

#[test]
fn deleted_file_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = Running::source(
        "gen:size=1000,count=4000",
        dir.path(),
        &[
            "--ring",
            "512K",
            "--rotate-size",
            "128K",
            "--keep-size",
            "2M",
        ],
    );
    let (code, events, stderr) = recorder.finish();
    assert_eq!(code, 0, "{stderr}");
    let deleted = of_kind(&events, "file_deleted");
    assert!(!deleted.is_empty());
    assert!(deleted.iter().all(|e| e["because_of"] == "keep-size"));
    let left = files(dir.path(), ".raw");
    let total: u64 = left.iter().map(|p| p.metadata().unwrap().len()).sum();
    assert!(total <= 2 << 20, "{total}");
    assert_eq!(
        left.len() + deleted.len(),
        of_kind(&events, "file_complete").len()
    );
    assert_eq!(files(dir.path(), ".idx").len(), left.len());
    // The newest files are left.
    let last = read_sound(left.last().unwrap()).sequence;
    assert_eq!(*last.last().unwrap(), 3999);
}

/// Reads every frame of a file that was left under way, up to where the file is cut.
fn frames_left(path: &std::path::Path) -> Vec<u64> {
    let bytes = std::fs::read(path).unwrap();
    let mut rest = bytes.as_slice();
    let mut sequence = Vec::new();
    while let Some((event, after)) = split_record(rest) {
        if let Event::Frame(record) = event {
            sequence.push(verify(record.data).expect("a frame as it was sent").seq);
        }
        rest = after;
    }
    // Only a record that reaches behind the end is left.
    assert!(rest.len() <= 12 + 65_535, "{} bytes", rest.len());
    sequence
}

#[test]
fn killed_recorder_leaves_a_readable_part() {
    for round in 0..12_u64 {
        let dir = tempfile::tempdir().unwrap();
        let more: &[&str] = if round % 3 == 2 {
            &["--frames", "100000000"]
        } else {
            &[]
        };
        let mut recorder =
            Running::source("gen:size=imix,rate=40000pps,late=delay", dir.path(), more);
        let bytes = 1 + round * 150_000;
        wait_until("a file of some length", || {
            let path = files(dir.path(), ".part").first().cloned();
            path.is_some_and(|p| p.metadata().is_ok_and(|m| m.len() >= bytes))
        });
        recorder.signal(Signal::SIGKILL);
        recorder.wait_for_end();
        let sequence = frames_left(&files(dir.path(), ".part")[0]);
        assert!(!sequence.is_empty());
        assert!(sequence.windows(2).all(|w| w[0] < w[1]));
        assert!(files(dir.path(), ".raw").is_empty());
    }
}

#[test]
fn caplen_of_zero_keeps_whole_frames() {
    let dir = tempfile::tempdir().unwrap();
    record("gen:size=1400,count=10", dir.path(), &["--caplen", "0"]);
    // This would fail for a frame that was cut.
    assert_eq!(verify_all(dir.path()), 10);
}
