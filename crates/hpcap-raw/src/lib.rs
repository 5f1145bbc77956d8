//! The RAW format: the content of the ring and of the files.
//!
//! A RAW stream is a sequence of records. Each record is a 12-byte little-endian header (`sec`,
//! `nsec`, `caplen`, `len`) and `caplen` bytes of body. A record whose time is zero is padding.
//! What hpcap adds to the original's format (file headers, gaps, ledgers) is in the bodies of
//! padding.
//!
//! | module | content |
//! |---|---|
//! | [`Reader`], [`Event`], [`Record`] | read a file in any state, and report where it is damaged |
//! | [`tag`] | what hpcap puts into padding |
//! | [`writer`], [`padding`] | write a file |
//! | [`check`], [`repair`] | check a file, and repair it |
//! | [`index`] | finds a time in a file |
//! | [`identity`] | the recording a file belongs to, and its place in that recording |
//! | [`name`], [`part_file`] | names of files and folders; unfinished files |
//! | [`files`] | the files of a recording, in order |
//! | [`content`] | detects the format of a file from its first bytes |
//!
//! Programs use this crate as `hpcap::raw`. A program that only wants the frames of a recording takes
//! `hpcap::Stream`, which reads RAW, pcap and pcapng alike; this crate is for programs that write RAW,
//! or that need the position of each record.
//!
//! # Writing and reading
//!
//! ```
//! use hpcap_raw::{Event, Reader, Writer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut writer = Writer::new(Vec::new());
//! // Seconds and nanoseconds since 1970, length on the wire in bytes, captured bytes.
//! writer.frame(1_700_000_000, 0, 1514, &[0xab; 60])?;
//! // Padding closes the file at a multiple of 4096 bytes.
//! let (bytes, _) = writer.close(4096)?;
//! assert_eq!(bytes.len(), 4096);
//!
//! let mut reader = Reader::new(&bytes[..]);
//! let mut frames = Vec::new();
//! while let Some(event) = reader.next()? {
//!     if let Event::Frame(frame) = event {
//!         frames.push((frame.len, frame.data.len()));
//!     }
//! }
//! assert_eq!(frames, [(1514, 60)]);
//! # Ok(())
//! # }
//! ```
//!
//! [`Reader::range`] says where in the file an event is. A program that has the bytes of records in
//! memory takes them apart with [`split_record`], which judges nothing.
//!
//! The stream of the crate `hpcap` has the events of the same names, for programs that do not care
//! how the format stores them: padding is left out, and the marks before a frame are part of the frame.
//!
//! # Damage
//!
//! A disk that is full, a power cut or a flipped bit damages a file at one place. The reader reports the damaged range
//! as an event and goes on at the next record that is certain: one whose time is near those before it, or from which
//! the lengths of many records lead on. Records after damage are returned only if they are certain, because an invented
//! frame is worse than a missing one.
//!
//! ```
//! # use hpcap_raw::{Event, Reader, Writer};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut writer = Writer::new(Vec::new());
//! # for second in 0..20 { writer.frame(1_700_000_000 + second, 0, 60, &[0xab; 60])?; }
//! # let (mut bytes, _) = writer.close(4096)?;
//! // Twenty frames of 60 bytes, each with a header of 12 bytes. The header of the sixth is destroyed.
//! bytes[5 * 72..5 * 72 + 12].fill(0xff);
//! let mut reader = Reader::new(&bytes[..]);
//! let (mut frames, mut damaged) = (0, 0);
//! while let Some(event) = reader.next()? {
//!     match event {
//!         Event::Frame(_) => frames += 1,
//!         Event::Damaged(damage) => damaged += damage.bytes,
//!         _ => {}
//!     }
//! }
//! // The frame before the damage is lost, too, because nothing confirms its length.
//! assert!(frames >= 18 && damaged <= 2 * 72);
//! # Ok(())
//! # }
//! ```

#![warn(clippy::cast_possible_truncation)]

pub mod check;
pub mod content;
pub mod files;
pub mod identity;
pub mod index;
pub mod name;
pub mod padding;
pub mod part_file;
mod reader;
mod record;
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
pub use reader::Reader;
pub use record::{Event, Record, split_record};
pub use scan::{Damage, DamageKind};
pub use tag::{Altered, FileHeader, Gap, LedgerTag};
pub use writer::{FrameMarks, Placed, Writer, Written};
