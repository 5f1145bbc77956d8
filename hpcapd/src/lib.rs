//! The daemon `hpcapd` serves the frames of network interfaces, files and generators to other
//! programs.
//!
//! The library exists so that the generator of man pages and completions can read the command line;
//! [`run`] is the whole program.

#![warn(clippy::cast_possible_truncation)]

pub mod cli;
mod daemon;
mod reporter;
mod server;
mod socket;

pub use daemon::run;
