//! Which finished files go, so that the rest fits.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hpcap::raw::index::path_for;
use hpcap::raw::name::FileName;
use hpcap::{QueueName, Timestamp};

use crate::events::FileDeleted;

/// What to keep; `None` = no limit of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Files that started at most this long ago.
    pub age: Option<Duration>,
    /// Files of this many bytes together, those under way included.
    pub size: Option<u64>,
    /// This many bytes free on the disk.
    pub free: Option<u64>,
}

/// A file of our naming.
#[derive(Debug, Clone)]
struct Found {
    name: FileName,
    path: PathBuf,
    bytes: u64,
}

impl Retention {
    /// Whether there is anything to do, ever.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self != Self::default()
    }

    /// Deletes the oldest finished files of `queue` below `base` until the rest is within
    /// the limits, with their indexes, and folders that become empty. Files under way, of
    /// other queues, or of other names are never touched.
    ///
    /// Returns what was deleted, and the first failure.
    #[must_use]
    pub fn enforce(
        &self,
        base: &Path,
        queue: QueueName,
        now: Timestamp,
    ) -> (Vec<FileDeleted>, Option<io::Error>) {
        self.enforce_with(base, queue, now, &mut || free_bytes(base))
    }

    fn enforce_with(
        &self,
        base: &Path,
        queue: QueueName,
        now: Timestamp,
        free: &mut dyn FnMut() -> io::Result<u64>,
    ) -> (Vec<FileDeleted>, Option<io::Error>) {
        let mut deleted = Vec::new();
        let mut files = match files_of(base, queue) {
            Ok(files) => files,
            Err(e) => return (deleted, Some(e)),
        };
        files.sort_by_key(|f| (f.name.start_sec, f.name.sequence));
        let mut total: u64 = files.iter().map(|f| f.bytes).sum();
        for file in files.into_iter().filter(|f| !f.name.part) {
            let because_of = match self.reason_to_delete(&file, total, now, free) {
                Ok(Some(option)) => option,
                Ok(None) => break,
                Err(e) => return (deleted, Some(e)),
            };
            if let Err(e) = delete(&file.path) {
                return (deleted, Some(e));
            }
            total -= file.bytes;
            deleted.push(FileDeleted {
                path: file.path,
                bytes: file.bytes,
                because_of,
            });
        }
        (deleted, None)
    }

    /// Files come oldest first, so the first that stays ends it.
    fn reason_to_delete(
        &self,
        file: &Found,
        total: u64,
        now: Timestamp,
        free: &mut dyn FnMut() -> io::Result<u64>,
    ) -> io::Result<Option<&'static str>> {
        if let Some(age) = self.age
            && now.sec().saturating_sub(file.name.start_sec) > age.as_secs()
        {
            return Ok(Some("keep-age"));
        }
        if self.size.is_some_and(|size| total > size) {
            return Ok(Some("keep-size"));
        }
        match self.free {
            Some(wanted) if free()? < wanted => Ok(Some("keep-free")),
            _ => Ok(None),
        }
    }
}

/// Bytes that are free for us on the file system of `path`.
fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = nix::sys::statvfs::statvfs(path)?;
    Ok(stat.blocks_available() * stat.fragment_size())
}

