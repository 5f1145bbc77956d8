//! The userspace producer of a queue.
//!
//! | module | is |
//! |---|---|
//! | [`stages`] | filter and removal of duplicates, between the two |
//! | [`source`] | where frames come from: interfaces, files, the generator |
//! | [`ring`] | the producer of `kmod/core/ring.h`, and the shared memory that it fills |
//! | [`engine`] | one queue with its poll thread, and listeners in this process |
//! | [`daemon`] | `hpcapd`: engines behind sockets, for listeners in other processes |

pub mod daemon;
pub mod engine;
mod poll;
pub mod ring;
mod server;
pub mod source;
pub mod stages;

pub use engine::{Engine, EngineConfig};
