//! Tests of pcapng and pcap files that the recorder writes.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use common::statistics::Statistics;
use common::{Running, events, files, frames_of, hpcapdd, of_kind, record, run, summary};
use hpcap::compress::Decompressor;
use hpcap::pcapfile::{Interface, PcapngWriter, Reader, Section, identity};
use hpcap::{Reason, Timestamp};
use hpcap_source::generator::verify;
use nix::sys::signal::Signal;
use testkit::disk::SmallDisk;
use testkit::process::write_program;
use testkit::wait::wait_until;

/// Reads the sequence numbers and the drop count of a file of generated frames, compressed or not.
fn read(path: &Path) -> (Vec<u64>, u64) {
    let (mut sequence, mut dropped) = (Vec::new(), 0);
    let source = Decompressor::new(File::open(path).unwrap()).unwrap();
    let mut reader = Reader::new(source, path.display().to_string()).unwrap();
    while let Some(frame) = reader.next().unwrap() {
        let stamp = verify(frame.data).unwrap();
        sequence.push(stamp.seq);
        dropped += frame.dropped;
    }
    (sequence, dropped)
}

/// Checks that the frames of all files below `folder` are `0..` without a hole. Returns their
/// number.
fn verify_all(folder: &Path, end: &str) -> u64 {
    let mut next = 0;
    for path in files(folder, end) {
        for seq in read(&path).0 {
            assert_eq!(seq, next, "{}", path.display());
            next += 1;
        }
    }
    next
}

/// Returns what another program prints about `path`, if that program is installed.
fn printed(program: &str, arguments: &[&str], path: &Path) -> Option<String> {
    let Ok(output) = Command::new(program).args(arguments).arg(path).output() else {
        println!("skipped: {program} (it is not there)");
        return None;
    };
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program}: {stderr}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn every_format_holds_every_frame() {
    for (format, compress, end) in [
        ("pcapng", None, ".pcapng"),
        ("pcap", None, ".pcap"),
        ("pcapng", Some("gz"), ".pcapng.gz"),
        ("pcap", Some("zst"), ".pcap.zst"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut arguments = vec!["--format", format, "--rotate-size", "256K"];
        arguments.extend(compress.iter().flat_map(|method| ["--compress", *method]));
        let events = record("gen:size=imix,count=10000", dir.path(), &arguments);
        assert_eq!(verify_all(dir.path(), end), 10_000, "{end}");
        let complete = of_kind(&events, "file_complete");
        let paths = files(dir.path(), end);
        assert!(paths.len() > 5, "{end}: {}", paths.len());
        assert_eq!(complete.len(), paths.len());
        for (event, path) in complete.iter().zip(&paths) {
            assert_eq!(event["path"], path.to_str().unwrap());
            assert_eq!(event["bytes"], path.metadata().unwrap().len());
        }
        assert_eq!(summary(&events)["frames"], 10_000);
        assert_eq!(summary(&events)["files"], paths.len());
        assert!(files(dir.path(), ".part").is_empty());
    }
}

/// A record has 16 bits for the length and 32 for the seconds; a capture file has more.
#[test]
fn altered_frames_have_comments() {
    let dir = tempfile::tempdir().unwrap();
    let capture = dir.path().join("in.pcapng");
    let mut writer = PcapngWriter::new(File::create(&capture).unwrap(), &Section::here("test"));
    let id = writer.interface(&Interface::default()).unwrap();
    let late = Timestamp::from_ns((1 << 33) * 1_000_000_000 + 7);
    for (time, len) in [
        (Timestamp::new(5, 0), 70_000),
        (Timestamp::new(6, 0), 60),
        (late, 60),
    ] {
        let data = vec![7; usize::try_from(len).unwrap()];
        writer.frame(id, time, len, &data).unwrap();
    }
    writer.flush().unwrap();
    let source = format!("pcap:{}", capture.display());
    let file = dir.path().join("out.pcapng");
    record(&source, &file, &[]);
    let piped = hpcapdd().args(["-q", "--source", &source, "-"]).output();
    for bytes in [fs::read(&file).unwrap(), piped.unwrap().stdout] {
        let mut reader = Reader::new(&bytes[..], "out").unwrap();
        let mut found = Vec::new();
        while let Some(frame) = reader.next().unwrap() {
            let comment = frame.comment.unwrap_or_default().to_owned();
            found.push((frame.len, frame.data.len(), comment));
        }
        let expected = [
            (70_000, 65_535, "frame of 70000 bytes, cut to 65535"),
            (60, 60, ""),
            (
                60,
                60,
                "its time, 8589934592.000000007 s since 1970, was adjusted",
            ),
        ];
        assert_eq!(
            found,
            expected.map(|(len, kept, text)| (len, kept, text.to_owned()))
        );
    }
}

#[test]
fn other_tools_read_the_files() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["x.pcapng", "x.pcap"] {
        let path = dir.path().join(name);
        record("gen:size=imix,count=1000", &path, &["--filter", "udp"]);
        if let Some(text) = printed("capinfos", &["-M", "-c"], &path) {
            assert!(text.contains("1000"), "{text}");
        }
        for (program, arguments) in [("tcpdump", &["-nn", "-r"][..]), ("tshark", &["-n", "-r"])] {
            if let Some(text) = printed(program, arguments, &path) {
                assert_eq!(text.lines().count(), 1000, "{program}");
            }
        }
    }
}

