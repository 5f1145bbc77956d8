use std::fs;
use std::fs::File;
use std::os::unix::fs::symlink;
use std::time::Duration;

use hpcap::QueueName;
use hpcap::raw::index::path_for;
use hpcap::raw::{FileHeader, FileName, SourceName, Writer};

use super::*;

const START: u64 = 1_800_000_000;

fn id(byte: u8) -> Option<RecordingId> {
    RecordingId::from_bytes([byte; 16])
}

fn origin() -> Origin {
    Origin {
        host: "probe".into(),
        interface: "eth0".into(),
        queue: Some(QueueName::new(0, 0)),
    }
}

/// A folder with files of 4096 bytes.
struct Folder {
    dir: tempfile::TempDir,
    own: OwnFiles,
    origin: Origin,
    room: Room,
}

impl Folder {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            own: OwnFiles::default(),
            origin: origin(),
            room: Room::default(),
        }
    }

    fn path(&self, start: u64, part: bool) -> PathBuf {
        let name = FileName {
            part,
            source: SourceName::new("eth0"),
            ..FileName::new(START + start, QueueName::new(0, 0))
        };
        name.path(self.dir.path())
    }

    /// Makes the file number `number` of recording `of`. Its header says that it began `start`
    /// seconds after the first.
    fn file(&self, of: Option<RecordingId>, number: u64, start: u64) -> PathBuf {
        self.file_at(&self.path(start, false), of, number, start)
    }

    fn file_at(
        &self,
        path: &Path,
        recording: Option<RecordingId>,
        number: u64,
        start: u64,
    ) -> PathBuf {
        let mut writer = Writer::new(Vec::new());
        let header = FileHeader {
            host: self.origin.host.clone(),
            interface: self.origin.interface.clone(),
            queue: self.origin.queue,
            recording,
            file_number: number,
            stream_off: number << 20,
            start: Timestamp::from_ns((START + start) * 1_000_000_000),
            ..FileHeader::default()
        };
        let _ = writer.header(&header).unwrap();
        let bytes = writer.close(4096).unwrap().0;
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        fs::write(path_for(path), [0; 10]).unwrap();
        path.to_owned()
    }

    /// Makes the retention of the running recorder, with recording 9.
    fn retention(&self, limits: Limits) -> Retention {
        let recording = Recording {
            streams: vec![StreamIdentity {
                origin: origin(),
                id: id(9),
            }],
            names: vec![SourceName::new("eth0")],
            files: self.own.clone(),
        };
        let base = self.dir.path().to_owned();
        Retention::new(limits, base, recording, self.room.clone())
    }

    /// Returns the files that are deleted `now` seconds after the start.
    fn deleted(&self, limits: Limits, now: u64) -> Vec<PathBuf> {
        paths(self.retention(limits).enforce_at(at(now), &mut || Ok(0)))
    }
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_ns((START + second) * 1_000_000_000)
}

fn paths(outcome: Outcome) -> Vec<PathBuf> {
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    outcome.deleted.into_iter().map(|d| d.path).collect()
}

const ALL: Limits = Limits {
    age: None,
    size: Some(0),
    free: None,
    files: None,
};

fn files(files: u64) -> Limits {
    Limits {
        files: Some(files),
        ..Limits::default()
    }
}

#[test]
fn old_files_go_with_their_folder() {
    let folder = Folder::new();
    let all: Vec<_> = (0..4).map(|i| folder.file(id(9), i, i * 1800)).collect();
    let limits = Limits {
        age: Some(Duration::from_secs(2700)),
        ..Limits::default()
    };
    assert_eq!(folder.deleted(limits, 5400), all[..2]);
    assert!(!path_for(&all[0]).exists());
    assert!(!all[0].parent().unwrap().exists());
    assert!(all[2].exists() && path_for(&all[2]).exists());
}

#[test]
fn oldest_go_until_the_size_fits() {
    let folder = Folder::new();
    let all: Vec<_> = (0..4).map(|i| folder.file(id(9), i, i)).collect();
    for file in &all {
        fs::write(path_for(file), [1; 4096]).unwrap();
    }
    // An index may take a block of the disk.
    let limits = Limits {
        size: Some(2 * 8192 + 100),
        ..Limits::default()
    };
    assert_eq!(folder.deleted(limits, 10), all[..2]);
    assert!(folder.deleted(limits, 10).is_empty());
}

