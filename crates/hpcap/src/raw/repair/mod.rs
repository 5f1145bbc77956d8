//! Making a damaged file sound, without losing a byte of it.
//!
//! A plan is made by reading the file; it can be shown and need not be carried out. What it
//! changes:
//!
//! - a record that the file's end cuts keeps its time, its length and the bytes that are
//!   there: its `caplen` becomes their number;
//! - a stretch that is no records is covered with padding, which readers skip, and starts with
//!   a gap record where one fits. Only headers are written, the bytes between stay;
//! - lengths and times that contradict the format get the value that readers assume;
//! - closing padding is appended, and `.raw.part` becomes `.raw`.
//!
//! Carry out plans until there is nothing to do: where bytes were left out, what follows may
//! read differently.
//!
//! What is changed is first written to a journal, `<file>.repair`, which [`undo()`] takes back. Only
//! what is RAW beyond doubt is touched. Where stray bytes (1 to 11)
//! stand between records, for which no padding is short enough, the file is written anew
//! without them and the old one is kept as `<file>.damaged`.

mod apply;
mod certain;
mod journal;
mod plan;
mod undo;

pub use apply::{Outcome, apply};
pub use plan::{Change, Plan, plan};
pub use undo::{Undone, undo};
