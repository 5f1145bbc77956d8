//! Decides which finished files are deleted to keep within the limits.
//!
//! A file is deleted only if this process made it, or if it is of an earlier recording of the same
//! kind: its own header says that it has the origin that is being recorded (the same host, interface
//! and queue), and it has the name that this recorder gives its files. Files that another recorder
//! wrote while this one ran are kept, and so is everything behind a symbolic link. The oldest file
//! is deleted first: files of other recordings before those of the running one, and within each
//! recording in its order.
//!
//! The files under way count with the room that they have claimed ([`Room`]), which is deleted
//! before they grow. So the limits hold at every moment.

mod clock;
mod limits;
mod neighbours;
mod order;
mod own_files;
mod scan;
mod thread;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use hpcap::Timestamp;
use hpcap::raw::{Origin, RecordingId, SourceName};

use crate::report::event::FileDeleted;
use crate::storage::inode::Inode;
use crate::storage::room::{Claims, Room};
use clock::Clock;
use neighbours::Neighbours;
use scan::{Found, Store};

pub use limits::{Limits, disk_bytes};
pub use own_files::OwnFiles;
pub use thread::RetentionThread;

/// A stream of frames that a recorder writes into files of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamIdentity {
    /// Origin of the frames.
    pub origin: Origin,
    /// Id that the headers of the files have.
    pub id: Option<RecordingId>,
}

/// The recording whose files are kept within limits.
#[derive(Debug, Clone)]
pub struct Recording {
    /// The streams of the running recording.
    pub streams: Vec<StreamIdentity>,
    /// The sources that the names of its files have; `None` in the names of files of a queue.
    pub names: Vec<Option<SourceName>>,
    /// The files of this recorder.
    pub files: OwnFiles,
}

impl Recording {
    /// Whether `id` is that of a stream of the running recording.
    fn has_id(&self, id: Option<RecordingId>) -> bool {
        id.is_some() && self.streams.iter().any(|stream| stream.id == id)
    }

    /// Whether `file` has a name that this recorder gives, and the header of `file` names the origin
    /// of a stream of the running recording.
    fn is_like(&self, file: &Found) -> bool {
        let has_origin = |origin: &Origin| self.streams.iter().any(|s| s.origin == *origin);
        self.names.contains(&file.source)
            && file
                .identity
                .as_ref()
                .is_some_and(|i| has_origin(&i.origin))
    }

    /// Number of the file in the order of creation, if this recorder made it. File systems reuse
    /// inode numbers, so a file whose header names another recording does not count.
    fn made(&self, file: &Found) -> Option<u64> {
        let id = file.recording();
        self.files
            .number(file.inode)
            .filter(|_| id.is_none() || self.has_id(id))
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
    neighbours: Neighbours,
    future_files: usize,
    room: Room,
    /// Whether the user was told that the limits cannot be kept.
    warned_of_room: bool,
}

impl Retention {
    /// Keeps the files of `recording` below `base` within `limits`, and grants `room` for them.
    #[must_use]
    pub fn new(limits: Limits, base: PathBuf, recording: Recording, room: Room) -> Self {
        Self {
            limits,
            store: Store::new(base),
            recording,
            clock: Clock::start(),
            neighbours: Neighbours::default(),
            future_files: 0,
            room,
            warned_of_room: false,
        }
    }

    /// Whether any limit is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.limits.is_set()
    }