#[test]
fn keep_files_counts_finished_ones() {
    let folder = Folder::new();
    let all: Vec<_> = (0..5).map(|i| folder.file(id(9), i, i)).collect();
    let part = folder.path(5, true);
    folder.own.add(&File::create(&part).unwrap());
    assert_eq!(folder.deleted(files(2), 10), all[..3]);
    assert!(part.exists());
}

#[test]
fn oldest_files_go_until_there_is_room() {
    let folder = Folder::new();
    let all: Vec<_> = (0..4).map(|i| folder.file(id(9), i, i)).collect();
    let limits = Limits {
        free: Some(1000),
        ..Limits::default()
    };
    let mut free = [700, 850, 1000, 1000].into_iter();
    let mut retention = folder.retention(limits);
    let outcome = retention.enforce_at(at(10), &mut || Ok(free.next().unwrap()));
    assert_eq!(paths(outcome), all[..2]);
}

#[test]
fn files_of_another_origin_stay() {
    let mut folder = Folder::new();
    folder.file(id(9), 0, 0);
    let mut others = Vec::new();
    for (second, (host, interface, queue)) in (1..).zip([
        ("other", "eth0", 0),
        ("probe", "eth1", 0),
        ("probe", "eth0", 1),
    ]) {
        folder.origin = Origin {
            host: host.into(),
            interface: interface.into(),
            queue: Some(QueueName::new(0, queue)),
        };
        others.push(folder.file(id(2), 0, second));
    }
    assert_eq!(folder.deleted(ALL, 10).len(), 1);
    assert!(others.iter().all(|path| path.exists()));
}

#[test]
fn files_with_another_name_stay() {
    let folder = Folder::new();
    folder.file(id(9), 0, 0);
    let dns = FileName {
        source: SourceName::new("dns"),
        ..FileName::new(START + 1, QueueName::new(0, 0))
    };
    let of_queue = FileName::new(START + 2, QueueName::new(0, 0));
    let others = [dns, of_queue].map(|name| name.path(folder.dir.path()));
    for path in &others {
        folder.file_at(path, id(2), 0, 1);
    }
    assert_eq!(folder.deleted(ALL, 10).len(), 1);
    assert!(others.iter().all(|path| path.exists()));
}

#[test]
fn files_that_appear_meanwhile_stay() {
    let folder = Folder::new();
    let earlier = folder.file(id(1), 0, 0);
    let mut retention = folder.retention(Limits {
        size: Some(1 << 30),
        ..Limits::default()
    });
    let mut deleted = |limits, now| {
        retention.limits = limits;
        paths(retention.enforce_at(at(now), &mut || Ok(0)))
    };
    assert!(deleted(files(100), 10).is_empty());
    // Another recorder has begun and ended since.
    let others = [folder.file(id(2), 0, 11), folder.file(id(2), 1, 12)];
    assert_eq!(deleted(ALL, 13), [earlier]);
    assert!(others.iter().all(|path| path.exists()));
}

#[test]
fn files_beside_an_unwritten_header_stay() {
    let folder = Folder::new();
    let earlier = folder.file(id(1), 0, 0);
    let part = folder.path(1, true);
    fs::write(&part, "").unwrap();
    let held = File::open(&part).unwrap();
    held.try_lock().unwrap();
    let mut retention = folder.retention(ALL);
    assert!(paths(retention.enforce_at(at(10), &mut || Ok(0))).is_empty());
    folder.file_at(&part, id(2), 0, 1);
    assert_eq!(
        paths(retention.enforce_at(at(11), &mut || Ok(0))),
        [earlier]
    );
}

#[test]
fn retention_keeps_foreign_files() {
    let folder = Folder::new();
    let half_hour = folder.path(0, false).parent().unwrap().to_owned();
    folder.file(id(9), 0, 0);
    let others = [
        // A user has renamed this file to keep it.
        half_hour.join("attack.raw"),
        half_hour.join(format!("{}_eth0.raw.saved", START + 1)),
        // The user moved this one to another folder.
        half_hour.join(format!("{}_eth0.raw", START + 9000)),
        folder.dir.path().join(format!("{}_eth0.raw", START + 2)),
    ];
    for path in &others {
        folder.file_at(path, id(9), 1, 1);
    }
    // The file does not say to which recording it belongs.
    let text = folder.path(4, false);
    fs::write(&text, "no capture").unwrap();
    fs::create_dir(folder.path(5, false)).unwrap();
    assert_eq!(folder.deleted(ALL, 10).len(), 1);
    assert!(others.iter().chain([&text]).all(|path| path.exists()));
    assert!(folder.path(5, false).is_dir());
}

