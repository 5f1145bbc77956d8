//! Reports and retention of logs over years, which the log's own writer has made.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::log::writer::{Job, Writer};
use crate::log::{FULL, index, retention};
use crate::sample::tests::{interface, queue, sample};
use crate::sample::{MachineSample, Sample};

/// 2024-02-20T00:00:00Z: the days have two turns of a year, and 29 February.
const START: u32 = 1_708_387_200;
const DAY: u32 = 86_400;
const DAYS: u32 = 1000;
/// Seconds between two samples.
const STEP: u32 = 1200;
/// Days that are written at once: the writer looks at its whole folder each hour, which takes no time in a real one.
const BATCH: u32 = 50;
const FOREVER: Duration = Duration::from_secs(1 << 33);

/// A sample of a queue that gets 100 frames a second and loses one frame in each step, and of an interface.
fn at(second: u32) -> Arc<Sample> {
    let seconds = u64::from(second - START);
    let lost = seconds / u64::from(STEP);
    let mut now = sample(second, vec![queue("hpcap0", START, 100 * seconds, lost)]);
    now.interfaces = vec![interface("eth1", 2, 10 * seconds, 0)];
    Arc::new(now)
}

/// Writes the samples of `days` into a folder, and after the last day the one with which it ends.
fn write_days(folder: &Path, days: std::ops::Range<u32>) {
    let step = Duration::from_secs(STEP.into());
    let start = START + days.start * DAY;
    let steps = (days.end - days.start) * (DAY / STEP) + u32::from(days.end == DAYS);
    let mut before: Option<Arc<Sample>> = (days.start > 0).then(|| at(start - STEP));
    let seconds: Vec<u32> = (0..steps).map(|n| start + n * STEP).collect();
    // A writer has room for 64 samples.
    for part in seconds.chunks(60) {
        let writer = Writer::start(folder.to_owned(), step, FOREVER).unwrap();
        for second in part {
            let now = at(*second);
            writer.write(Job::Sample {
                before: before.replace(Arc::clone(&now)),
                now,
                machine: MachineSample::default(),
            });
        }
        assert_eq!(writer.health().dropped(), 0);
        assert!(writer.finish());
    }
}

/// Moves the files below `from` to the same places below `to`; texts of the same name are joined.
fn merge(from: &Path, to: &Path) {
    for folder in fs::read_dir(from).unwrap() {
        let folder = folder.unwrap();
        let target = to.join(folder.file_name());
        fs::create_dir_all(&target).unwrap();
        for file in fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            let place = target.join(file.file_name());
            if !place.exists() {
                fs::rename(file.path(), place).unwrap();
                continue;
            }
            let text = [fs::read(&place).unwrap(), fs::read(file.path()).unwrap()].concat();
            fs::write(place, text).unwrap();
        }
    }
}

/// A log of 1000 days. Where a file system in memory is at hand, nobody waits for a disk at the end of each hour.
fn thousand_days() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let folder = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir());
    let folder = folder.unwrap();
    for first in (0..DAYS).step_by(BATCH as usize) {
        let part = folder.path().join("part");
        write_days(&part, first..first + BATCH);
        merge(&part, folder.path());
        if first + BATCH < DAYS {
            // The last hour of a part is over, too.
            retention::compress_finished(&folder.path().join(FULL), "").unwrap();
        }
        fs::remove_dir_all(part).unwrap();
    }
    folder
}

fn options(folder: &Path, days: std::ops::Range<u32>) -> ReportOptions {
    let time = |day: u32| Timestamp::new(START + day * DAY, 0);
    ReportOptions {
        log: "hpcap0".into(),
        basedir: folder.to_owned(),
        from: Some(time(days.start)),
        to: Some(time(days.end)),
        bytes: false,
        json: false,
        svg: None,
        png: None,
        html: None,
    }
}

/// Bytes that this thread has read from files.
fn bytes_read() -> u64 {
    let counters = fs::read_to_string("/proc/thread-self/io").unwrap();
    let line = counters.lines().find_map(|l| l.strip_prefix("rchar: "));
    line.unwrap().parse().unwrap()
}

/// Files of the full log, with their indexes if they have one.
fn files(folder: &Path) -> Vec<(u64, PathBuf, PathBuf)> {
    retention::hours(&folder.join(FULL))
        .into_iter()
        .map(|hour| (hour.start, index::path_of(&hour.path), hour.path))
        .collect()
}

#[test]
fn thousand_days_are_reported_and_expire() {
    let dir = thousand_days();
    let all = files(dir.path());
    assert_eq!(all.len(), usize::try_from(DAYS * 24).unwrap() + 1);
    // A year in the middle, with its 29 February.
    let before = bytes_read();
    let summary = options(dir.path(), 1..366).report().unwrap().summary;
    let read = bytes_read() - before;
    let seconds = u64::from(365 * DAY);
    assert_eq!(summary.received_frames, 100 * seconds);
    assert_eq!(summary.lost_frames, seconds / u64::from(STEP));
    assert_eq!(
        (summary.observed, summary.missing, summary.damaged_files),
        (Duration::from_secs(seconds), Duration::ZERO, 0)
    );
    assert!(summary.exact && summary.rounded_until.is_none());
    // It reads the indexes of that year, and no samples except for those of the hours at both ends.
    let in_year = |start: u64| {
        let first = u64::from(START + DAY);
        (first..first + seconds).contains(&start)
    };
    let of_indexes: u64 = all
        .iter()
        .filter(|(start, ..)| in_year(*start))
        .map(|(_, index, _)| index.metadata().unwrap().len())
        .sum();
    assert!(
        read < of_indexes + (256 << 10),
        "{read} bytes, of which the indexes have {of_indexes}"
    );
    let whole = options(dir.path(), 0..DAYS).report().unwrap().summary;
    assert_eq!(whole.received_frames, 100 * u64::from(DAYS * DAY));

    // The next sample of a monitor that keeps 90 days deletes the older ones.
    let now = at(START + DAYS * DAY + STEP);
    let age = Duration::from_secs((90 * DAY).into());
    let writer = Writer::start(dir.path().to_owned(), Duration::from_secs(1), age).unwrap();
    writer.write(Job::Sample {
        before: None,
        now,
        machine: MachineSample::default(),
    });
    assert!(writer.finish());
    let kept = files(dir.path());
    let hours = usize::try_from(90 * 24).unwrap();
    assert!((hours..=hours + 1).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept[..], all[all.len() - kept.len()..]);
    let (_, finished) = kept.split_last().unwrap();
    assert!(finished.iter().all(|(_, index, _)| index.exists()));
    let others = fs::read_dir(dir.path().join(FULL)).unwrap().count();
    assert!(others <= 2 * kept.len(), "{others}");
    let weeks = fs::read_dir(dir.path()).unwrap().count() - 1;
    assert!((13..=15).contains(&weeks), "{weeks} weeks");
    let last = options(dir.path(), DAYS - 80..DAYS).report().unwrap();
    assert_eq!(last.summary.received_frames, 100 * u64::from(80 * DAY));
}
