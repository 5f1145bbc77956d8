//! The configuration of hpcap, `/etc/hpcap/hpcap.toml`.
//!
//! [`load`] reads a file and returns a [`Document`]: the typed [`Config`] and the place of each value
//! in the file. Every error names file, line, column, key, the value that was found, and what is
//! allowed; all errors of a file are reported at once. [`keys`] is the one table of all keys. The
//! canonical text of a configuration is its `Display`, and reading it gives the same configuration.
//!
//! [`check`] compares a configuration with a [`machine`], [`propose`] makes one for a machine,
//! [`params`] imports `params.cfg` of the original HPCAP, [`diff`] compares two of them, and [`hot`] is
//! about the settings that a running queue of the kernel module shows in sysfs.
//!
//! ```
//! use hpcap_config::{Document, Level};
//!
//! let document = Document::parse("example.toml", "
//! [[interface]]
//! name = \"eth0\"
//! ring = \"1G\"
//! ").unwrap();
//! assert_eq!(document.config.interfaces[0].ring_bytes, 1 << 30);
//!
//! // All errors of a file come at once, each with its place.
//! let problems = Document::parse("example.toml", "
//! [[interface]]
//! name = \"eth0\"
//! ring = \"huge\"
//! colour = \"blue\"
//! ").unwrap_err();
//! let text = problems.to_string();
//! assert!(text.contains("example.toml:4:8") && text.contains("colour"), "{text}");
//! ```

#![warn(clippy::cast_possible_truncation)]

pub mod check;
pub mod diff;
mod document;
mod file;
pub mod hot;
pub mod keys;
pub mod machine;
pub mod model;
pub mod params;
mod print;
mod problem;
pub mod propose;
mod value;

pub use document::{Document, Finding, Section};
pub use file::{DEFAULT_PATH, load, read_bytes, read_text, save};
pub use machine::Machine;
pub use model::Config;
pub use problem::{Level, Place, Problem, Problems};
pub use value::Refusal;
