//! Tests of full disks, files that take no more bytes, and destinations that cannot be written to.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::os::unix::process::CommandExt;
use std::path::Path;

use common::{
    Running, files, frames_of, holes, hpcapdd, lost_before_us, of_kind, read, read_sound, run,
    summary, told_before_us, verify_all,
};
use hpcap::Reason;
use nix::sys::signal::Signal;
use serde_json::Value;
use testkit::disk::SmallDisk;
use testkit::wait::wait_until;

fn is_warning(text: &'static str) -> impl Fn(&Value) -> bool {
    move |e| e["event"] == "warning" && e["message"].as_str().unwrap().contains(text)
}

#[test]
fn full_disk_holds_the_ring() {
    for more in [
        &["--ring", "4M"][..],
        &["--ring", "4M", "--frames", "1000000"],
    ] {
        let Some(disk) = SmallDisk::new("6M") else {
            return;
        };
        // The generator waits for the ring, so no frame need be lost.
        let mut recorder = Running::source("gen:size=1514,count=12000", disk.path(), more);
        let warning = recorder.wait_until(is_warning("holding the ring"));
        assert!(
            warning["message"]
                .as_str()
                .unwrap()
                .contains("No space left"),
            "{warning}"
        );
        disk.resize("100M");
        let (code, events, stderr) = recorder.finish();
        assert_eq!(code, 0, "{stderr}\n{events:#?}");
        assert_eq!(verify_all(disk.path()), 12_000);
        let warnings = of_kind(&events, "warning");
        let said = |text| warnings.iter().filter(|w| is_warning(text)(w)).count();
        assert_eq!(
            (said("holding the ring"), said("works again")),
            (1, 1),
            "{warnings:#?}"
        );
        assert!(summary(&events)["ledger"]["storage"].is_null());
    }
}

#[test]
fn full_ring_leaves_a_gap_in_the_file() {
    let Some(disk) = SmallDisk::new("3M") else {
        return;
    };
    let source = "gen:size=1514,rate=4000pps,late=delay";
    let mut recorder = Running::source(source, disk.path(), &["--ring", "1M"]);
    recorder.wait_until(is_warning("holding the ring"));
    recorder.wait_until(|e| {
        e["event"] == "progress" && e["ledger"]["ring_full"]["frames"].as_u64().unwrap() > 100
    });
    disk.resize("100M");
    recorder.wait_until(is_warning("works again"));
    recorder.wait_for("progress");
    recorder.signal(Signal::SIGINT);
    let (code, events, stderr) = recorder.finish();
    assert_eq!(code, 0, "{stderr}");
    let content = read_sound(&files(disk.path(), ".raw")[0]);
    let summary = summary(&events);
    let lost = lost_before_us(summary);
    assert!(lost > 100);
    assert_eq!(content.frames.frames, frames_of(summary, Reason::Captured));
    let holes = holes(&content.sequence);
    let told = told_before_us(&[content]);
    assert_eq!(holes, told);
    assert!(told > 100 && told <= lost, "{told} of {lost}");
}

#[test]
fn stop_on_a_full_disk_counts_missing_frames() {
    let Some(disk) = SmallDisk::new("6M") else {
        return;
    };
    for more in [
        &["--ring", "4M"][..],
        &["--ring", "4M", "--frames", "1000000"],
    ] {
        let mut recorder = Running::source("gen:size=1514,count=12000", disk.path(), more);
        recorder.wait_until(is_warning("holding the ring"));
        recorder.signal(Signal::SIGTERM);
        let (code, events, stderr) = recorder.finish();
        assert_eq!(code, 1, "{stderr}");
        assert!(stderr.contains("giving up"), "{stderr}");
        let summary = summary(&events);
        let [path] = files(disk.path(), ".raw").try_into().unwrap();
        let content = read(&path);
        let stored = content.frames.frames;
        assert!(stored > 1000, "{stored}");
        assert_eq!(summary["frames"], stored);
        assert_eq!(content.sequence, (0..stored).collect::<Vec<_>>());
        let lost = frames_of(summary, Reason::Storage);
        let captured = frames_of(summary, Reason::Captured);
        assert_eq!(stored + lost, captured, "{summary:#?}");
        // The file itself tells the loss, although the disk takes nothing more.
        assert_eq!(content.lost[Reason::Storage].frames, lost, "{more:?}");
        assert_eq!(content.ledger.unwrap()[Reason::Captured].frames, captured);
        for file in files(disk.path(), "") {
            std::fs::remove_file(file).unwrap();
        }
    }
}

