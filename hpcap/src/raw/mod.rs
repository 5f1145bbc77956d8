//! The RAW format: what is in the ring and in the files.
//!
//! A stream of records, each a 12-byte little-endian header (`sec`, `nsec`, `caplen`,
//! `len`) and `caplen` bytes. A header whose time is zero is padding; what hpcap adds to
//! the original's format (file headers, gaps, ledgers) stands in the bodies of padding.

pub mod record;
pub mod tag;

pub use record::{Item, Record, parse};
pub use tag::{FileHeader, Gap, LedgerTag};
