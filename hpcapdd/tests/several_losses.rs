//! Tests of losses of a recording of several sources: each loss is counted for its interface.

mod common;

use std::fs;
use std::path::Path;

use common::statistics::Statistics;
use common::{Running, files, frames_of, hpcapdd, summary};
use hpcap::Reason;
use nix::sys::signal::Signal;
use serde_json::Value;
use testkit::disk::SmallDisk;
use testkit::wait::wait_until;

/// Starts a recorder of two sources into one pcapng file at a time.
fn start(sources: [&str; 2], folder: &Path) -> Running {
    let mut command = hpcapdd();
    for source in sources {
        command.args(["--source", source]);
    }
    command.arg(folder);
    Running::start(command.args(["--ring", "4M", "--format", "pcapng"]))
}

fn is_warning(event: &Value, text: &str) -> bool {
    let message = event["message"].as_str().unwrap_or_default();
    event["event"] == "warning" && message.contains(text)
}

/// Sum of the statistics of `interface` in all files of `folder`.
fn dropped(folder: &Path, interface: u32) -> u64 {
    files(folder, ".pcapng")
        .iter()
        .flat_map(|path| Statistics::of(path))
        .filter(|statistics| statistics.interface == interface)
        .map(|statistics| statistics.os_dropped)
        .sum()
}

#[test]
fn stop_on_a_full_disk_counts_for_each_interface() {
    let Some(disk) = SmallDisk::new("6M") else {
        return;
    };
    let source = "gen:size=1514,count=12000";
    let mut recorder = start([source, source], disk.path());
    recorder.wait_until(|e| is_warning(e, "holding the ring"));
    recorder.signal(Signal::SIGTERM);
    let (code, events, stderr) = recorder.finish();
    assert_eq!(code, 1, "{stderr}");
    let lost = |reason| frames_of(summary(&events), reason);
    let both = [0, 1].map(|interface| dropped(disk.path(), interface));
    assert!(both.iter().all(|n| *n > 0), "{both:?}");
    // The sources may have lost a part of a batch when they were stopped.
    let expected = lost(Reason::Storage) + lost(Reason::RingFull);
    assert_eq!(both.iter().sum::<u64>(), expected, "{both:?}");
}

#[test]
fn removed_file_counts_for_each_interface() {
    let dir = tempfile::tempdir().unwrap();
    let source = "gen:size=300,rate=2000pps,late=delay";
    let mut recorder = start([source, source], dir.path());
    let parts = || files(dir.path(), ".part");
    let has_frames = || {
        let part = parts().into_iter().next();
        part.is_some_and(|path| fs::metadata(path).is_ok_and(|meta| meta.len() > 100_000))
    };
    wait_until("frames on the disk", has_frames);
    fs::remove_dir_all(parts()[0].parent().unwrap()).unwrap();
    recorder.wait_until(|e| is_warning(e, "not there any more"));
    wait_until("a new file with frames", has_frames);
    recorder.signal(Signal::SIGINT);
    let (code, events, stderr) = recorder.finish();
    assert_eq!(code, 1, "{stderr}");
    let storage = frames_of(summary(&events), Reason::Storage);
    let both = [0, 1].map(|interface| dropped(dir.path(), interface));
    assert!(both.iter().all(|n| *n > 100), "{both:?}");
    assert_eq!(both.iter().sum::<u64>(), storage, "{both:?}");
}

#[test]
fn renamed_single_file_is_followed_by_another() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.pcapng");
    let source = "gen:size=300,rate=2000pps,late=delay";
    let mut recorder = start([source, source], &path);
    let has_frames = |name: &str| {
        let path = dir.path().join(name);
        fs::metadata(path).is_ok_and(|meta| meta.len() > 100_000)
    };
    wait_until("frames on the disk", || has_frames("out.pcapng.part"));
    let elsewhere = dir.path().join("elsewhere");
    fs::rename(dir.path().join("out.pcapng.part"), elsewhere).unwrap();
    recorder.wait_until(|e| is_warning(e, "not there any more"));
    wait_until("a new file with frames", || has_frames("out-1.pcapng.part"));
    recorder.signal(Signal::SIGINT);
    let (_, events, stderr) = recorder.finish();
    let told = events
        .iter()
        .filter(|e| is_warning(e, "going on with a new file"))
        .count();
    assert_eq!(told, 1, "{stderr}");
    assert_eq!(frames_of(summary(&events), Reason::Storage), 0);
}