#[test]
fn gap_between_files_is_in_the_next() {
    let dir = tempfile::tempdir().unwrap();
    // The ring is far too small for the rate, so frames are lost all the time.
    let source = "gen:size=1500,rate=4G,count=60000";
    let arguments = [
        "--format",
        "pcapng",
        "--rotate-size",
        "64K",
        "--ring",
        "512K",
    ];
    let events = record(source, dir.path(), &arguments);
    let mut previous = None;
    let (mut told, mut holes) = (0, 0);
    for path in files(dir.path(), ".pcapng") {
        let (sequence, dropped) = read(&path);
        told += dropped;
        for seq in sequence {
            // The first frame of a file also tells what was lost before it.
            holes += seq - previous.map_or(0, |p: u64| p + 1);
            previous = Some(seq);
        }
    }
    let summary = summary(&events);
    let no_listener = frames_of(summary, Reason::NoListener);
    assert_eq!(told + no_listener, holes);
}

#[test]
fn statistics_of_all_files_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["--format", "pcapng", "--rotate-size", "64K"];
    record("gen:size=300,count=5000", dir.path(), &arguments);
    let all: Vec<_> = files(dir.path(), ".pcapng")
        .iter()
        .flat_map(|path| Statistics::of(path))
        .collect();
    assert!(all.len() > 5);
    let sum = |of: fn(&Statistics) -> u64| all.iter().map(of).sum::<u64>();
    assert_eq!(sum(|s| s.received), 5000);
    assert_eq!(sum(|s| s.delivered), 5000);
}

#[test]
fn files_carry_the_identity_of_their_recording() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = [
        "--format",
        "pcapng",
        "--rotate-size",
        "64K",
        "--compress",
        "zst",
    ];
    record("gen:size=300,count=2000", dir.path(), &arguments);
    let paths = files(dir.path(), ".zst");
    let identities: Vec<_> = paths
        .iter()
        .map(|path| identity::read(File::open(path).unwrap()).unwrap().unwrap())
        .collect();
    assert!(identities.len() > 3);
    for (number, identity) in identities.iter().enumerate() {
        assert_eq!(identity.file_number, number as u64);
        assert_eq!(identity.recording, identities[0].recording);
        assert_eq!(identity.origin.interface, "gen");
        assert!(!identity.origin.host.is_empty());
    }
}

