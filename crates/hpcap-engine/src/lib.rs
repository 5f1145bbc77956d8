//! The userspace producer of a queue.
//!
//! | module | contents |
//! |---|---|
//! | [`stages`] | the capture filter and the duplicate filter, between a source and the ring |
//! | [`ring`] | the producer of `kmod/core/ring.h`, and the shared memory that it fills |
//! | [`engine`] | one queue with its poll thread, and listeners in this process |
//!
//! The frames come from a source of the crate `hpcap-source`. The daemon `hpcapd` puts engines behind
//! sockets, for listeners in other processes; a program may also hold an engine itself.

#![warn(clippy::cast_possible_truncation)]

mod config;
mod description;
pub mod engine;
mod event;
mod poll;
pub mod ring;
mod server;
pub mod stages;

pub use config::EngineConfig;
pub use description::SOFTWARE;
pub use engine::Engine;
pub use event::{Event, Events};
