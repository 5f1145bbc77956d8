//! Decides which finished files are deleted to keep within the limits.
//!
//! A file is deleted only if this process made it, or if its own header says that it has the origin
//! that is being recorded: the same host, interface and queue. Files that another recorder wrote
//! while this one ran are kept, and so is everything behind a symbolic link. The oldest file is
//! deleted first: files of other recordings before those of the running one, and within each
//! recording in its order.

mod clock;
mod order;
mod scan;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hpcap::error::Context;
use hpcap::raw::{Origin, RecordingId};
use hpcap::units::Bytes;
use hpcap::{Error, Result, Timestamp};

use crate::report::event::FileDeleted;
use clock::Clock;
use scan::{Found, Inode, Store};

/// The limits of what is kept; `None` = no limit of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Keeps files that started at most this long ago.
    pub age: Option<Duration>,
    /// Keeps files of this many bytes together, the one under way included.
    pub size: Option<u64>,
    /// Keeps this many bytes of the disk free.
    pub free: Option<u64>,
    /// Keeps this many finished files.
    pub files: Option<u64>,
}

impl Limits {
    /// Whether any limit is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self != Self::default()
    }

    /// Refuses limits that no deletion could meet on the disk of `base`, with files of
    /// `rotate_bytes` bytes.
    ///
    /// # Errors
    /// [`Kind::Usage`](hpcap::Kind::Usage), naming the size of the disk.
    pub fn check(&self, base: &Path, rotate_bytes: Option<u64>) -> Result<()> {
        if let (Some(all), Some(one)) = (self.size, rotate_bytes)
            && one > all
        {
            return Err(Error::usage(
                format!("--keep-size {} --rotate-size {}", Bytes(all), Bytes(one)),
                "one file may become longer than all files together may be",
            )
            .advise("rotate at a quarter of it or less: without --rotate-size, that is done"));
        }
        let Some(wanted) = self.free else {
            return Ok(());
        };
        let tried = || format!("--keep-free {}", Bytes(wanted));
        let stat = nix::sys::statvfs::statvfs(base).context(tried)?;
        let all = stat.blocks() * stat.fragment_size();
        if wanted < all {
            return Ok(());
        }
        Err(Error::usage(
            tried(),
            format!(
                "the disk of {} has {} in all: every file would be deleted",
                base.display(),
                Bytes(all)
            ),
        ))
    }
}

/// The files that this process made, each with its number in the order of creation.
#[derive(Debug, Clone, Default)]
pub struct OwnFiles(Arc<Mutex<HashMap<Inode, u64>>>);

impl OwnFiles {
    /// Remembers a file that was just created.
    pub fn add(&self, file: &File) {
        if let Ok(meta) = file.metadata() {
            let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let number = files.values().max().map_or(0, |last| last + 1);
            files.insert(Inode::of(&meta), number);
        }
    }

    /// Forgets a deleted file, because the file system gives its inode number to another one.
    fn remove(&self, inode: Inode) {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.remove(&inode);
    }

    /// Number of the file in the order of creation, if this process made it.
    fn number(&self, inode: Inode) -> Option<u64> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.get(&inode).copied()
    }
}

/// The recording whose files are kept within limits.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Origin of the recorded frames.
    pub origin: Origin,
    /// Id of the running recording.
    pub id: Option<RecordingId>,
    /// The files of this recorder.
    pub files: OwnFiles,
}

impl Recording {
    /// Number of the file in the order of creation, if this recorder made it. File systems reuse
    /// inode numbers, so a file whose header names another recording does not count.
    fn made(&self, file: &Found) -> Option<u64> {
        let id = file.identity.as_ref().and_then(|i| i.recording);
        self.files
            .number(file.inode)
            .filter(|_| id.is_none() || id == self.id)
    }
}

/// The result of one enforcement of the limits.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Files that were deleted.
    pub deleted: Vec<FileDeleted>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
    /// The first failure.
    pub error: Option<io::Error>,
}

/// Keeps the files of an origin below one folder within limits.
#[derive(Debug)]
pub struct Retention {
    limits: Limits,
    store: Store,
    recording: Recording,
    clock: Clock,
    /// Recordings that other recorders ran at the same time as this one; their files are kept.
    others: HashSet<RecordingId>,
    /// Whether another recorder in this folder writes the same recording as this one.
    shared: bool,
    future_files: usize,
}

impl Retention {
    /// Keeps the files of `recording` below `base` within `limits`.
    #[must_use]
    pub fn new(limits: Limits, base: PathBuf, recording: Recording) -> Self {
        Self {
            limits,
            store: Store::new(base),
            recording,
            clock: Clock::start(),
            others: HashSet::new(),
            shared: false,
            future_files: 0,
        }
    }

