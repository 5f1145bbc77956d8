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
//!
//! ```
//! use hpcap::{Event, Reason};
//! use hpcap_engine::{Engine, EngineConfig};
//!
//! # fn main() -> hpcap::Result<()> {
//! let config = EngineConfig {
//!     ring_bytes: 4 << 20,
//!     start_on_attach: true,
//!     ..EngineConfig::new("hpcap0".parse()?, "gen:size=100,count=1000".parse()?)
//! };
//! let (engine, _events) = Engine::start(&config)?;
//! let mut stream = engine.queue().record("example")?;
//! let mut frames = 0;
//! while let Some(event) = stream.next()? {
//!     if let Event::Frame(_) = event {
//!         frames += 1;
//!     }
//! }
//! assert_eq!(frames, 1000);
//! assert_eq!(engine.queue().ledger().ledger[Reason::Captured].frames, 1000);
//! engine.stop()?;
//! # Ok(())
//! # }
//! ```

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
