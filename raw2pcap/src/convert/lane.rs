//! The files of one recording, one after the other.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use hpcap::raw::{Altered, Damage, Event, Gap, Reader, Record};
use hpcap::{Ledger, Result, Timestamp};

use super::counted::Interfaces;
use super::head::{Head, Open, Opening, Origin};
use super::range::Range;
use super::stretch::Stretch;

/// What a lane has to tell besides its frames.
#[derive(Debug)]
pub(super) enum News {
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
pub(super) struct Lane {
    origin: Origin,
    files: VecDeque<Head>,
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
    news: Vec<News>,
    /// Whether the current frame is marked as a duplicate.
    duplicate: bool,
    /// What the current frame had that its record cannot hold.
    altered: Option<Altered>,
    /// Earliest and latest time of what was left out because it is out of range.
    seen: Option<(Timestamp, Timestamp)>,
}

/// The times that hold both.
pub(super) fn wider(
    a: (Timestamp, Timestamp),
    b: (Timestamp, Timestamp),
) -> (Timestamp, Timestamp) {
    (a.0.min(b.0), a.1.max(b.1))
}

impl Lane {
    fn new(files: VecDeque<Head>, range: Range) -> Self {
        let mut interfaces = Interfaces::default();
        if let Some(header) = files.front().and_then(|head| head.header.as_ref()) {
            // Known even where no frame of it is in range.
            interfaces.describe(header);
        }
        Self {
            origin: files
                .front()
                .map_or(Origin::Unknown(String::new()), |head| head.origin.clone()),
            files,
            range,
            reader: None,
            file_bytes: None,
            under_way: None,
            before: None,
            until: u64::MAX,
            done: 0,
            interfaces,
            news: Vec::new(),
            duplicate: false,
            altered: None,
            seen: None,
        }
    }

    /// Puts the files of each recording together, in sequence. Where two recorders wrote the same
    /// stretch of a recording, both are converted, and `warn` hears of it.
    pub(super) fn sort(heads: Vec<Head>, range: Range, warn: &mut dyn FnMut(&str)) -> Vec<Self> {
        let group = |head: &Head| (head.origin.clone(), head.recording());
        let mut heads = heads;
        heads.sort_by_cached_key(|head| (group(head), head.order()));
        let mut lanes: Vec<VecDeque<Head>> = Vec::new();
        let mut first_of_group = 0;
        for head in heads {
            let same =
                |lane: &VecDeque<Head>| lane.back().is_some_and(|b| group(b) == group(&head));
            if !lanes.get(first_of_group).is_some_and(same) {
                first_of_group = lanes.len();
            }
            let free = lanes[first_of_group..]
                .iter_mut()
                .find(|lane| lane.back().is_none_or(|before| !head.overlaps(before)));
            if let Some(lane) = free {
                lane.push_back(head);
                continue;
            }
            if let Some(twin) = lanes.get(first_of_group).and_then(|lane| lane.back()) {
                warn(&format!(
                    "{} and {} have a stretch of the same recording: its frames are converted \
                     twice",
                    twin.input.name(),
                    head.input.name()
                ));
            }
            lanes.push(VecDeque::from([head]));
        }
        // Ids are random: the order of recordings is that of their starts.
        lanes.sort_by_cached_key(|lane| {
            let first = lane.front();
            first.map(|head| (head.origin.clone(), head.start(), head.input.name()))
        });
        lanes
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
        let first = self.files.front().and_then(|head| head.first);
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
                self.seen = Some(self.seen.map_or(time, |seen| wider(seen, time)));
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
                        self.news.push(News::Gap(gap));
                    }
                }
                Event::Ledger(tag) => self.interfaces.ledger(&tag),
                Event::Damage(damage) => {
                    altered = None;
                    if let Some(again) = look_again(&mut self.under_way, &damage) {
                        let end = self.file_bytes.unwrap_or(u64::MAX);
                        let source: Box<dyn Read> =
                            Box::new(Stretch::new(again, damage.offset, end));
                        let name = reader.name().to_owned();
                        *reader = Reader::new(source).named(name).at(damage.offset);
                        continue;
                    }
                    let file = reader.name().to_owned();
                    let file_bytes = self.file_bytes;
                    self.news.push(News::Damage {
                        file,
                        damage,
                        file_bytes,
                    });
                }
            }
        }
    }

    fn open_next(&mut self) -> Result<bool> {
        let Some(head) = self.files.pop_front() else {
            return Ok(false);
        };
        let mut warnings = Vec::new();
        let mut warn = |text: &str| warnings.push(News::Warning(text.to_owned()));
        let opening = head.open(&self.range, self.before, self.files.front(), &mut warn)?;
        self.news.append(&mut warnings);
        self.before = head.span();
        if let Some(span) = self.before {
            self.seen = Some(self.seen.map_or(span, |seen| wider(seen, span)));
        }
        match opening {
            Opening::Outside => self.done += head.bytes,
            Opening::Deleted => {
                self.done += head.bytes;
                self.news.push(News::Deleted);
            }
            Opening::Open(open) => {
                let Open {
                    reader,
                    part,
                    bytes,
                    under_way,
                } = *open;
                self.file_bytes = bytes;
                self.until = part.1;
                self.under_way = under_way.map(|file| (file, 0));
                if let Some(header) = &head.header {
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

    /// The frame that [`Lane::advance`] moved to.
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
    pub(super) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// What is to be told, once.
    pub(super) fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
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
fn look_again(under_way: &mut Option<(Arc<File>, u64)>, damage: &Damage) -> Option<Arc<File>> {
    let (file, looked_at) = under_way.as_mut()?;
    let end = damage.offset + damage.bytes;
    if end <= *looked_at {
        return None;
    }
    *looked_at = end;
    Some(Arc::clone(file))
}
