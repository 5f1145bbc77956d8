//! The stages between a source and the ring, as safe types around the C code that the kernel module
//! runs, too: `kmod/core/filter.h`, `kmod/core/dedup.h` and `kmod/core/pipeline.h`.
//!
//! ```
//! use hpcap::dedup::DedupSettings;
//! use hpcap_engine::stages::Dedup;
//!
//! # fn main() -> hpcap::Result<()> {
//! // Link type 1 is Ethernet.
//! let mut window = Dedup::new(DedupSettings::default(), 1)?;
//! let mut settings = *window.settings();
//! settings.renew = !settings.renew;
//! assert!(window.change(&settings));
//! // Another length needs another window.
//! settings.window *= 2;
//! assert!(!window.change(&settings));
//! # Ok(())
//! # }
//! ```

pub mod filter;
mod pipeline;
mod window;

pub(crate) use pipeline::start_batch;
pub use window::Dedup;
