//! The files of the monitor.
//!
//! ```text
//! BASEDIR/2026-48/hpcap0                 the original's log: a line of rates for each sample
//! BASEDIR/2026-48/cpus                   CPUs, memory and the disk of the logs
//! BASEDIR/full/2026-11-29T15Z.jsonl.zst  every counter of every sample
//! BASEDIR/full/2026-11-29T15Z.index      the traffic of that hour by the minute, for reports
//! BASEDIR/events.jsonl                   what began and ended
//! ```
//!
//! A process that is killed, a full disk and a power cut leave at most one cut line, which is removed
//! before the next line is written and which readers skip.

pub mod append;
pub mod full;
pub mod index;
mod logs;
pub mod original;
mod places;
pub mod reader;
pub mod retention;
pub mod week;
pub mod writer;

/// Folder of the full log, below the folder of the logs.
pub const FULL: &str = "full";
/// Name of the log of the machine's load.
pub const CPUS: &str = "cpus";
/// Name of the file of events.
pub const EVENTS: &str = "events.jsonl";
