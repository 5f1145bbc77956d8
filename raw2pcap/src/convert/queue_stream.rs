//! The files of one recording, one after the other.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use hpcap::raw::{Altered, Damage, Event, Gap, Reader, Record};
use hpcap::{Ledger, Result, Timestamp};

use super::file_info::{FileInfo, OpenFile, OpenOutcome, Origin};
use super::file_range::FileRange;
use super::interface_counts::Interfaces;
use super::range::Range;

/// What a stream has to tell besides its frames.
#[derive(Debug)]
pub(super) enum StreamEvent {
    /// Frames are missing before the next one.
    Gap(Box<Gap>),
    /// A file is damaged.
    Damage {
        /// Which.
        file: String,
        /// Where and how.
        damage: Damage,
        /// Size of the file, where it is known.
        file_bytes: Option<u64>,
    },
    /// A file was deleted before it was converted.
    Deleted,
    /// An index was not used.
    Warning(String),
}

/// The frames of one recording, or of files of one origin that do not say of which recording they
/// are.
pub(super) struct QueueStream {
    origin: Origin,
    files: VecDeque<FileInfo>,
    range: Range,
    reader: Option<Reader<Box<dyn Read>>>,
    file_bytes: Option<u64>,
    /// The open file, where a recorder is writing it, and how far it was looked at again.
    under_way: Option<(Arc<File>, u64)>,
    /// Earliest and latest time of the file before the next one.
    before: Option<(Timestamp, Timestamp)>,
    /// Where the stretch of the open file ends that matters.
    until: u64,
    /// Bytes of the files that are done, and of the one before the stretch.
    done: u64,
    interfaces: Interfaces,
    events: Vec<StreamEvent>,
    /// Whether the current frame is marked as a duplicate.
    duplicate: bool,
    /// What the current frame had that its record cannot hold.
    altered: Option<Altered>,
    /// Earliest and latest time of what was left out because it is out of range.
    seen: Option<(Timestamp, Timestamp)>,
}

/// The times that hold both.
pub(super) fn union(
    a: (Timestamp, Timestamp),
    b: (Timestamp, Timestamp),
) -> (Timestamp, Timestamp) {
    (a.0.min(b.0), a.1.max(b.1))
}

impl QueueStream {
    fn new(files: VecDeque<FileInfo>, range: Range) -> Self {
        let mut interfaces = Interfaces::default();
        if let Some(header) = files.front().and_then(|info| info.header.as_ref()) {
            // Known even where no frame of it is in range.
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
            done: 0,
            interfaces,
            events: Vec::new(),
            duplicate: false,
            altered: None,
            seen: None,
        }
    }

    /// Puts the files of each recording together, in sequence. Where two recorders wrote the same
    /// stretch of a recording, both are converted, and `warn` hears of it.
    pub(super) fn sort(
        files: Vec<FileInfo>,
        range: Range,
        warn: &mut dyn FnMut(&str),
    ) -> Vec<Self> {
        let group = |info: &FileInfo| (info.origin.clone(), info.recording());
        let mut files = files;
        files.sort_by_cached_key(|info| (group(info), info.order()));
        let mut streams: Vec<VecDeque<FileInfo>> = Vec::new();
        let mut first_of_group = 0;
        for info in files {
            let same = |stream: &VecDeque<FileInfo>| {
                stream.back().is_some_and(|b| group(b) == group(&info))
            };
            if !streams.get(first_of_group).is_some_and(same) {
                first_of_group = streams.len();
            }
            let free = streams[first_of_group..]
                .iter_mut()
                .find(|stream| stream.back().is_none_or(|before| !info.overlaps(before)));
            if let Some(stream) = free {
                stream.push_back(info);
                continue;
            }
            if let Some(twin) = streams.get(first_of_group).and_then(|stream| stream.back()) {
                warn(&format!(
                    "{} and {} have a stretch of the same recording: its frames are converted \
                     twice",
                    twin.input.name(),
                    info.input.name()
                ));
            }
            streams.push(VecDeque::from([info]));
        }
        // Ids are random: the order of recordings is that of their starts.
        streams.sort_by_cached_key(|stream| {
            let first = stream.front();
            first.map(|info| (info.origin.clone(), info.start(), info.input.name()))
        });
        streams
            .into_iter()
            .map(|files| Self::new(files, range))
            .collect()
    }

    /// What it was recorded of.
    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether it has a file open.
    pub(super) fn is_open(&self) -> bool {
        self.reader.is_some()
    }

