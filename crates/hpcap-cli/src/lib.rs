//! Common parts of the command lines of all tools.
//!
//! [`VERSION`] is the text that `--version` prints. [`parse`] parses a command line; for an option
//! that belongs to another tool or has another name here, it prints a hint. A program that asks
//! [`parse`] survives SIGUSR1 ([`survive_sigusr1`]). [`say()`] prints a line to standard error.
//!
//! ```
//! use clap::{CommandFactory, Parser};
//! use hpcap_cli::{Hint, explain};
//!
//! /// A program with one option.
//! #[derive(Debug, Parser)]
//! struct Arguments {
//!     /// Folder to write to
//!     #[arg(long)]
//!     to: Option<String>,
//! }
//!
//! const HINTS: &[Hint] = &[Hint { options: &["-w"], advice: "--to FOLDER says where to write" }];
//!
//! let error = Arguments::try_parse_from(["program", "-w", "x"]).unwrap_err();
//! let text = explain(error.with_cmd(&Arguments::command()), HINTS).to_string();
//! assert!(text.contains("--to FOLDER says where to write"), "{text}");
//! ```

#![warn(clippy::cast_possible_truncation)]

mod hint;
mod say;
mod signal;

pub use hint::{Hint, explain, parse};
pub use say::say;
pub use signal::survive_sigusr1;

/// Version and commit: `0.1.0 (commit 0123456789ab)`.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("HPCAP_BUILD"), ")");

/// The programs that the packages install.
pub const PROGRAMS: [&str; 12] = [
    "checkraw",
    "hpcap-bench",
    "hpcap-diag",
    "hpcap-monitor",
    "hpcap-sniff",
    "hpcap-status",
    "hpcap-tap",
    "hpcapctl",
    "hpcapd",
    "hpcapdd",
    "raw2pcap",
    "rxtxcpu",
];
