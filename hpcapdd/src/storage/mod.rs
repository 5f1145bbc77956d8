//! Files of a recording: how they are written, finished, compressed and deleted.

pub mod access;
pub mod closing;
pub mod direct;
pub mod error;
pub mod file;
pub mod finish;
pub mod folder;
pub mod inode;
pub mod retention;
pub mod room;
pub mod sealed;
pub mod tail;
