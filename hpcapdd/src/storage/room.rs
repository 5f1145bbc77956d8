//! Room on the disk, which a file claims before it grows, so that `--keep-size` and `--keep-free`
//! hold at every moment.
//!
//! A thread that deletes old files grants room in steps ([`Room::grant`]). A thread that stores
//! frames takes from what was granted ([`Claim::cover`]) and asks for the next step ahead of time,
//! so it seldom waits.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::storage::inode::Inode;

/// Room for the files of a recorder. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Room(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Bytes that are asked for at a time; `None` if every claim is covered.
    step: Option<u64>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    claims: BTreeMap<u64, Claimed>,
    next: u64,
    /// Bytes that were granted and that no file has claimed yet.
    spare: u64,
    /// Bytes that are asked for.
    wanted: u64,
    /// Whether the limits are not kept.
    over: bool,
    /// Whether something changed since the thread that grants room looked last.
    dirty: bool,
    stopped: bool,
}

/// The room of one file and of what is made of it, such as its compressed copy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claimed {
    /// The files that share the room.
    pub inodes: Vec<Inode>,
    /// Bytes that the files may take together.
    pub bytes: u64,
    /// Whether the file holds all its frames and is being finished.
    pub sealed: bool,
}

/// All claims at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims {
    /// The claims of files.
    pub files: Vec<Claimed>,
    /// Bytes that were granted and that no file has claimed yet.
    pub spare: u64,
    /// Bytes that are asked for and not granted.
    pub wanted: u64,
}

impl Room {
    /// Room that is granted in steps of `step` bytes.
    #[must_use]
    pub fn limited(step: u64) -> Self {
        Self(Arc::new(Shared {
            step: Some(step.max(1)),
            ..Shared::default()
        }))
    }

    /// Makes a claim for a new file, which covers nothing yet.
    #[must_use]
    pub fn claim(&self) -> Claim {
        let mut state = self.0.lock();
        let number = state.next;
        state.next += 1;
        let mut bytes = u64::MAX;
        if self.0.step.is_some() {
            bytes = 0;
            state.claims.insert(number, Claimed::default());
        }
        drop(state);
        Claim {
            shared: Arc::clone(&self.0),
            number,
            bytes,
        }
    }

    /// All claims at this moment.
    #[must_use]
    pub fn claims(&self) -> Claims {
        let state = self.0.lock();
        Claims {
            files: state.claims.values().cloned().collect(),
            spare: state.spare,
            wanted: state.wanted,
        }
    }

    /// Grants `bytes` bytes that were asked for. `fits` is false if the limits are not kept, because
    /// one file alone is larger.
    pub fn grant(&self, bytes: u64, fits: bool) {
        let mut state = self.0.lock();
        state.over = !fits;
        state.spare += bytes;
        state.wanted = state.wanted.saturating_sub(bytes);
    }

    /// Waits until something changes, or for `limit`. Returns false if the recording has ended.
    #[must_use]
    pub fn wait(&self, limit: Duration) -> bool {
        let state = self.0.lock();
        let (mut state, _) = self
            .0
            .changed
            .wait_timeout_while(state, limit, |s| !s.dirty && !s.stopped)
            .unwrap_or_else(PoisonError::into_inner);
        state.dirty = false;
        !state.stopped
    }

    /// Ends [`Room::wait`] at once, because old files may have to be deleted.
    pub fn wake(&self) {
        self.0.wake(self.0.lock());
    }

    /// Ends [`Room::wait`] for good.
    pub fn stop(&self) {
        let mut state = self.0.lock();
        state.stopped = true;
        self.0.wake(state);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the thread that grants room about a change.
    fn wake(&self, mut state: MutexGuard<'_, State>) {
        state.dirty = true;
        drop(state);
        self.changed.notify_all();
    }
}

/// The room of one file. Dropping it says that the file is finished, so that its real size counts
/// from now on.
#[derive(Debug)]
pub struct Claim {
    shared: Arc<Shared>,
    number: u64,
    bytes: u64,
}

impl Claim {
    /// Bytes that the file may take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds `file` to the files that share this room.
    pub fn add(&self, file: &File) {
        if let (Ok(meta), Some(claimed)) = (
            file.metadata(),
            self.shared.lock().claims.get_mut(&self.number),
        ) {
            claimed.inodes.push(Inode::of(&meta));
        }
    }

    /// Whether the file may take `bytes` bytes. If not, asks for more room; the caller tries again
    /// later.
    pub fn cover(&mut self, bytes: u64) -> bool {
        let Some(step) = self.shared.step.filter(|_| bytes > self.bytes) else {
            return true;
        };
        let mut state = self.shared.lock();
        let missing = bytes - self.bytes;
        let covered = state.spare >= missing;
        if covered {
            self.bytes += std::mem::take(&mut state.spare);
            if let Some(claimed) = state.claims.get_mut(&self.number) {
                claimed.bytes = self.bytes;
            }
            // The next step is asked for before it is needed.
            state.wanted = step;
        } else {
            state.wanted = state.wanted.max(step).max(missing - state.spare);
        }
        self.shared.wake(state);
        covered
    }

    /// Says that the file has its final length, and that all its files together will take at most
    /// `bytes` bytes.
    pub fn seal(&mut self, bytes: u64) {
        let mut state = self.shared.lock();
        if let Some(claimed) = state.claims.get_mut(&self.number) {
            self.bytes = bytes;
            claimed.bytes = bytes;
            claimed.sealed = true;
            if state.over {
                // The next file waits until there is room for it beside this one.
                state.spare = 0;
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.claims.remove(&self.number);
        self.shared.wake(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unlimited_room_covers_everything() {
        assert!(Room::default().claim().cover(u64::MAX));
    }

    #[test]
    fn claim_waits_until_room_is_granted() {
        let room = Room::limited(100);
        let mut claim = room.claim();
        assert!(!claim.cover(10));
        assert_eq!(room.claims().wanted, 100);
        room.grant(100, true);
        assert!(claim.cover(10));
        // The next step is asked for ahead of time.
        let claims = room.claims();
        assert_eq!((claims.spare, claims.wanted), (0, 100));
        assert_eq!(claims.files[0].bytes, 100);
        assert!(claim.cover(100));
        assert!(!claim.cover(1000));
        assert_eq!(room.claims().wanted, 900);
    }

    #[test]
    fn spare_room_passes_to_the_next_file() {
        let room = Room::limited(100);
        let mut first = room.claim();
        assert!(!first.cover(1));
        room.grant(100, true);
        assert!(first.cover(1));
        room.grant(100, true);
        first.seal(40);
        let mut second = room.claim();
        assert!(second.cover(100));
        let files = room.claims().files;
        assert_eq!((files[0].bytes, files[0].sealed), (40, true));
        drop(first);
        assert_eq!(room.claims().files.len(), 1);
    }
}
