//! The frames of one recording, read from its files in sequence.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use hpcap::pcapfile::Marks;
use hpcap::raw::{Damage, Event, Gap, Reader, Record};
use hpcap::{Ledger, Result, Timestamp};

use super::file_info::{FileInfo, Origin};
use super::file_range::FileRange;
use super::interface_counts::Interfaces;
use super::open_file::{FileParts, OpenFile, OpenOutcome};
use super::range::Range;

/// An event of a stream that is not a frame.
#[derive(Debug)]
pub(super) enum StreamEvent {
    /// Frames are missing before the next one.
    Gap(Box<Gap>),
    /// Part of a file is damaged.
    Damage {
        /// Name of the file.
        file: String,
        /// Place and kind of the damage.
        damage: Damage,
        /// Size of the file in bytes, if it is known.
        file_bytes: Option<u64>,
    },
    /// A file was deleted before it was read.
    Deleted,
    /// The index of a file does not match the file and was not used.
    BadIndex(String),
}

/// The frames of one recording, or of files of one origin without a recording id.
pub(super) struct QueueStream {
    origin: Origin,
    files: VecDeque<FileInfo>,
    range: Range,
    reader: Option<Reader<Box<dyn Read>>>,
    file_bytes: Option<u64>,
    /// The open file if a recorder is writing it, and the offset up to which damage was reread.
    under_way: Option<(Arc<File>, u64)>,
    /// Earliest and latest time of the previous file.
    before: Option<(Timestamp, Timestamp)>,
    /// Offset in the open file before which the reader ends.
    until: u64,
    /// Parts of the open file behind `until` that are still to be read.
    parts: FileParts,
    /// Bytes of the files that are finished.
    done: u64,
    interfaces: Interfaces,
    events: Vec<StreamEvent>,
    /// What the tags before the current frame say of it.
    marks: Marks,
    /// Earliest and latest time of the frames outside the range.
    seen: Option<(Timestamp, Timestamp)>,
}

/// Returns the smallest span that contains both spans.
pub(super) fn union(
    a: (Timestamp, Timestamp),
    b: (Timestamp, Timestamp),
) -> (Timestamp, Timestamp) {
    (a.0.min(b.0), a.1.max(b.1))
}

impl QueueStream {
    /// Creates a stream of `files`, which are in sequence.
    pub(super) fn new(files: VecDeque<FileInfo>, range: Range) -> Self {
        let mut interfaces = Interfaces::default();
        if let Some(header) = files.front().and_then(|info| info.header.as_ref()) {
            // The output describes the interface even if no frame is in the range.
            interfaces.describe(header);
        }
        Self {
            origin: files
                .front()
                .map_or(Origin::Unknown(String::new()), |info| info.origin.clone()),
            files,
            range,
            reader: None,
            file_bytes: None,
            under_way: None,
            before: None,
            until: u64::MAX,
            parts: FileParts::default(),
            done: 0,
            interfaces,
            events: Vec::new(),
            marks: Marks::default(),
            seen: None,
        }
    }

    /// Returns the origin of the frames of the stream.
    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether a file of the stream is open.
    pub(super) fn is_open(&self) -> bool {
        self.reader.is_some()
    }

    /// Returns the time of the first frame of the first file that is not open yet.
    pub(super) fn earliest(&self) -> Timestamp {
        let first = self.files.front().and_then(|info| info.first);
        first.unwrap_or_default()
    }

    /// Reads up to the next frame in the range; `false` at the end of the stream.
    pub(super) fn advance(&mut self) -> Result<bool> {
        let mut marked = false;
        let mut altered = None;
        let mut sent = false;
        loop {
            let Some(reader) = &mut self.reader else {
                if !self.open_next()? {
                    return Ok(false);
                }
                continue;
            };
            let goes_on = reader.advance()?;
            // A duplicate mark belongs to the next record only.
            let duplicate = std::mem::take(&mut marked);
            if let Some(frame) = reader.frame().filter(|_| reader.offset() < self.until) {
                self.interfaces.frame(frame.len);
                if self.range.contains(frame.time) {
                    self.marks = Marks {
                        duplicate,
                        sent,
                        altered,
                    };
                    return Ok(true);
                }
                altered = None;
                sent = false;
                let time = (frame.time, frame.time);
                self.seen = Some(self.seen.map_or(time, |seen| union(seen, time)));
                continue;
            }
            let is_wanted = goes_on && reader.range().start < self.until;
            let Some(event) = reader.event().filter(|_| is_wanted) else {
                // A tag at the end of a part belongs to a frame that is outside the range.
                altered = None;
                sent = false;
                self.close();
                continue;
            };
            match event {
                Event::Frame(_) | Event::Padding(_) => {}
                // Other tags may stand between this tag and its frame.
                Event::Altered(had) => altered = Some(had),
                Event::Duplicate => marked = true,
                Event::Sent => sent = true,
                Event::FileStart(tag) => self.interfaces.header(&tag),
                Event::Missed(gap) => {
                    self.interfaces.gap(&gap.lost);
                    let before = self.range.from.is_some_and(|from| gap.until < from);
                    let after = match (self.range.to, gap.from) {
                        (Some(to), Some(from)) => from > to,
                        _ => false,
                    };
                    if !before && !after {
                        self.events.push(StreamEvent::Gap(gap));
                    }
                }
                Event::FileEnd(tag) => self.interfaces.ledger(&tag),
                Event::Damaged(damage) => {
                    altered = None;
                    sent = false;
                    if let Some(again) = file_to_reread(&mut self.under_way, &damage) {
                        let end = self.file_bytes.unwrap_or(u64::MAX);
                        let source: Box<dyn Read> =
                            Box::new(FileRange::new(again, damage.offset, end));
                        let name = reader.name().to_owned();
                        *reader = Reader::new(source).named(name).at(damage.offset);
                        continue;
                    }
                    let file = reader.name().to_owned();
                    let file_bytes = self.file_bytes;
                    self.events.push(StreamEvent::Damage {
                        file,
                        damage,
                        file_bytes,
                    });
                }
            }
        }
    }

