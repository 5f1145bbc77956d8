//! The stages between a source and the ring, as safe types around the C code that the kernel module
//! runs, too: `kmod/core/filter.h`, `kmod/core/dedup.h` and `kmod/core/pipeline.h`.

pub mod filter;
mod pipeline;
mod window;

pub(crate) use pipeline::start_batch;
pub use window::Dedup;
