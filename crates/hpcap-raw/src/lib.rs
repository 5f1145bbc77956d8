//! The RAW format: the content of the ring and of the files.
//!
//! A RAW stream is a sequence of records. Each record is a 12-byte little-endian header (`sec`,
//! `nsec`, `caplen`, `len`) and `caplen` bytes of body. A record whose time is zero is padding.
//! What hpcap adds to the original's format (file headers, gaps, ledgers) is in the bodies of
//! padding.
//!
//! | module | content |
//! |---|---|
//! | [`record`], [`tag`] | one record, and what hpcap puts into padding |
//! | [`reader`] | reads a file in any state and reports where it is damaged |
//! | [`writer`], [`padding`] | write a file |
//! | [`check`], [`repair`] | check a file, and repair it |
//! | [`index`] | finds a time in a file |
//! | [`identity`] | the recording a file belongs to, and its place in that recording |
//! | [`name`], [`part_file`] | names of files and folders; unfinished files |
//! | [`files`] | the files of a recording, in order |
//! | [`content`] | detects the format of a file from its first bytes |
//!
//! Programs use this crate as `hpcap::raw`.

#![warn(clippy::cast_possible_truncation)]

pub mod check;
pub mod content;
pub mod files;
pub mod identity;
pub mod index;
pub mod name;
pub mod padding;
pub mod part_file;
pub mod reader;
pub mod record;
pub mod repair;
mod scan;
pub mod tag;
pub mod writer;

#[cfg(not(all(target_endian = "little", target_pointer_width = "64")))]
compile_error!("RAW files are defined for 64-bit little-endian machines");

pub use identity::{Identity, Origin, RecordingId};
pub use index::Index;
pub use name::{FileName, SourceName};
pub use part_file::PartFile;
pub use reader::{Event, Found, Reader};
pub use record::{Item, Record, parse};
pub use scan::{Damage, DamageKind};
pub use tag::{Altered, FileHeader, Gap, LedgerTag};
pub use writer::{Placed, Writer, Written};
