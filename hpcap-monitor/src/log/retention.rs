//! Compresses finished files of the full log, and deletes logs that are too old.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hpcap::compress::{Compression, Compressor};
use hpcap::error::Context;
use hpcap::{Result, Timestamp};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::week::Week;
use super::{FULL, index};

const ENDING: &str = ".jsonl";
const COMPRESSED: &str = ".jsonl.zst";
const INDEX: &str = ".index";

/// A file of the full log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HourFile {
    /// Seconds since 1970 at the start of its hour.
    pub start: u64,
    /// Its path.
    pub path: PathBuf,
}

/// Returns the files of the full log in `folder`, from the oldest on. Of an hour that is being compressed,
/// it returns the file that is whole.
#[must_use]
pub fn hours(folder: &Path) -> Vec<HourFile> {
    let mut hours: Vec<HourFile> = names(folder)
        .into_iter()
        .filter(|name| !name.ends_with(INDEX))
        .filter_map(|name| {
            let hour = hour_of(&name)?.to_zoned(TimeZone::UTC).ok()?;
            Some(HourFile {
                start: u64::try_from(hour.timestamp().as_second()).ok()?,
                path: folder.join(name),
            })
        })
        .collect();
    hours.sort_unstable();
    // The plain file stands first.
    hours.dedup_by_key(|hour| hour.start);
    hours
}

/// Compresses each file of the full log in `folder` except for `current`, and makes its index. A file is
/// removed only after its compressed form is complete, so that this can be interrupted and repeated.
///
/// # Errors
/// Errors of the file system.
pub fn compress_finished(folder: &Path, current: &str) -> Result<()> {
    for name in names(folder) {
        if name.ends_with(ENDING) && name != current && hour_of(&name).is_some() {
            let path = folder.join(&name);
            index::write(&path)?;
            compress(&path).context(|| format!("compress the log {}", path.display()))?;
        }
    }
    Ok(())
}

fn compress(path: &Path) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".zst.part");
    let part = PathBuf::from(part);
    let mut compressor = Compressor::new(File::create(&part)?, Compression::Zstd)?;
    io::copy(&mut File::open(path)?, &mut compressor)?;
    compressor.finish()?.sync_all()?;
    fs::rename(&part, part.with_extension(""))?;
    fs::remove_file(path)
}

/// Deletes the logs below `basedir` that ended before `keep_age`, and returns how many files it
/// deleted. It touches only folders and files with names of logs, and follows no symbolic links.
pub fn delete_old(basedir: &Path, now: Timestamp, keep_age: Duration) -> usize {
    let age = i64::try_from(keep_age.as_secs()).unwrap_or(i64::MAX);
    let limit = i64::try_from(now.sec())
        .unwrap_or(i64::MAX)
        .saturating_sub(age);
    let is_old = |end: Option<DateTime>| {
        end.and_then(|end| end.to_zoned(TimeZone::UTC).ok())
            .is_some_and(|end| end.timestamp().as_second() < limit)
    };
    let mut deleted = 0;
    let full = basedir.join(FULL);
    for name in names(&full) {
        if is_old(hour_of(&name)) && fs::remove_file(full.join(name)).is_ok() {
            deleted += 1;
        }
    }
    for name in names(basedir) {
        let Ok(week) = name.parse::<Week>() else {
            continue;
        };
        let folder = basedir.join(&name);
        // A day more than the week's end, because the week may have been that of another zone.
        let end = week
            .sunday()
            .and_then(|day| day.tomorrow().ok()?.tomorrow().ok());
        if !is_old(end.map(|day: Date| day.at(0, 0, 0, 0))) || !is_folder(&folder) {
            continue;
        }
        for file in names(&folder) {
            deleted += usize::from(fs::remove_file(folder.join(file)).is_ok());
        }
        let _ = fs::remove_dir(folder);
    }
    deleted
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}

fn names(folder: &Path) -> Vec<String> {
    if !is_folder(folder) {
        return Vec::new();
    }
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect()
}

