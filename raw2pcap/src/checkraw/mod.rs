//! Checks RAW files for defects and missing frames, and repairs damaged files.

mod cli;
mod file_checker;
mod print;
mod sizes;
mod total;
mod warnings;

pub use cli::{Cli, HINTS};
