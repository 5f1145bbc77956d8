//! Tests that the limits of what is kept hold at every moment.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{frames_of, of_kind, record, summary};
use hpcap::Reason;
use testkit::disk::SmallDisk;

/// The producer starts a new file at most every 100 ms. At this rate, a file does not become longer in
/// that time than it should.
const SOURCE: &str = "gen:size=1000,count=40000,rate=20000pps,late=delay";

/// Bytes that each file below `folder` takes on the disk, by inode number and name. File systems
/// reuse the numbers of removed files.
fn sizes(folder: &Path) -> Option<HashMap<(u64, String), u64>> {
    let mut sizes = HashMap::new();
    for half_hour in std::fs::read_dir(folder).ok()? {
        // The recorder may remove a folder at any time.
        for file in std::fs::read_dir(half_hour.ok()?.path()).ok()? {
            let file = file.ok()?;
            let meta = file.metadata().ok()?;
            let name = file.file_name().into_string().unwrap();
            let name = name.trim_end_matches(".part").to_owned();
            sizes.insert((meta.ino(), name), meta.len().max(meta.blocks() * 512));
        }
    }
    Some(sizes)
}

/// The largest number of bytes that the files below `folder` were seen to take together until
/// `ended` was set.
fn largest(folder: &Path, ended: &AtomicBool) -> u64 {
    let mut largest = 0;
    let mut measured = 0;
    while !ended.load(Ordering::Relaxed) || measured == 0 {
        let (Some(first), Some(second)) = (sizes(folder), sizes(folder)) else {
            continue;
        };
        // All files that are in both lists were there between them.
        if first.keys().all(|file| second.contains_key(file)) {
            let both = first
                .iter()
                .map(|(inode, bytes)| *bytes.min(&second[inode]));
            largest = largest.max(both.sum());
            measured += 1;
        }
    }
    largest
}

/// Records into a folder that may hold `LIMIT` bytes, and watches the folder.
fn check_keep_size(more: &[&str]) {
    const LIMIT: u64 = 8 << 20;
    let dir = tempfile::tempdir().unwrap();
    let (ended, limit) = (AtomicBool::new(false), LIMIT.to_string());
    let more = [more, &["--keep-size", &limit]].concat();
    let (largest, events) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| largest(dir.path(), &ended));
        let events = record(SOURCE, dir.path(), &more);
        ended.store(true, Ordering::Relaxed);
        (watcher.join().unwrap(), events)
    });
    assert!(!of_kind(&events, "file_deleted").is_empty(), "{more:?}");
    assert_eq!(
        summary(&events)["frames"],
        frames_of(summary(&events), Reason::Captured),
        "{more:?}"
    );
    assert!(largest <= LIMIT, "{largest} of {LIMIT}: {more:?}");
    // The limit is used.
    let left: u64 = sizes(dir.path()).unwrap().values().sum();
    let compressed = more.contains(&"zst");
    assert!(
        left > LIMIT / 3 || compressed,
        "{left} of {LIMIT}: {more:?}"
    );
}

#[test]
fn folder_never_holds_more_than_keep_size() {
    std::thread::scope(|scope| {
        for more in [
            &["--ring", "1M"][..],
            &["--ring", "1M", "--rotate-size", "4M"],
            &["--ring", "1M", "--frames", "100000000"],
            &["--ring", "1M", "--format", "pcapng"],
            &["--ring", "1M", "--format", "pcapng", "--compress", "zst"],
        ] {
            scope.spawn(move || check_keep_size(more));
        }
    });
}

#[test]
fn disk_never_has_less_than_keep_free() {
    const FREE: u64 = 8 << 20;
    let Some(disk) = SmallDisk::new("16m") else {
        return;
    };
    let ended = AtomicBool::new(false);
    let watch = || {
        let mut least = u64::MAX;
        while !ended.load(Ordering::Relaxed) {
            let stat = nix::sys::statvfs::statvfs(disk.path()).unwrap();
            least = least.min(stat.blocks_available() * stat.fragment_size());
        }
        least
    };
    for more in [&[][..], &["--format", "pcapng"]] {
        ended.store(false, Ordering::Relaxed);
        let (least, events) = std::thread::scope(|scope| {
            let watcher = scope.spawn(watch);
            let more = [more, &["--ring", "1M", "--keep-free", "8M"]].concat();
            let events = record(SOURCE, disk.path(), &more);
            ended.store(true, Ordering::Relaxed);
            (watcher.join().unwrap(), events)
        });
        assert_eq!(summary(&events)["frames"], 40_000, "{more:?}");
        assert!(!of_kind(&events, "file_deleted").is_empty(), "{more:?}");
        // The folders, too, take a page each.
        assert!(least + (64 << 10) >= FREE, "{least}: {more:?}");
        assert!(least < 2 * FREE - (1 << 20), "{least}: {more:?}");
    }
}