/// Returns the hour after which a file of the full log is named.
fn hour_of(name: &str) -> Option<DateTime> {
    let stem = name
        .strip_suffix(COMPRESSED)
        .or(name.strip_suffix(ENDING))
        .or(name.strip_suffix(INDEX))?;
    let (date, hour) = stem.strip_suffix('Z')?.split_once('T')?;
    let date: Date = date.parse().ok()?;
    let hour: i8 = hour.parse().ok().filter(|hour| (0..24).contains(hour))?;
    Some(date.at(hour, 0, 0, 0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use hpcap::time::parse_time;

    use super::*;
    use crate::log::full;
    use crate::log::reader::Reader;
    use crate::sample::tests::sample;

    const DAY: Duration = Duration::from_secs(86_400);

    fn write(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(
            path,
            [full::header(DAY, "boot"), full::line(&sample(1, vec![]))].concat(),
        )
        .unwrap();
    }

    #[test]
    fn finished_hours_are_compressed() {
        let dir = tempfile::tempdir().unwrap();
        for hour in [
            "2026-11-29T14Z.jsonl",
            "2026-11-29T15Z.jsonl",
            "other.jsonl",
        ] {
            write(&dir.path().join(hour));
        }
        // The monitor was killed while it compressed.
        fs::write(dir.path().join("2026-11-29T14Z.jsonl.zst.part"), "half").unwrap();
        for _ in 0..2 {
            compress_finished(dir.path(), "2026-11-29T15Z.jsonl").unwrap();
        }
        let mut found = names(dir.path());
        found.sort();
        assert_eq!(
            found,
            [
                "2026-11-29T14Z.index",
                "2026-11-29T14Z.jsonl.zst",
                "2026-11-29T15Z.jsonl",
                "other.jsonl"
            ]
        );
        let hours: Vec<PathBuf> = hours(dir.path())
            .into_iter()
            .map(|hour| hour.path)
            .collect();
        assert_eq!(
            hours,
            [dir.path().join(&found[1]), dir.path().join(&found[2])]
        );
        let mut log = Reader::open(&hours[0]).unwrap();
        assert!(log.read().unwrap().is_some() && log.read().unwrap().is_none());
    }

    #[test]
    fn only_old_logs_are_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let old = [
            "2026-45/hpcap0",
            "2026-45/cpus",
            "full/2026-11-20T14Z.jsonl.zst",
            "full/2026-11-20T14Z.index",
        ];
        let kept = [
            "2026-48/hpcap0",
            "full/2026-11-29T14Z.jsonl",
            "full/notes.txt",
            "2020-01x/precious",
            "events.jsonl",
        ];
        for name in old.iter().chain(&kept) {
            write(&dir.path().join(name));
        }
        let now = parse_time("2026-11-29T15:00Z").unwrap();
        assert_eq!(delete_old(dir.path(), now, 7 * DAY), old.len());
        assert!(!dir.path().join("2026-45").exists());
        for name in kept {
            assert!(dir.path().join(name).exists(), "{name}");
        }
    }

    #[test]
    fn symbolic_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        write(&elsewhere.path().join("precious"));
        std::os::unix::fs::symlink(elsewhere.path(), dir.path().join("2020-01")).unwrap();
        let now = parse_time("2026-11-29T15:00Z").unwrap();
        assert_eq!(delete_old(dir.path(), now, DAY), 0);
        assert!(elsewhere.path().join("precious").exists());
    }

    #[test]
    fn thousand_days_leave_the_kept_logs() {
        let dir = tempfile::tempdir().unwrap();
        let start = parse_time("2024-01-01T00:00Z").unwrap().sec();
        for day in 0..1000 {
            let time = Timestamp::from_ns((start + day * 86_400) * 1_000_000_000);
            write(&dir.path().join(FULL).join(full::file_name(time)));
        }
        let now = Timestamp::from_ns((start + 1000 * 86_400) * 1_000_000_000);
        assert_eq!(delete_old(dir.path(), now, 90 * DAY), 910);
        assert_eq!(delete_old(dir.path(), now, 90 * DAY), 0);
    }
}
