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
//!
//! ```
//! use hpcap_raw::Writer;
//! use hpcap_raw::repair::{apply, plan, undo};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("noon.raw");
//! let mut writer = Writer::new(Vec::new());
//! writer.header(&Default::default())?;
//! for second in 0..100 {
//!     writer.frame(1_700_000_000 + second, 0, 60, &[0xab; 60])?;
//! }
//! let (bytes, _) = writer.close(4096)?;
//! // The power failed in the middle of a record.
//! std::fs::write(&path, &bytes[..4000])?;
//!
//! let wanted = plan(&path)?;
//! assert!(!wanted.is_empty());
//! for step in &wanted.steps {
//!     println!("{step}");
//! }
//! let done = apply(&path, &wanted)?;
//! assert!(plan(&done.path)?.is_empty());
//!
//! undo(&done.path)?;
//! assert_eq!(std::fs::read(&path)?, &bytes[..4000]);
//! # Ok(())
//! # }
//! ```

mod apply;
mod certain;
mod journal;
mod plan;
mod undo;

pub use apply::{Outcome, apply};
pub use plan::{Change, Plan, plan};
pub use undo::{Undone, undo};