#[test]
fn retention_follows_no_symlink() {
    let folder = Folder::new();
    let elsewhere = Folder::new();
    let precious = elsewhere.file(id(9), 0, 0);
    // One link leads to a file, the other to a whole half-hour folder.
    let link = folder.path(1800, false);
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink(&precious, &link).unwrap();
    symlink(
        precious.parent().unwrap(),
        folder
            .dir
            .path()
            .join(precious.parent().unwrap().file_name().unwrap()),
    )
    .unwrap();
    assert!(folder.deleted(ALL, 10).is_empty());
    assert!(precious.exists() && link.is_symlink());
}

#[test]
fn running_recording_is_deleted_last() {
    let folder = Folder::new();
    let running = folder.file(id(9), 0, 100);
    // The clock of this recording was a minute ahead; by now, that time is in the past.
    let earlier = folder.file(id(1), 0, 160);
    assert_eq!(folder.deleted(files(1), 200), [earlier]);
    assert!(running.exists());
}

#[test]
fn files_from_the_future_are_the_oldest() {
    let folder = Folder::new();
    let future: Vec<_> = (0..2).map(|i| folder.file(id(1), i, 5000 + i)).collect();
    let past = folder.file(id(2), 0, 0);
    let mut retention = folder.retention(files(1));
    let outcome = retention.enforce_at(at(100), &mut || Ok(0));
    assert_eq!(outcome.warnings.len(), 1, "{:?}", outcome.warnings);
    assert!(outcome.warnings[0].contains("2 files"));
    assert_eq!(paths(outcome), future);
    assert!(past.exists());
}

#[test]
fn place_in_the_recording_decides() {
    let folder = Folder::new();
    // The clock was set back between the two files.
    let second = folder.file(id(9), 1, 5);
    let first = folder.file(id(9), 0, 90);
    assert_eq!(folder.deleted(files(1), 100), [first]);
    assert!(second.exists());
}

#[test]
fn retention_keeps_files_of_running_recorders() {
    let folder = Folder::new();
    let theirs = folder.file(id(1), 0, 0);
    let mine = folder.file(id(9), 0, 1);
    let part = folder.file_at(&folder.path(2, true), id(1), 1, 2);
    let held = File::open(&part).unwrap();
    held.try_lock().unwrap();
    let mut retention = folder.retention(ALL);
    assert_eq!(paths(retention.enforce_at(at(10), &mut || Ok(0))), [mine]);
    // The other recording ended while this one ran, so its files are still kept.
    drop(held);
    assert!(paths(retention.enforce_at(at(10), &mut || Ok(0))).is_empty());
    assert!(theirs.exists());
}

#[test]
fn retention_keeps_files_of_the_same_queue() {
    let folder = Folder::new();
    let theirs = folder.file(id(9), 0, 0);
    let mine = folder.file(id(9), 1, 1);
    folder.own.add(&File::open(&mine).unwrap());
    let part = folder.file_at(&folder.path(2, true), id(9), 2, 2);
    let held = File::open(&part).unwrap();
    held.try_lock().unwrap();
    assert_eq!(folder.deleted(ALL, 10), [mine]);
    assert!(theirs.exists());
}

#[test]
fn own_files_without_header_go_in_order() {
    let folder = Folder::new();
    let plain: Vec<PathBuf> = (0..3)
        .map(|second| {
            let path = folder.path(10 - second, false);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, [0; 100]).unwrap();
            folder.own.add(&File::open(&path).unwrap());
            path
        })
        .collect();
    assert_eq!(folder.deleted(files(1), 20), plain[..2]);
}

#[test]
fn keep_free_beyond_the_disk_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let wanting = |free| Limits {
        free: Some(free),
        ..Limits::default()
    };
    assert!(wanting(4096).check(dir.path(), None).is_ok());
    let error = wanting(1 << 62).check(dir.path(), None).unwrap_err();
    assert_eq!(error.kind(), hpcap::Kind::Usage);
}

#[test]
fn file_longer_than_half_of_keep_size_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits {
        size: Some(100),
        ..Limits::default()
    };
    assert!(limits.check(dir.path(), None).is_ok());
    assert!(limits.check(dir.path(), Some(50)).is_ok());
    let error = limits.check(dir.path(), Some(51)).unwrap_err();
    assert_eq!(error.kind(), hpcap::Kind::Usage);
}