#[test]
fn one_file_has_the_requested_path() {
    for name in ["x.pcapng", "x.pcap", "x.pcap.gz", "x.pcapng.zst"] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        record("gen:size=60,count=100", &path, &[]);
        assert_eq!(read(&path).0, (0..100).collect::<Vec<_>>(), "{name}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "{name}");
        // A second recording does not overwrite the file.
        let before = fs::read(&path).unwrap();
        let output = run(&["--source", "gen:count=1", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[test]
fn one_raw_file_has_the_requested_path() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.raw");
    record("gen:size=60,count=100", &path, &[]);
    assert_eq!(common::read_sound(&path).frames.frames, 100);
}

#[test]
fn period_without_frames_has_a_valid_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = Running::source(
        "gen:size=60,rate=1pps,late=delay,start=0",
        dir.path(),
        &["--format", "pcapng", "--rotate-time", "200ms", "--aligned"],
    );
    let empty = recorder.wait_until(|e| e["event"] == "file_complete" && e["frames"] == 0);
    recorder.signal(Signal::SIGINT);
    assert_eq!(recorder.finish().0, 0);
    let path = empty["path"].as_str().unwrap();
    assert_eq!(read(Path::new(path)), (vec![], 0));
    if let Some(text) = printed("capinfos", &["-M", "-c"], Path::new(path)) {
        assert!(text.contains("Number of packets:   0"), "{text}");
    }
}

#[test]
fn idle_link_is_on_disk_soon() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = Running::source(
        "gen:size=60,rate=20pps,late=delay",
        dir.path(),
        &["--format", "pcapng"],
    );
    for wanted in [1, 10, 20] {
        wait_until("frames in the file under way", || {
            let parts = files(dir.path(), ".part");
            parts
                .first()
                .is_some_and(|path| frames_so_far(path) >= wanted)
        });
    }
    recorder.signal(Signal::SIGINT);
    assert_eq!(recorder.finish().0, 0);
}

/// Counts the frames of a file that is being written.
fn frames_so_far(path: &Path) -> u64 {
    let mut frames = 0;
    if let Ok(mut reader) = Reader::open(path) {
        while let Ok(Some(_)) = reader.next() {
            frames += 1;
        }
    }
    frames
}

#[test]
fn file_that_vanishes_is_followed_by_another() {
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = Running::source(
        "gen:size=300,rate=2000pps,late=delay",
        dir.path(),
        &["--format", "pcapng"],
    );
    let parts = || files(dir.path(), ".part");
    wait_until("frames on the disk", || {
        parts()
            .first()
            .is_some_and(|path| frames_so_far(path) > 100)
    });
    fs::remove_dir_all(parts()[0].parent().unwrap()).unwrap();
    recorder.wait_until(|e| {
        let message = e["message"].as_str().unwrap_or_default();
        message.contains("not there any more")
    });
    wait_until("a new file with frames", || {
        parts()
            .first()
            .is_some_and(|path| frames_so_far(path) > 100)
    });
    recorder.signal(Signal::SIGINT);
    let (code, events, _) = recorder.finish();
    assert_eq!(code, 1);
    let kept: u64 = files(dir.path(), ".pcapng")
        .iter()
        .map(|path| read(path).0.len() as u64)
        .sum();
    let summary = summary(&events);
    assert_eq!(summary["frames"], kept);
    assert!(frames_of(summary, Reason::Storage) > 100);
}

/// Returns the number at the end of `text`.
fn number_at_end(text: &str) -> usize {
    let start = text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    text[start..].parse().unwrap()
}

#[test]
fn command_runs_for_each_finished_file() {
    let dir = tempfile::tempdir().unwrap();
    let (data, list) = (dir.path().join("data"), dir.path().join("list"));
    let script = dir.path().join("script");
    let text = format!("#!/bin/sh\necho \"$1\" >> {}\nexit 3\n", list.display());
    write_program(&script, text);
    let arguments = [
        "--format",
        "pcap",
        "--rotate-size",
        "64K",
        "--on-complete",
        script.to_str().unwrap(),
    ];
    let events = record("gen:size=300,count=2000", &data, &arguments);
    let list = fs::read_to_string(list).unwrap();
    let mut ran: Vec<&str> = list.lines().collect();
    ran.sort_unstable();
    let mut paths = files(&data, ".pcap");
    paths.sort();
    assert!(paths.len() > 3);
    assert_eq!(
        ran,
        paths
            .iter()
            .map(|p| p.to_str().unwrap())
            .collect::<Vec<_>>()
    );
    // The first warnings come one by one, the rest as a number.
    let failed = of_kind(&events, "warning");
    let failed: usize = failed
        .iter()
        .filter_map(|e| e["message"].as_str())
        .filter(|message| message.contains("--on-complete failed"))
        .map(|message| match message.split_once(" more of this kind") {
            Some((before, _)) => 1 + number_at_end(before),
            None => 1,
        })
        .sum();
    assert_eq!(failed, paths.len());
}

#[test]
fn limit_of_file_length_starts_another_file() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = hpcapdd();
    let output = Command::new("sh")
        .args(["-c", "ulimit -f 4096; exec \"$@\"", "sh"])
        .arg(recorder.get_program())
        .args(["--json", "--source", "gen:size=1500,count=6000"])
        .arg(dir.path())
        .args(["--format", "pcapng", "--ring", "1M"])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
    assert_eq!(summary(&events(&output.stdout))["frames"], 6000);
    assert!(files(dir.path(), ".pcapng").len() > 1);
    assert_eq!(verify_all(dir.path(), ".pcapng"), 6000);
}