    /// A time that no frame of it is before, as far as is known before a file is opened.
    pub(super) fn earliest(&self) -> Timestamp {
        let first = self.files.front().and_then(|info| info.first);
        first.unwrap_or_default()
    }

    /// Moves on to the next frame in range; `false` at the end.
    pub(super) fn advance(&mut self) -> Result<bool> {
        let mut marked = false;
        let mut altered = None;
        loop {
            let Some(reader) = &mut self.reader else {
                if !self.open_next()? {
                    return Ok(false);
                }
                continue;
            };
            let goes_on = reader.advance()?;
            // A mark is of the very next record.
            let duplicate = std::mem::take(&mut marked);
            if let Some(frame) = reader.frame().filter(|_| reader.offset() < self.until) {
                self.interfaces.frame(frame.len);
                if self.range.contains(frame.time) {
                    self.duplicate = duplicate;
                    self.altered = altered;
                    return Ok(true);
                }
                altered = None;
                let time = (frame.time, frame.time);
                self.seen = Some(self.seen.map_or(time, |seen| union(seen, time)));
                continue;
            }
            let Some(found) = reader
                .current()
                .filter(|f| goes_on && f.offset < self.until)
            else {
                self.close();
                continue;
            };
            match found.event {
                Event::Frame(_) | Event::Padding => {}
                // A mark may stand between it and its frame.
                Event::Altered(had) => altered = Some(had),
                Event::Duplicate => marked = true,
                Event::FileHeader(tag) => self.interfaces.header(&tag),
                Event::Gap(gap) => {
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
                Event::Ledger(tag) => self.interfaces.ledger(&tag),
                Event::Damage(damage) => {
                    altered = None;
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
        let mut warn = |text: &str| warnings.push(StreamEvent::Warning(text.to_owned()));
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
                    part,
                    bytes,
                    under_way,
                } = *open;
                self.file_bytes = bytes;
                self.until = part.1;
                self.under_way = under_way.map(|file| (file, 0));
                if let Some(header) = &info.header {
                    self.interfaces.header(header);
                }
                self.reader = Some(reader);
            }
        }
        Ok(true)
    }

    fn close(&mut self) {
        let offset = self.reader.take().map_or(0, |reader| reader.offset());
        self.done += self.file_bytes.unwrap_or(offset);
        self.interfaces.settle();
    }

    /// The frame that [`QueueStream::advance`] moved to.
    #[inline]
    pub(super) fn frame(&self) -> Option<Record<'_>> {
        self.reader.as_ref()?.frame()
    }

    /// Its time.
    #[inline]
    pub(super) fn time(&self) -> Timestamp {
        self.frame().map(|frame| frame.time).unwrap_or_default()
    }

    /// Whether it is marked as a copy of an earlier one.
    #[inline]
    pub(super) fn is_duplicate(&self) -> bool {
        self.duplicate
    }

    /// What the frame had that its record cannot hold.
    #[inline]
    pub(super) fn altered(&self) -> Option<Altered> {
        self.altered
    }

    /// Its interfaces: a version of each filter and capture length.
    #[inline]
    pub(super) fn interfaces(&self) -> &Interfaces {
        &self.interfaces
    }

    /// Bytes read so far.
    #[inline]
    pub(super) fn position(&self) -> u64 {
        self.done + self.reader.as_ref().map_or(0, Reader::offset)
    }

    /// Whether there is something to tell.
    #[inline]
    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// What is to be told, once.
    pub(super) fn take_events(&mut self) -> Vec<StreamEvent> {
        std::mem::take(&mut self.events)
    }

    /// Earliest and latest time of what was left out because it is out of range, at least.
    pub(super) fn seen(&self) -> Option<(Timestamp, Timestamp)> {
        self.seen
    }

    /// What the queue counted during all its files, as far as they say.
    pub(super) fn ledger(&self) -> Ledger {
        let mut sum = Ledger::default();
        for counted in self.interfaces.all() {
            sum += &counted.ledger;
        }
        sum
    }
}

/// The file to read again from `damage` on, where a recorder is writing it: what was read may
/// be older than what stands there now. Each place is looked at again once.
fn file_to_reread(under_way: &mut Option<(Arc<File>, u64)>, damage: &Damage) -> Option<Arc<File>> {
    let (file, looked_at) = under_way.as_mut()?;
    let end = damage.offset + damage.bytes;
    if end <= *looked_at {
        return None;
    }
    *looked_at = end;
    Some(Arc::clone(file))
}
