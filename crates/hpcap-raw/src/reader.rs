//! Reads a RAW file, in whatever state the file is, in bounded memory.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use crate::content::Content;
use crate::record::{Event, Record, header, split_record};
use crate::scan::{Damage, DamageKind, Scan, Step};
use hpcap_base::error::{Context, Error, Kind, Result};
use hpcap_base::time::Timestamp;
use hpcap_base::window::{READ_BYTES, Window};
use hpcap_sys::abi::{HPCAP_RECORD_BYTES, hpcap_record};

/// The most bytes that the scan looks ahead.
const WINDOW_BYTES_MAX: usize = (1 << 20) - READ_BYTES;
const HEADER: u64 = HPCAP_RECORD_BYTES as u64;

/// Reads the records of a file one after the other and reports ranges without records as damage.
///
/// The reader accepts everything that hpcap and the original write or leave behind: padding
/// anywhere and with any content, files without closing padding, files cut within their last
/// record, and the older variant of records without a second length. Damage is an event, not an
/// error; reading continues at the next record that is certain. The first call refuses a source
/// whose first bytes are those of another format (see [`Content`]).
#[derive(Debug)]
pub struct Reader<R> {
    window: Window<R>,
    scan: Scan,
    /// Length of the current record in bytes; 0 when the reader is not at a record.
    record: usize,
    current: Current,
    /// A step that was already found and that the next call returns.
    stash: Option<Step>,
    /// Whether the format was found by the first bytes, or is known without them.
    recognised: bool,
}

/// The reader's position when it is not at a record.
#[derive(Debug, Clone, Copy)]
enum Current {
    /// Before the first event, or at the end.
    Nothing,
    /// The step that starts at the unread bytes of the window.
    Step(Step),
    /// Zero bytes that have already been consumed.
    Zeros { offset: u64, bytes: u64 },
}

impl Reader<File> {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// Returns errors of the file system.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).context(|| format!("open {}", path.display()))?;
        Ok(Self::new(file).named(path.display().to_string()))
    }
}

impl<R: Read> Reader<R> {
    /// Creates a reader that starts at the first byte of `source`.
    #[must_use]
    pub fn new(source: R) -> Self {
        Self {
            window: Window::new(source, "RAW data".into(), WINDOW_BYTES_MAX),
            scan: Scan::default(),
            record: 0,
            current: Current::Nothing,
            stash: None,
            recognised: false,
        }
    }

