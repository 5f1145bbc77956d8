//! Finds out which files belong to recordings that other recorders make at the same time.
//!
//! A recorder that runs has a `.part` file, which it has locked. That alone is not enough: the header
//! of the file may not be written yet, and the recorder may begin and end between two looks. So each
//! file that appears while this recorder runs shows a neighbour, too. No clock is asked, because
//! clocks step.

use std::collections::HashSet;

use hpcap::raw::RecordingId;

use super::Recording;
use super::scan::Found;
use crate::storage::inode::Inode;

/// The recordings of other recorders that ran at the same time as this one.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    recordings: HashSet<RecordingId>,
    /// The finished files that were there at the first look, and are there still.
    earlier: Option<HashSet<Inode>>,
    /// Whether a recorder has a locked file without a header now, under a name like ours.
    unknown: bool,
    /// Whether another recorder in this folder writes the same recording as this one.
    shared: bool,
}

impl Neighbours {
    /// Looks at all files of the folder.
    pub(super) fn look(&mut self, found: &[Found], own: &Recording) {
        let foreign = || found.iter().filter(|file| own.made(file).is_none());
        let finished = || foreign().filter(|file| !file.part);
        self.unknown = false;
        for file in foreign().filter(|file| file.part && file.locked) {
            match file.recording() {
                id if own.has_id(id) => self.shared = true,
                Some(id) => drop(self.recordings.insert(id)),
                None => self.unknown |= own.names.contains(&file.source),
            }
        }
        let Some(earlier) = &mut self.earlier else {
            self.earlier = Some(finished().map(|file| file.inode).collect());
            return;
        };
        for file in finished().filter(|file| !earlier.contains(&file.inode)) {
            match file.recording() {
                id if own.has_id(id) => self.shared = true,
                id => self.recordings.extend(id),
            }
        }
        // The file system gives the inode number of a removed file to another one.
        let there: HashSet<Inode> = finished().map(|file| file.inode).collect();
        earlier.retain(|inode| there.contains(inode));
    }

    /// Whether a recorder that ran at the same time has written `file`, or may have done so.
    pub(super) fn wrote(&self, file: &Found, own: &Recording) -> bool {
        let is_new = self
            .earlier
            .as_ref()
            .is_some_and(|earlier| !earlier.contains(&file.inode));
        match file.recording() {
            id if own.has_id(id) => self.shared,
            Some(id) => self.unknown || is_new || self.recordings.contains(&id),
            None => self.unknown || is_new,
        }
    }
}
