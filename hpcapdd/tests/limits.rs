//! Tests that the limits of what is kept hold at every moment.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use common::{files, frames_of, of_kind, record, run, summary, verify_all};
use hpcap::Reason;
use hpcap::raw::identity;
use serde_json::Value;
use testkit::disk::SmallDisk;

/// A source that generates frames as fast as this machine can. The producer starts a new file at most every 100 ms, so
/// the limits hold only if the recorder ends its files itself.
const SOURCE: &str = "gen:size=1000,count=40000";

/// Lengths of the finished files, in bytes.
fn lengths(events: &[Value]) -> Vec<u64> {
    let complete = of_kind(events, "file_complete").into_iter();
    complete.map(|e| e["bytes"].as_u64().unwrap()).collect()
}

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

fn check_keep_size(more: &[&str]) {
    check_keep_size_of(8 << 20, more);
}

/// Records into a folder that may hold `limit` bytes, and watches the folder.
fn check_keep_size_of(limit: u64, more: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let (ended, size) = (AtomicBool::new(false), limit.to_string());
    let more = [more, &["--keep-size", &size]].concat();
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
    assert!(largest <= limit, "{largest} of {limit}: {more:?}");
    assert!(of_kind(&events, "warning").is_empty(), "{events:#?}");
    // Retention deletes no more than it must.
    let left: u64 = sizes(dir.path()).unwrap().values().sum();
    let compressed = more.contains(&"zst");
    assert!(
        left > limit / 3 || compressed,
        "{left} of {limit}: {more:?}"
    );
}

#[test]
fn files_longer_than_asked_are_announced() {
    let warnings = |rotate_size: &str| {
        let dir = tempfile::tempdir().unwrap();
        let more = ["--ring", "1M", "--rotate-size", rotate_size];
        let events = record("gen:count=1000", dir.path(), &more);
        of_kind(&events, "warning").len()
    };
    // A block of this ring has 256 KiB.
    assert_eq!(warnings("511K"), 1);
    assert_eq!(warnings("512K"), 0);
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
        // A file takes at most a quarter of what the limit allows, and its statistics a little more.
        let longest = lengths(&events).into_iter().max().unwrap();
        assert!(longest <= (2 << 20) + (4 << 10), "{longest}: {more:?}");
        assert!(of_kind(&events, "warning").is_empty(), "{events:#?}");
    }
}

/// A file has two blocks of 256 KiB, so the file under way, the finished one and the beginning of the
/// next one just fit.
#[test]
fn smallest_keep_size_holds() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    let ring = ["--source", SOURCE, "--ring", "1M", out];
    let refused = run(&[&ring[..], &["--keep-size", "1535K"]].concat());
    assert_eq!(refused.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert!(stderr.contains("leave 1.50 MiB to them"), "{stderr}");
    let more = ["--ring", "1M", "--rotate-size", "768K"];
    check_keep_size_of(1536 << 10, &more);
    check_keep_size_of(1536 << 10, &more[..2]);
}

/// The producer cannot start files as fast as these become full.
#[test]
fn raw_file_never_exceeds_rotate_size() {
    let dir = tempfile::tempdir().unwrap();
    for (ring, size) in [
        ("1M", 1 << 20),
        ("1M", (2 << 20) + 4096),
        ("512K", 256 << 10),
    ] {
        let folder = dir.path().join(size.to_string());
        let asked = size.to_string();
        let more = ["--ring", ring, "--rotate-size", &asked];
        let events = record(SOURCE, &folder, &more);
        let lengths = lengths(&events);
        assert!(lengths.len() as u64 > (40 << 20) / size, "{lengths:?}");
        assert!(lengths.iter().all(|bytes| *bytes <= size), "{lengths:?}");
        assert_eq!(summary(&events)["frames"], 40_000);
        assert_eq!(verify_all(&folder), 40_000);
        check_places(&files(&folder, ".raw"));
    }
}

/// Checks that consecutive files of a recording have their places in it, so that they are sorted
/// and no two count as the same part.
fn check_places(paths: &[PathBuf]) {
    let identities: Vec<_> = paths
        .iter()
        .map(|path| {
            let file = File::open(path).unwrap();
            let bytes = file.metadata().unwrap().len();
            (identity::read(file, "").unwrap().unwrap(), bytes)
        })
        .collect();
    for pair in identities.windows(2) {
        let [(before, bytes), (after, after_bytes)] = pair else {
            unreachable!();
        };
        assert!(before.order_in_recording(after).is_lt(), "{pair:#?}");
        assert!(!before.overlaps(*bytes, after, *after_bytes), "{pair:#?}");
    }
}
