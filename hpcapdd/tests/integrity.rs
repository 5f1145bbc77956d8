//! Tests of what the original lost or damaged and this recorder must not, with one test for each
//! item.

mod common;

use common::daemon::{Daemon, config};
use common::{Running, files, frames_of, holes, read_sound, summary, told_before_us, verify_all};
use hpcap::Reason;
use nix::sys::signal::Signal;
use testkit::wait::wait_until;

/// The original dropped up to a block at the end, cut the last frame, and wrote no padding.
#[test]
fn integrity_04_tail_lost_at_stop() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = Running::source("gen:size=imix,rate=20000pps,late=delay", dir.path(), &[]);
    wait_until("less than a block", || {
        !files(dir.path(), ".part").is_empty()
    });
    recorder.signal(Signal::SIGINT);
    let (code, events, _) = recorder.finish();
    assert_eq!(code, 0);
    let content = read_sound(&files(dir.path(), ".raw")[0]);
    assert_eq!(
        content.frames.frames,
        frames_of(summary(&events), Reason::Captured)
    );
    assert!(
        content.frames.bytes < 4 << 20,
        "it was about a part of a block"
    );
    assert_eq!(content.last_event, "padding");
    assert!(content.bytes.is_multiple_of(4 << 20));
}

/// The original named files after the second, and truncated a file that existed already.
#[test]
fn integrity_05_files_of_one_second_overwrite_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let recorders: Vec<_> = (0..2)
        .map(|_| {
            let more = ["--ring", "512K", "--rotate-size", "128K"];
            Running::source(
                "gen:size=500,rate=10000pps,late=delay,count=8000",
                dir.path(),
                &more,
            )
        })
        .collect();
    let mut frames = 0;
    let mut count = 0;
    for recorder in recorders {
        let (code, events, stderr) = recorder.finish();
        assert_eq!(code, 0, "{stderr}");
        frames += summary(&events)["frames"].as_u64().unwrap();
        count += summary(&events)["files"].as_u64().unwrap();
    }
    let paths = files(dir.path(), ".raw");
    assert_eq!(paths.len() as u64, count);
    let in_files: u64 = paths
        .iter()
        .map(|path| read_sound(path).frames.frames)
        .sum();
    assert_eq!(in_files, frames);
    // If no second had several files, the test would prove nothing.
    let seconds: std::collections::BTreeSet<_> = paths
        .iter()
        .filter_map(|p| hpcap::raw::name::FileName::parse(p.file_name()?.to_str()?))
        .map(|n| n.start_sec)
        .collect();
    assert!(seconds.len() < paths.len(), "{paths:?}");
}

/// After a short write, the original went on at the wrong place of the file, or tried again
/// forever. Here a small file system cuts the writes short.
#[test]
fn integrity_06_short_writes_misalign_the_file() {
    if !testkit::is_root_or_skips("short writes on a tmpfs") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mount = |arguments: &[&str]| {
        let mut command = std::process::Command::new("mount");
        command
            .args(arguments)
            .arg(dir.path())
            .status()
            .is_ok_and(|s| s.success())
    };
    if !mount(&["-t", "tmpfs", "-o", "size=1300K", "tmpfs"]) {
        println!("skipped: short writes (cannot mount a tmpfs)");
        return;
    }
    // Blocks have 1 MiB, so the second block is written in part.
    let mut recorder = Running::source("gen:size=1514,count=5000", dir.path(), &["--ring", "4M"]);
    for size in ["size=2345K", "size=3456K", "size=64M"] {
        recorder
            .wait_until(|e| e["event"] == "warning" && e.to_string().contains("holding the ring"));
        assert!(mount(&["-o", &format!("remount,{size}")]));
        recorder.wait_until(|e| e["event"] == "warning" && e.to_string().contains("works again"));
    }
    let (code, _, stderr) = recorder.finish();
    let frames = verify_all(dir.path());
    let unmounted = std::process::Command::new("umount")
        .arg(dir.path())
        .status();
    assert!(unmounted.unwrap().success());
    assert_eq!((code, frames), (0, 5000), "{stderr}");
}

/// A client that joined the original late started in the middle of a file.
#[test]
fn integrity_07_late_client_starts_off_file_boundary() {
    let daemon = Daemon::start(&config("gen:size=imix,rate=10000pps,late=delay"));
    let dirs: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let mut recorders = Vec::new();
    for dir in &dirs {
        recorders.push(daemon.recorder(dir.path(), &[]));
        // The next recorder joins in the middle of a block.
        let until = daemon.published() + 300_000;
        wait_until("traffic", || daemon.published() > until);
    }
    for (recorder, dir) in recorders.into_iter().zip(&dirs) {
        recorder.signal(Signal::SIGTERM);
        let (code, events, stderr) = recorder.finish();
        assert_eq!(code, 0, "{stderr}");
        let paths = files(dir.path(), ".raw");
        let contents: Vec<_> = paths.iter().map(|path| read_sound(path)).collect();
        assert!(contents.iter().all(|c| c.headers == 1), "{paths:?}");
        let sequence: Vec<u64> = contents.iter().flat_map(|c| c.sequence.clone()).collect();
        assert_eq!(summary(&events)["frames"], sequence.len());
        assert_eq!(holes(&sequence), told_before_us(&contents));
    }
}