    /// Deletes the oldest finished files until the rest is within the limits, with their indexes,
    /// and folders that become empty. Then grants the room that was asked for.
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
        // A file that is finished during the scan counts with its claim.
        let claims = self.room.claims();
        let found = match self.store.scan() {
            Ok(found) => found,
            Err(e) => {
                // Where nothing can be deleted, waiting for room would not help.
                self.room.grant(claims.wanted, false);
                outcome.error = Some(e);
                return outcome;
            }
        };
        self.clock.see(&found);
        self.neighbours.look(&found, &self.recording);
        let (under_way, promised) = self.under_way(&found, &claims);
        let claimed = inodes(&claims);
        let (mine, _): (Vec<Found>, Vec<Found>) = found
            .into_iter()
            .partition(|file| self.may_delete(file) && !claimed.contains_key(&file.inode));
        let sorted = order::oldest_first(mine, &self.recording, now);
        outcome.warnings.extend(self.warn_of_future(&sorted));
        let mut left = Left {
            bytes: sorted.files.iter().map(|f| f.room).sum::<u64>() + under_way,
            files: sorted.files.len() as u64,
        };
        // Promised room counts as taken.
        let mut free = || Ok(free()?.saturating_sub(promised));
        for file in sorted.files {
            let because_of = match self.reason_to_delete(&file, left, now, &mut free) {
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
                        bytes: file.len,
                        because_of,
                    });
                }
                Err(e) => {
                    outcome.error = Some(e);
                    break;
                }
            }
            left.bytes -= file.room;
            left.files -= 1;
        }
        if claims.wanted == 0 {
            return outcome;
        }
        let fits = self.limits.size.is_none_or(|size| left.bytes <= size)
            && self
                .limits
                .free
                .is_none_or(|wanted| free().is_ok_and(|free| free >= wanted));
        // A file that is being finished can be deleted soon. Without one, waiting would not help.
        if fits || !claims.files.iter().any(|claimed| claimed.sealed) {
            self.room.grant(claims.wanted, fits);
            outcome.warnings.extend(self.warn_of_room(fits));
        }
        outcome
    }

    /// Returns the bytes that count for files which are not finished, and how many of these bytes
    /// the disk has not given them yet.
    fn under_way(&self, found: &[Found], claims: &Claims) -> (u64, u64) {
        let claimed = inodes(claims);
        let mut taken: Vec<(u64, u64)> = vec![(0, 0); claims.files.len()];
        let mut unclaimed = 0;
        for file in found {
            match claimed.get(&file.inode) {
                Some(number) => {
                    taken[*number].0 += file.room;
                    taken[*number].1 += file.allocated;
                }
                // A file that could not be finished, or one that a crash left behind.
                None if file.part && !file.locked && self.is_of_origin(file) => {
                    unclaimed += file.room;
                }
                None => {}
            }
        }
        let open = claims.spare + claims.wanted;
        let (mut under_way, mut promised) = (unclaimed + open, open);
        for (claim, (room, allocated)) in claims.files.iter().zip(taken) {
            under_way += claim.bytes.max(room);
            promised += claim.bytes.saturating_sub(allocated);
        }
        (under_way, promised)
    }

    /// Whether this recorder made `file`, or an earlier one of the same kind.
    fn is_of_origin(&self, file: &Found) -> bool {
        self.recording.made(file).is_some() || self.recording.is_like(file)
    }

    /// The warning that the limits cannot be kept, each time that this begins.
    fn warn_of_room(&mut self, fits: bool) -> Option<String> {
        let warned = std::mem::replace(&mut self.warned_of_room, !fits);
        (!fits && !warned).then(|| {
            "nothing is left to delete, but the limit of --keep-size or --keep-free is not kept\n  \
             the file that is being written, files that are not finished (.part), and for \
             --keep-free what others wrote on the disk take too much; recording goes on"
                .to_owned()
        })
    }

    /// Whether `file` is a finished file that this retention may delete.
    fn may_delete(&self, file: &Found) -> bool {
        if file.part {
            return false;
        }
        if self.recording.made(file).is_some() {
            return true;
        }
        self.recording.is_like(file) && !self.neighbours.wrote(file, &self.recording)
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

/// The files of `claims`, each with the number of its claim.
fn inodes(claims: &Claims) -> HashMap<Inode, usize> {
    let of = |(number, claim): (usize, &crate::storage::room::Claimed)| {
        let inodes = claim.inodes.clone();
        inodes.into_iter().map(move |inode| (inode, number))
    };
    claims.files.iter().enumerate().flat_map(of).collect()
}

/// Free bytes that this process may use on the file system of `path`.
fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = nix::sys::statvfs::statvfs(path)?;
    Ok(stat.blocks_available() * stat.fragment_size())
}

#[cfg(test)]
mod tests;