    fn open_next(&mut self) -> Result<bool> {
        let Some(info) = self.files.pop_front() else {
            return Ok(false);
        };
        let mut warnings = Vec::new();
        let mut warn = |text: &str| warnings.push(StreamEvent::BadIndex(text.to_owned()));
        let opening = info.open(&self.range, self.before, self.files.front(), &mut warn)?;
        self.events.append(&mut warnings);
        self.before = info.span();
        if let Some(span) = self.before {
            self.seen = Some(self.seen.map_or(span, |seen| union(seen, span)));
        }
        match opening {
            OpenOutcome::Outside => self.done += info.bytes,
            OpenOutcome::Deleted => {
                self.done += info.bytes;
                self.events.push(StreamEvent::Deleted);
            }
            OpenOutcome::Open(open) => {
                let OpenFile {
                    reader,
                    until,
                    parts,
                    bytes,
                    under_way,
                } = *open;
                self.file_bytes = bytes;
                self.until = until;
                self.parts = parts;
                self.under_way = under_way.map(|file| (file, 0));
                if let Some(header) = &info.header {
                    self.interfaces.header(header);
                }
                self.reader = Some(reader);
            }
        }
        Ok(true)
    }

    /// Goes on with the next part of the file, or closes the file behind its last part.
    fn close(&mut self) {
        if let Some((reader, until)) = self.parts.next() {
            self.reader = Some(reader);
            self.until = until;
            return;
        }
        let offset = self.reader.take().map_or(0, |reader| reader.offset());
        self.done += self.file_bytes.unwrap_or(offset);
        self.interfaces.settle();
    }

    /// Returns the frame that [`QueueStream::advance`] read.
    #[inline]
    pub(super) fn frame(&self) -> Option<Record<'_>> {
        self.reader.as_ref()?.frame()
    }

    /// Returns the time of the current frame.
    #[inline]
    pub(super) fn time(&self) -> Timestamp {
        self.frame().map(|frame| frame.time).unwrap_or_default()
    }

    /// Returns what the tags before the current frame say of it.
    #[inline]
    pub(super) fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Returns the interfaces: one for each combination of filter and caplen.
    #[inline]
    pub(super) fn interfaces(&self) -> &Interfaces {
        &self.interfaces
    }

    /// Returns the number of bytes read so far.
    #[inline]
    pub(super) fn position(&self) -> u64 {
        self.done + self.reader.as_ref().map_or(0, Reader::offset)
    }

    /// Whether events wait for [`QueueStream::take_events`].
    #[inline]
    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Removes and returns the events.
    pub(super) fn take_events(&mut self) -> Vec<StreamEvent> {
        std::mem::take(&mut self.events)
    }

    /// Returns a span of the frames outside the range; frames in skipped files may be earlier or
    /// later.
    pub(super) fn seen(&self) -> Option<(Timestamp, Timestamp)> {
        self.seen
    }

    /// Returns the sum of the ledgers of all files.
    pub(super) fn ledger(&self) -> Ledger {
        let mut sum = Ledger::default();
        for counted in self.interfaces.all() {
            sum += &counted.ledger;
        }
        sum
    }
}

/// Returns the file to reread from `damage` on if a recorder is writing it, because the recorder
/// may have written the bytes since they were read. Each place is reread once.
fn file_to_reread(under_way: &mut Option<(Arc<File>, u64)>, damage: &Damage) -> Option<Arc<File>> {
    let (file, looked_at) = under_way.as_mut()?;
    let end = damage.offset + damage.bytes;
    if end <= *looked_at {
        return None;
    }
    *looked_at = end;
    Some(Arc::clone(file))
}
