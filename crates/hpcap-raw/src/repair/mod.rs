//! Repairs a damaged file without losing a byte of it.
//!
//! A plan is made by reading the file. A program can show the plan to the user and need not carry
//! it out. A plan changes the following:
//!
//! - A record that the end of the file cuts keeps its time, its length and the bytes that are in
//!   the file; its `caplen` becomes the number of these bytes.
//! - A range without records is covered with padding, which readers skip. The padding starts with a
//!   gap record if one fits. Only headers are written; the bytes between them stay.
//! - Lengths and times that contradict the format get the values that readers assume.
//! - Closing padding is appended, and `.raw.part` is renamed to `.raw`.
//!
//! Repeat planning and repairing until a plan is empty: after stray bytes have been removed, the
//! records after them can read differently.
//!
//! Before the file is changed, the changes are written to a journal, `<file>.repair`, from which
//! [`undo()`] restores the file. Only a file that certainly is RAW is changed. Between records, 1
//! to 11 stray bytes are too few for padding; then a new file is written without them, and the
//! original is kept as `<file>.damaged`.

mod apply;
mod certain;
mod journal;
mod plan;
mod undo;

pub use apply::{Outcome, apply};
pub use plan::{Change, Plan, plan};
pub use undo::{Undone, undo};
