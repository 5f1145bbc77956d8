//! Checks whether a RAW file conforms to the format, and lists where frames are missing.
//!
//! A check reads the whole file. A *defect* is what the format forbids; a *warning* is allowed, but no capture of a healthy
//! machine has it. A [`Report`] lists the first of both, counts the rest, and has the gaps: missing frames that the file
//! admits are no defect.
//!
//! ```
//! use hpcap_raw::check::Checker;
//! use hpcap_raw::{Reader, Writer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut writer = Writer::new(Vec::new());
//! for second in 0..20 {
//!     writer.frame(1_700_000_000 + second, 0, 60, &[0xab; 60])?;
//! }
//! let (mut bytes, _) = writer.close(4096)?;
//!
//! let check = |bytes: &[u8]| {
//!     let mut lengths = 0;
//!     // No start second from a file's name, and nobody writes this file.
//!     let report = Checker::new().check(Reader::new(bytes), None, false, &mut |frame| {
//!         lengths += u32::from(frame.header.len);
//!         Ok(())
//!     });
//!     report.map(|report| (report, lengths))
//! };
//! let (report, lengths) = check(&bytes)?;
//! assert!(report.is_sound());
//! assert_eq!((report.frames.frames, lengths), (20, 20 * 60));
//!
//! // The header of the sixth record is destroyed.
//! bytes[5 * 72..5 * 72 + 12].fill(0xff);
//! let (report, _) = check(&bytes)?;
//! assert!(!report.is_sound() && report.defects > 0);
//! # Ok(())
//! # }
//! ```

mod events;
mod report;

use std::fs::{File, TryLockError};
use std::io::Read;
use std::path::Path;

pub use report::{Finding, HeaderFacts, Kinds, Missing, Problem, Reasons, Report, Severity};

use crate::index::{Entry, Index};
use crate::name::start_of;
use crate::reader::Reader;
use crate::record::Event;
use hpcap_base::error::{Context, Result};
use hpcap_sys::abi::hpcap_record;

use events::Progress;

/// The header of a frame's record, as [`Checker::check`] passes it to its caller.
#[derive(Debug, Clone, Copy)]
pub struct Passing<'a> {
    /// Offset of the frame's data from the start of the file, in bytes.
    pub body_offset: u64,
    /// The header as stored in the file.
    pub header: &'a hpcap_record,
}

/// Settings of a check.
#[derive(Debug, Clone)]
pub struct Checker {
    findings_max: usize,
    short_frames: bool,
}

impl Default for Checker {
    fn default() -> Self {
        Self {
            findings_max: 20,
            short_frames: true,
        }
    }
}

/// Compares the stored `entries` of an index with those of `built`, which was made from the file. Returns the offset of
/// the first block in which a reader that trusts `entries` would miss a frame.
fn first_hidden(entries: &[Entry], built: &[Entry]) -> Option<u64> {
    let hides = |of: &Entry, is: &Entry| {
        let times = match (of.span, is.span) {
            (Some(of), Some(is)) => of.0 > is.0 || of.1 < is.1,
            (Some(_), None) => true,
            (None, _) => of.time.is_none() && is.time.is_some(),
        };
        times || of.offset != is.offset || of.time != is.time
    };
    let mut pairs = entries.iter().zip(built);
    match pairs.find(|(of, is)| hides(of, is)) {
        Some((_, is)) => Some(is.offset),
        None => built.get(entries.len()).map(|is| is.offset),
    }
}

impl Checker {
    /// Creates a checker that keeps the first 20 findings and gaps of a file, and that warns of
    /// frames shorter than 60 bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps the first `max` defects, the first `max` warnings and the first `max` gaps in a report.
    #[must_use]
    pub fn findings_max(mut self, max: usize) -> Self {
        self.findings_max = max;
        self
    }

    /// Sets whether frames shorter than 60 bytes cause a warning.
    #[must_use]
    pub fn short_frames(mut self, warn: bool) -> Self {
        self.short_frames = warn;
        self
    }

    /// Checks the file at `path`, with the index beside it, and calls `each` with the header of every
    /// frame.
    ///
    /// # Errors
    /// Returns errors of the file system, and those that `each` returns.
    pub fn check_file(
        &self,
        path: &Path,
        each: &mut dyn FnMut(Passing<'_>) -> Result<()>,
    ) -> Result<Report> {
        let tried = || format!("check {}", path.display());
        let file = File::open(path).context(tried)?;
        // A recorder holds the lock of the file that it writes, so a held lock means an unfinished
        // file.
        let under_way = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let reader = Reader::new(file).named(path.display().to_string());
        // The index of a file under way is not there yet, or belongs to another file of that name.
        // Readers ignore an index that cannot be loaded.
        let index = match under_way {
            true => None,
            false => Index::load(path).unwrap_or_default(),
        };
        self.check_with_index(reader, start_of(&name), under_way, index.as_ref(), each)
    }

    /// Checks the source of `reader`. `start_sec` is the start time in the file's name. `under_way`
    /// says that a recorder is still writing the file, which then need not be closed.
    ///
    /// # Errors
    /// Returns errors of reading the source, and those that `each` returns.
    pub fn check<R: Read>(
        &self,
        reader: Reader<R>,
        start_sec: Option<u64>,
        under_way: bool,
        each: &mut dyn FnMut(Passing<'_>) -> Result<()>,
    ) -> Result<Report> {
        self.check_with_index(reader, start_sec, under_way, None, each)
    }

    /// Checks the source of `reader` like [`Checker::check`], and that `index` hides none of its frames.
    ///
    /// # Errors
    /// The errors of [`Checker::check`].
    pub fn check_with_index<R: Read>(
        &self,
        mut reader: Reader<R>,
        start_sec: Option<u64>,
        under_way: bool,
        index: Option<&Index>,
        each: &mut dyn FnMut(Passing<'_>) -> Result<()>,
    ) -> Result<Report> {
        let mut index = index.map(|index| (index, Index::new(index.block_bytes)));
        let mut progress = Progress::new(start_sec);
        progress.report.under_way = under_way;
        while reader.advance()? {
            let offset = reader.range().start;
            // A frame is by far the most frequent event, and is decoded without the others.
            if let (Some(frame), Some(header)) = (reader.frame(), reader.header()) {
                if let Some((_, built)) = &mut index {
                    built.note(offset, Some(frame.time));
                }
                self.frame(&mut progress, offset, &frame, &header);
                let body_offset = offset + size_of::<hpcap_record>() as u64;
                each(Passing {
                    body_offset,
                    header: &header,
                })?;
                continue;
            }
            let Some(event) = reader.event() else {
                continue;
            };
            if let Some((_, built)) = &mut index
                && !matches!(event, Event::Damaged(_))
            {
                built.note(offset, None);
            }
            self.other(&mut progress, &event, reader.range(), reader.header());
        }
        progress.report.file_bytes = reader.offset();
        progress.report.old_variant = reader.is_old_variant();
        // The index of a damaged file describes the file as it was.
        if let Some((index, built)) = &index
            && progress.report.defects == 0
            && let Some(offset) = first_hidden(&index.entries, &built.entries)
        {
            self.find(&mut progress, offset, 0, Problem::WrongIndex);
        }
        if !progress.closed && !under_way {
            self.find(&mut progress, reader.offset(), 0, Problem::NotClosed);
        }
        Ok(progress.report)
    }
}
