//! Are RAW files sound, where are frames missing, and making damaged ones sound.

mod cli;
mod file_checker;
mod print;
mod sizes;
mod total;
mod warnings;

pub use cli::{Cli, HINTS};
