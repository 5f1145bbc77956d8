//! What frames pass on their way from a source into the ring: `kmod/core/filter.h` and
//! `kmod/core/dedup.h`, compiled for userspace, behind a safe face.

pub mod filter;
mod window;

pub use window::{Dedup, WindowMemory};