    /// Sets the name of the source in error messages.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.window.set_name(name.into());
        self
    }

    /// Sets the offset in the file, in bytes, at which `source` starts; a record should start
    /// there.
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.window.set_offset(offset);
        self.recognised = offset != 0;
        self
    }

    /// The name of the source in error messages.
    #[must_use]
    pub fn name(&self) -> &str {
        self.window.name()
    }

    /// Offset of the next unread byte from the start of the file; at the end, the file's size.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.window.offset()
    }

    /// Advances to the next event and returns it; `None` at the end of the file.
    ///
    /// # Errors
    /// Returns errors of reading from the source, and [`Kind::Format`] for a source in another
    /// format.
    #[expect(
        clippy::should_implement_trait,
        reason = "it lends, an iterator cannot"
    )]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Event<'_>>> {
        self.advance()?;
        Ok(self.event())
    }

    /// Advances to the next event; returns `false` at the end of the file.
    ///
    /// # Errors
    /// Returns errors of reading from the source, and [`Kind::Format`] for a source in another
    /// format.
    #[inline]
    pub fn advance(&mut self) -> Result<bool> {
        if self.record != 0 {
            self.window.consume(self.record);
            self.record = 0;
            if self.stash.is_none() {
                let window = self.window.bytes();
                if let Some(bytes) = self.scan.quick(window, self.window.is_last()) {
                    self.record = bytes;
                    return Ok(true);
                }
            }
        }
        self.advance_slowly()
    }

    /// Refuses a source that certainly holds another format.
    #[cold]
    fn recognise(&mut self) -> Result<()> {
        self.window.fill(Content::HEAD_BYTES)?;
        let content = Content::of(self.window.bytes());
        self.recognised = true;
        if !content.is_foreign() {
            return Ok(());
        }
        let tried = format!("read {} as RAW", self.name());
        let error = Error::new(Kind::Format, tried, format!("it is {}", content.name()));
        Err(match content.advice() {
            Some(advice) => error.advise(advice),
            None => error,
        })
    }

    fn advance_slowly(&mut self) -> Result<bool> {
        if !self.recognised {
            self.recognise()?;
        }
        if let Current::Step(Step::Padding { bytes: skip } | Step::Damage { skip, .. }) =
            self.current
        {
            self.window.consume(skip);
        }
        self.current = Current::Nothing;
        // Offset and length of the zero bytes that this call consumed.
        let mut zeros = (self.offset(), 0);
        loop {
            let step = match self.stash.take() {
                Some(step) => step,
                None => {
                    let window = self.window.bytes();
                    match self.scan.quick(window, self.window.is_last()) {
                        Some(bytes) => Step::Record { bytes },
                        None => self
                            .scan
                            .step(window, self.window.offset(), self.window.is_last()),
                    }
                }
            };
            match step {
                Step::More(bytes) => self.window.fill(bytes)?,
                Step::Skip(bytes) => self.window.consume(bytes),
                Step::Zeros { bytes } => {
                    zeros.1 += bytes as u64;
                    self.window.consume(bytes);
                }
                step if zeros.1 > 0 => {
                    self.stash = Some(step);
                    self.current = Current::Zeros {
                        offset: zeros.0,
                        bytes: zeros.1,
                    };
                    return Ok(true);
                }
                Step::Record { bytes } => {
                    self.record = bytes;
                    return Ok(true);
                }
                Step::End => return Ok(false),
                step => {
                    self.current = Current::Step(step);
                    return Ok(true);
                }
            }
        }
    }

    /// The event that [`Reader::advance`] moved to; `None` before the first event, and at the end.
    #[must_use]
    #[inline]
    pub fn event(&self) -> Option<Event<'_>> {
        if self.record != 0 {
            return Some(match self.frame() {
                Some(frame) => Event::Frame(frame),
                None => split_record(self.bytes()).map_or(Event::Padding(&[]), |(event, _)| event),
            });
        }
        match self.current {
            Current::Step(Step::Padding { .. }) => Some(Event::Padding(&[])),
            Current::Step(Step::Damage { damage, .. }) => Some(Event::Damaged(damage)),
            // Zeros of the length of one header are an empty padding record.
            Current::Zeros { bytes: HEADER, .. } => Some(Event::Padding(&[])),
            Current::Zeros { offset, bytes } => Some(Event::Damaged(Damage {
                offset,
                bytes,
                kind: DamageKind::Unwritten,
            })),
            Current::Nothing | Current::Step(_) => None,
        }
    }

    /// The bytes of the file that the current event occupies, header included; empty before the
    /// first event, and at the end.
    #[must_use]
    #[inline]
    pub fn range(&self) -> Range<u64> {
        let (start, bytes) = match self.current {
            _ if self.record != 0 => (self.offset(), self.record as u64),
            Current::Step(Step::Padding { bytes }) => (self.offset(), bytes as u64),
            Current::Step(Step::Damage { damage, .. }) => (damage.offset, damage.bytes),
            Current::Zeros { offset, bytes } => (offset, bytes),
            Current::Nothing | Current::Step(_) => (self.offset(), 0),
        };
        start..start + bytes
    }

    /// The frame that [`Reader::advance`] moved to; `None` when the event is not a frame. Faster
    /// than [`Reader::event`], with the same result.
    #[must_use]
    #[inline]
    pub fn frame(&self) -> Option<Record<'_>> {
        let record = self.bytes();
        let h = header(record).filter(|h| !h.is_padding())?;
        let data = record.get(HPCAP_RECORD_BYTES..)?;
        let old = h.len == 0 && self.scan.is_old();
        Some(Record {
            time: Timestamp::new(h.sec, h.nsec),
            len: if old { h.caplen } else { h.len },
            data,
        })
    }

    /// The header of the current record as stored in the file; `None` when the reader is not at a
    /// record.
    #[must_use]
    #[inline]
    pub fn header(&self) -> Option<hpcap_record> {
        match self.current {
            Current::Step(Step::Padding { .. }) => header(self.window.bytes()),
            _ => header(self.bytes()),
        }
    }

    /// The bytes of the current record; empty when the reader is not at a record.
    #[inline]
    fn bytes(&self) -> &[u8] {
        &self.window.bytes()[..self.record]
    }

    /// Whether the file has the older variant of records, with one 32-bit length. The first frame
    /// decides this. The reader reports the `caplen` of such a record as its `len`.
    #[must_use]
    pub fn is_old_variant(&self) -> bool {
        self.scan.is_old()
    }
}