/// File systems give the inode number of a removed file to the next one.
#[test]
fn removed_file_frees_its_number() {
    let folder = Folder::new();
    let first = folder.file(id(9), 0, 0);
    folder.own.add(&File::open(&first).unwrap());
    let mut retention = folder.retention(ALL);
    assert_eq!(paths(retention.enforce_at(at(10), &mut || Ok(0))), [first]);
    let theirs: Vec<_> = (0..50)
        .map(|second| {
            let path = folder.path(second, false);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "no capture").unwrap();
            path
        })
        .collect();
    assert!(paths(retention.enforce_at(at(10), &mut || Ok(0))).is_empty());
    assert!(theirs.iter().all(|path| path.exists()));
}

/// A folder of four files, whose recorder wants `wanted` bytes of a limit of 40,000.
fn folder_that_wants(wanted: u64) -> (Folder, Vec<PathBuf>, Limits) {
    let mut folder = Folder::new();
    folder.room = Room::limited(1);
    let all: Vec<_> = (0..4).map(|i| folder.file(id(9), i, i)).collect();
    for file in &all {
        fs::write(path_for(file), [1; 4096]).unwrap();
    }
    assert!(!folder.room.claim().cover(wanted));
    let limits = Limits {
        size: Some(40_000),
        ..Limits::default()
    };
    (folder, all, limits)
}

#[test]
fn room_is_made_before_it_is_granted() {
    let (folder, all, limits) = folder_that_wants(20_000);
    assert_eq!(folder.deleted(limits, 10), all[..2]);
    let claims = folder.room.claims();
    assert_eq!((claims.spare, claims.wanted), (20_000, 0));
    // Granted room counts, although no file has taken it yet.
    assert!(folder.deleted(limits, 10).is_empty());
    assert!(!folder.room.claim().cover(20_001));
    assert_eq!(folder.deleted(limits, 10).len(), 0);
    assert!(!folder.room.claim().cover(28_000));
    assert_eq!(folder.deleted(limits, 10), all[2..3]);
}

#[test]
fn room_waits_for_a_file_that_is_being_finished() {
    let (folder, all, limits) = folder_that_wants(30_000);
    let part = folder.path(9, true);
    let file = File::create(&part).unwrap();
    let mut claim = folder.room.claim();
    claim.add(&file);
    claim.seal(20_000);
    let mut retention = folder.retention(limits);
    assert_eq!(paths(retention.enforce_at(at(10), &mut || Ok(0))), all);
    assert_eq!(folder.room.claims().wanted, 30_000);
    drop(claim);
    let outcome = retention.enforce_at(at(10), &mut || Ok(0));
    assert!(outcome.warnings.is_empty(), "{:?}", outcome.warnings);
    assert_eq!(folder.room.claims().wanted, 0);
}

#[test]
fn single_file_may_be_longer_than_the_limit() {
    let (folder, all, limits) = folder_that_wants(50_000);
    let mut retention = folder.retention(limits);
    let outcome = retention.enforce_at(at(10), &mut || Ok(0));
    assert_eq!(outcome.warnings.len(), 1);
    assert_eq!(paths(outcome), all);
    assert_eq!(folder.room.claims().spare, 50_000);
}

#[test]
fn unfinished_files_of_a_crash_count() {
    let folder = Folder::new();
    let all: Vec<_> = (0..2).map(|i| folder.file(id(9), i, i)).collect();
    let crashed = folder.file_at(&folder.path(5, true), id(1), 0, 5);
    let limits = Limits {
        size: Some(8192 + 4096 + 4096),
        ..Limits::default()
    };
    fs::write(path_for(&all[1]), [1; 4096]).unwrap();
    assert_eq!(folder.deleted(limits, 10), all[..1]);
    assert!(crashed.exists());
}

#[test]
fn promised_room_is_not_free() {
    let (folder, all, _) = folder_that_wants(20_000);
    let limits = Limits {
        free: Some(10_000),
        ..Limits::default()
    };
    let mut free = [25_000, 28_000, 31_000, 31_000, 31_000].into_iter();
    let mut retention = folder.retention(limits);
    let outcome = retention.enforce_at(at(10), &mut || Ok(free.next().unwrap()));
    assert_eq!(paths(outcome), all[..2]);
}
