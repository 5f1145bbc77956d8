//! What the command lines of all tools have in common.
//!
//! [`VERSION`] is what `--version` says. [`parse`] reads a command line and, where an option belongs
//! to another tool or has another name here, says so.

mod hint;

pub use hint::{Hint, explain, parse};

/// Version and commit: `0.1.0 (commit 0123456789ab)`.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("HPCAP_BUILD"), ")");
