//! Are RAW files sound, where are frames missing, and making damaged ones sound.

mod cli;
mod print;
mod sizes;
mod total;
mod warnings;
mod work;

pub use cli::{Cli, HINTS};
