//! The files that this process made.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use crate::storage::inode::Inode;

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
    pub(super) fn remove(&self, inode: Inode) {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.remove(&inode);
    }

    /// Number of the file in the order of creation, if this process made it.
    pub(super) fn number(&self, inode: Inode) -> Option<u64> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.get(&inode).copied()
    }
}