#[test]
fn full_disk_leaves_no_empty_file() {
    let Some(disk) = SmallDisk::new("64k") else {
        return;
    };
    // This fails when the disk is full.
    let _ = std::fs::write(disk.path().join("fill"), vec![1; 64 << 10]);
    for more in [
        &[][..],
        &["--plain"],
        &["--frames", "1000000"],
        &["--format", "pcapng"],
        &["--format", "pcap"],
    ] {
        let more = [more, &["--ring", "1M"]].concat();
        let mut recorder = Running::source("gen:rate=1000pps", disk.path(), &more);
        recorder.wait_until(is_warning("holding the ring"));
        recorder.signal(Signal::SIGTERM);
        let (code, events, stderr) = recorder.finish();
        assert_eq!(code, 1, "{stderr}");
        assert!(of_kind(&events, "file_complete").is_empty(), "{events:#?}");
        let summary = summary(&events);
        assert_eq!(summary["files"], 0, "{summary:#}");
        assert_eq!(summary["frames"], 0, "{summary:#}");
        let lost = frames_of(summary, Reason::Storage);
        assert_eq!(lost, frames_of(summary, Reason::Captured), "{more:?}");
        assert!(files(disk.path(), ".raw").is_empty());
        assert!(files(disk.path(), ".part").is_empty(), "{more:?}");
    }
}

/// Records 16,000 frames into `folder`, in files of at most `file_bytes` bytes (`ulimit -f`).
fn record_under_ulimit(folder: &Path, file_bytes: u64, more: &[&str]) -> (i32, Vec<Value>, String) {
    let source = "gen:size=1514,rate=16000pps,late=delay,count=16000";
    let mut command = hpcapdd();
    command
        .args(["--ring", "4M", "--source", source])
        .arg(folder)
        .args(more);
    let limit = move || {
        nix::sys::resource::setrlimit(
            nix::sys::resource::Resource::RLIMIT_FSIZE,
            file_bytes,
            file_bytes,
        )
        .map_err(std::io::Error::from)
    };
    // SAFETY: setrlimit is async-signal-safe and changes nothing in this process.
    unsafe { command.pre_exec(limit) };
    Running::start(&mut command).finish()
}

#[test]
fn file_at_its_length_limit_is_followed_by_another() {
    const LIMIT: u64 = 9 << 19;
    for more in [&[][..], &["--frames", "1000000"]] {
        let dir = tempfile::tempdir().unwrap();
        let (code, events, stderr) = record_under_ulimit(dir.path(), LIMIT, more);
        assert_eq!(code, 0, "{stderr}");
        let summary = summary(&events);
        let contents: Vec<_> = files(dir.path(), ".raw").iter().map(|p| read(p)).collect();
        assert!(contents.len() >= 3, "{}", contents.len());
        assert!(contents.iter().all(|c| c.bytes <= LIMIT));
        let stored: u64 = contents.iter().map(|c| c.frames.frames).sum();
        assert_eq!(summary["frames"], stored);
        assert_eq!(stored, frames_of(summary, Reason::Captured), "{summary:#?}");
    }
}

#[test]
fn two_recorders_share_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let recorders: Vec<_> = (0..3)
        .map(|_| Running::source("gen:size=60,count=5000", dir.path(), &[]))
        .collect();
    for recorder in recorders {
        let (code, _, stderr) = recorder.finish();
        assert_eq!(code, 0, "{stderr}");
    }
    let paths = files(dir.path(), ".raw");
    assert_eq!(paths.len(), 3);
    for path in paths {
        assert_eq!(read_sound(&path).sequence, (0..5000).collect::<Vec<_>>());
    }
}

#[test]
fn unwritable_destination_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let below = dir.path().join("no/such");
    for (place, text, code) in [
        (file.as_path(), "it is a file", 2),
        (below.as_path(), "parent folder does not exist", 1),
        (Path::new("/proc/hpcap"), "cannot record into", 1),
    ] {
        let output = run(&["--source", "gen:count=1", place.to_str().unwrap()]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(
            stderr.starts_with("hpcapdd: ") && stderr.contains(text),
            "{stderr}"
        );
        assert!(output.stdout.is_empty());
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"x");
}

#[test]
fn renamed_folder_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("new");
    let recorder = Running::source("gen:size=60,rate=1000pps,late=delay", &folder, &[]);
    let under_way = || folder.exists() && !files(&folder, ".part").is_empty();
    wait_until("a file", under_way);
    std::fs::rename(&folder, dir.path().join("moved")).unwrap();
    recorder.signal(Signal::SIGHUP);
    wait_until("a new file", under_way);
    recorder.signal(Signal::SIGINT);
    let (_, events, _) = recorder.finish();
    // The moved file cannot get its final name; a warning says so, and the file is kept.
    assert!(
        of_kind(&events, "warning")
            .iter()
            .any(|w| is_warning("it is whole, wherever it is")(w))
    );
    assert_eq!(files(&dir.path().join("moved"), ".part").len(), 1);
    assert_eq!(files(&folder, ".raw").len(), 1);
}
