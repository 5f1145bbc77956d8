//! The RAW format: what is in the ring and in the files.
//!
//! A stream of records, each a 12-byte little-endian header (`sec`, `nsec`, `caplen`,
//! `len`) and `caplen` bytes. A header whose time is zero is padding; what hpcap adds to
//! the original's format (file headers, gaps, ledgers) stands in the bodies of padding.
//!
//! | module | is |
//! |---|---|
//! | [`record`], [`tag`] | one record, and what hpcap puts into padding |
//! | [`reader`] | reading a file, whatever its state, and saying where it is damaged |
//! | [`writer`], [`padding`] | writing a file |
//! | [`check`], [`repair`] | is a file sound, and making it so |
//! | [`index`] | finding a time in a file |
//! | [`identity`] | which recording a file belongs to, and its place in it |
//! | [`name`], [`part_file`] | names of files and folders; files under way |
//! | [`files`] | the files of a recording, in order |

pub mod check;
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
pub mod sink;
pub mod tag;
pub mod writer;

pub use identity::{Identity, Origin, RecordingId};
pub use index::Index;
pub use name::{FileName, SourceName};
pub use part_file::PartFile;
pub use reader::{Event, Found, Reader};
pub use record::{Item, Record, parse};
pub use scan::{Damage, DamageKind};
pub use tag::{Altered, FileHeader, Gap, LedgerTag};
pub use writer::{Placed, Writer, Written};