/// Deletes a capture file, its index, and its folder where that is empty now.
fn delete(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let _ = fs::remove_file(path_for(path));
    if let Some(folder) = path.parent() {
        // Fails where something is left in it, which is what we want.
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

/// The files of `queue` in the half-hour folders of `base`.
fn files_of(base: &Path, queue: QueueName) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for folder in fs::read_dir(base)? {
        let folder = folder?;
        let number = folder
            .file_name()
            .to_str()
            .and_then(|n| n.parse::<u64>().ok());
        let Some(number) = number else { continue };
        let entries = match fs::read_dir(folder.path()) {
            Ok(entries) => entries,
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                continue;
            }
            Err(e) => return Err(e),
        };
        for entry in entries {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().and_then(FileName::parse) else {
                continue;
            };
            // Only what the recorder itself would have called so, there.
            if name.queue != queue
                || name.folder() != number
                || entry.file_name() != *name.to_string()
            {
                continue;
            }
            match entry.metadata() {
                Ok(meta) if meta.is_file() => found.push(Found {
                    name,
                    path: entry.path(),
                    bytes: meta.len(),
                }),
                _ => {}
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: QueueName = QueueName::new(0, 0);
    const START: u64 = 1_800_000_000;

    /// Files of 100 bytes, `START`, `START` + 1000 and so on; and others.
    fn folder(count: u64) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..count {
            let path = FileName::new(START + i * 1000, QUEUE).path(dir.path());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, [0; 100]).unwrap();
            fs::write(path_for(&path), [0; 10]).unwrap();
        }
        dir
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = files_of(dir, QUEUE)
            .unwrap()
            .iter()
            .map(|f| f.name.to_string())
            .collect();
        names.sort();
        names
    }

    fn now(after: u64) -> Timestamp {
        Timestamp::from_ns((START + after) * 1_000_000_000)
    }

    #[test]
    fn old_files_go_with_their_index_and_empty_folders() {
        let dir = folder(4);
        let keep = Retention {
            age: Some(Duration::from_secs(1500)),
            ..Retention::default()
        };
        let (deleted, error) = keep.enforce(dir.path(), QUEUE, now(3000));
        assert!(error.is_none());
        assert_eq!(deleted.len(), 2);
        assert!(
            deleted
                .iter()
                .all(|d| d.because_of == "keep-age" && d.bytes == 100)
        );
        assert_eq!(names(dir.path()).len(), 2);
        assert!(!path_for(&deleted[0].path).exists());
        assert!(
            !dir.path().join(START.to_string()).exists(),
            "the empty folder"
        );
    }

    #[test]
    fn the_oldest_go_until_the_size_fits() {
        let dir = folder(4);
        let keep = Retention {
            size: Some(250),
            ..Retention::default()
        };
        let (deleted, _) = keep.enforce(dir.path(), QUEUE, now(4000));
        let names: Vec<_> = deleted
            .iter()
            .map(|d| d.path.file_name().unwrap())
            .collect();
        assert_eq!(
            names,
            ["1800000000_hpcap0_0.raw", "1800001000_hpcap0_0.raw"]
        );
        assert!(keep.enforce(dir.path(), QUEUE, now(4000)).0.is_empty());
    }

    #[test]
    fn the_oldest_go_until_there_is_room() {
        let dir = folder(4);
        let keep = Retention {
            free: Some(1000),
            ..Retention::default()
        };
        let mut free = [700, 850, 1000, 1000].into_iter();
        let (deleted, _) =
            keep.enforce_with(dir.path(), QUEUE, now(0), &mut || Ok(free.next().unwrap()));
        assert_eq!(deleted.len(), 2);
        assert!(deleted.iter().all(|d| d.because_of == "keep-free"));
    }

    #[test]
    fn nothing_else_is_ever_deleted() {
        let dir = folder(1);
        let folder = dir.path().join("1800000000");
        let others = [
            folder.join("1800000001_hpcap0_0.raw.part"),
            folder.join("1800000001_hpcap0_1.raw"),
            folder.join("1800000001_hpcap0_q0.raw"),
            folder.join("notes.txt"),
            folder.join("1800009000_hpcap0_0.raw"),
            dir.path().join("1800000001_hpcap0_0.raw"),
        ];
        for path in &others {
            fs::write(path, [0; 100]).unwrap();
        }
        fs::create_dir(folder.join("1800000002_hpcap0_0.raw")).unwrap();
        let keep = Retention {
            size: Some(0),
            ..Retention::default()
        };
        let (deleted, error) = keep.enforce(dir.path(), QUEUE, now(4000));
        assert!(error.is_none());
        assert_eq!(deleted.len(), 1);
        assert!(others.iter().all(|path| path.exists()));
        assert!(folder.join("1800000002_hpcap0_0.raw").is_dir());
    }
}