fn is_warning(event: &serde_json::Value, text: &str) -> bool {
    let message = event["message"].as_str().unwrap_or_default();
    event["event"] == "warning" && message.contains(text)
}

#[test]
fn full_disk_is_waited_for() {
    for format in ["pcapng", "pcap"] {
        let Some(disk) = SmallDisk::new("6M") else {
            return;
        };
        let arguments = ["--ring", "4M", "--format", format];
        let source = "gen:size=1514,count=12000";
        let mut recorder = Running::source(source, disk.path(), &arguments);
        recorder.wait_until(|e| is_warning(e, "holding the ring"));
        disk.resize("100M");
        let (code, events, stderr) = recorder.finish();
        assert_eq!(code, 0, "{stderr}\n{events:#?}");
        assert_eq!(verify_all(disk.path(), format), 12_000);
        assert!(events.iter().any(|e| is_warning(e, "works again")));
    }
}

#[test]
fn stop_on_a_full_disk_leaves_a_file_with_its_end() {
    let Some(disk) = SmallDisk::new("6M") else {
        return;
    };
    let arguments = ["--ring", "4M", "--format", "pcapng"];
    let mut recorder = Running::source("gen:size=1514,count=12000", disk.path(), &arguments);
    recorder.wait_until(|e| is_warning(e, "holding the ring"));
    recorder.signal(Signal::SIGTERM);
    let (code, events, _) = recorder.finish();
    assert_eq!(code, 1);
    let paths = files(disk.path(), ".pcapng");
    assert_eq!(
        verify_all(disk.path(), ".pcapng"),
        summary(&events)["frames"]
    );
    let statistics = &Statistics::of(&paths[0])[0];
    let storage = frames_of(summary(&events), Reason::Storage);
    assert!(storage > 0);
    // The source may have lost a part of a batch when it was stopped.
    let ring_full = frames_of(summary(&events), Reason::RingFull);
    assert_eq!(statistics.os_dropped, storage + ring_full);
    assert_eq!(statistics.delivered, summary(&events)["frames"]);
}

#[test]
fn slow_finishing_is_announced() {
    let dir = tempfile::tempdir().unwrap();
    // Compressing such a small file, with its fsync and two folders, takes longer than writing it.
    let more = [
        "--format",
        "pcapng",
        "--rotate-size",
        "4K",
        "--compress",
        "gz",
    ];
    let events = record("gen:size=1500,count=3000", dir.path(), &more);
    let behind = of_kind(&events, "finishing_behind");
    let caught_up = of_kind(&events, "finishing_caught_up");
    assert!(!behind.is_empty());
    assert_eq!(behind.len(), caught_up.len());
    assert_eq!(behind[0]["files"], 16);
    assert!(caught_up[0]["pauses"].as_u64().unwrap() > 0);
    assert_eq!(verify_all(dir.path(), ".gz"), 3000);
}