    /// Whether any limit is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.limits.is_set()
    }

    /// Deletes the oldest finished files until the rest is within the limits, with their indexes,
    /// and folders that become empty.
    pub fn enforce(&mut self) -> Outcome {
        let base = self.store.base().to_owned();
        let now = Timestamp::now();
        let step = self.clock.look(now).filter(|_| self.limits.age.is_some());
        let mut outcome = self.enforce_at(now, &mut || free_bytes(&base));
        outcome.warnings.extend(step);
        outcome
    }

    fn enforce_at(&mut self, now: Timestamp, free: &mut dyn FnMut() -> io::Result<u64>) -> Outcome {
        let mut outcome = Outcome::default();
        let found = match self.store.scan() {
            Ok(found) => found,
            Err(e) => {
                outcome.error = Some(e);
                return outcome;
            }
        };
        self.clock.see(&found);
        self.note_other_recorders(&found);
        let under_way: u64 = found
            .iter()
            .filter(|file| file.part && self.recording.made(file).is_some())
            .map(|file| file.bytes)
            .sum();
        let (mine, _): (Vec<Found>, Vec<Found>) =
            found.into_iter().partition(|file| self.may_delete(file));
        let sorted = order::oldest_first(mine, &self.recording, now);
        outcome.warnings.extend(self.warn_of_future(&sorted));
        let mut left = Left {
            bytes: sorted.files.iter().map(|f| f.bytes).sum::<u64>() + under_way,
            files: sorted.files.len() as u64,
        };
        for file in sorted.files {
            let because_of = match self.reason_to_delete(&file, left, now, free) {
                Ok(Some(option)) => option,
                Ok(None) => continue,
                Err(e) => {
                    outcome.error = Some(e);
                    break;
                }
            };
            match self.store.delete(&file) {
                // Another process removed or replaced the file meanwhile.
                Ok(false) => {}
                Ok(true) => {
                    self.recording.files.remove(file.inode);
                    outcome.deleted.push(FileDeleted {
                        path: file.path,
                        bytes: file.bytes,
                        because_of,
                    });
                }
                Err(e) => {
                    outcome.error = Some(e);
                    break;
                }
            }
            left.bytes -= file.bytes;
            left.files -= 1;
        }
        outcome
    }

    /// Notes the recordings of other recorders. A `.part` file that another process has locked
    /// belongs to a recording that is running.
    fn note_other_recorders(&mut self, found: &[Found]) {
        for file in found.iter().filter(|file| file.part && file.locked) {
            if self.recording.made(file).is_some() {
                continue;
            }
            let id = file
                .identity
                .as_ref()
                .and_then(|identity| identity.recording);
            if id.is_some() && id == self.recording.id {
                self.shared = true;
            } else if let Some(id) = id {
                self.others.insert(id);
            }
        }
    }

    /// Whether `file` is a finished file that this retention may delete.
    fn may_delete(&self, file: &Found) -> bool {
        if file.part {
            return false;
        }
        if self.recording.made(file).is_some() {
            return true;
        }
        let Some(identity) = &file.identity else {
            return false;
        };
        if identity.origin != self.recording.origin {
            return false;
        }
        match identity.recording {
            id if id.is_some() && id == self.recording.id => !self.shared,
            Some(id) => !self.others.contains(&id),
            None => true,
        }
    }

    fn warn_of_future(&mut self, sorted: &order::Sorted) -> Option<String> {
        let before = std::mem::replace(&mut self.future_files, sorted.future);
        let first = sorted.files.first()?;
        (sorted.future > before).then(|| {
            format!(
                "{} files of an earlier recording say that they begin in the future, such as {}\n  \
                 the clock was wrong then, or is now; they count as the oldest",
                sorted.future,
                first.path.display()
            )
        })
    }

    fn reason_to_delete(
        &self,
        file: &Found,
        left: Left,
        now: Timestamp,
        free: &mut dyn FnMut() -> io::Result<u64>,
    ) -> io::Result<Option<&'static str>> {
        if let Some(age) = self.limits.age
            && self.clock.is_older(file, age, now)
        {
            return Ok(Some("keep-age"));
        }
        if self.limits.files.is_some_and(|files| left.files > files) {
            return Ok(Some("keep-files"));
        }
        if self.limits.size.is_some_and(|size| left.bytes > size) {
            return Ok(Some("keep-size"));
        }
        match self.limits.free {
            Some(wanted) if free()? < wanted => Ok(Some("keep-free")),
            _ => Ok(None),
        }
    }
}

/// Files that are not deleted yet.
#[derive(Debug, Clone, Copy)]
struct Left {
    bytes: u64,
    files: u64,
}

/// Free bytes that this process may use on the file system of `path`.
fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = nix::sys::statvfs::statvfs(path)?;
    Ok(stat.blocks_available() * stat.fragment_size())
}

#[cfg(test)]
mod tests;
