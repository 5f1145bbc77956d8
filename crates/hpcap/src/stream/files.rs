//! The events of recordings and capture files.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use super::event::{Event, Frame, Missed};
use super::filter::FrameFilter;
use super::marks::{Marks, timestamp};
use crate::compress::Decompressor;
use crate::content::Content;
use crate::error::{Context, Error, Kind, Result};
use crate::ledger::{Count, Ledger, Reason};
use crate::pcapfile::{Direction, LINK_TYPE_ETHERNET, Reader as CaptureReader};
use crate::raw::name::{FileName, split_ending};
use crate::raw::{Event as RawEvent, Reader as RawReader};

/// The comment with which hpcap marks a duplicate in pcapng.
const DUPLICATE: &str = "duplicate";

/// A decompressed file whose first bytes were already read.
type Bytes = io::Chain<Cursor<Vec<u8>>, Decompressor<File>>;

/// Reads files one after another, whatever their formats are.
#[derive(Debug)]
pub(super) struct FileStream {
    waiting: VecDeque<PathBuf>,
    open: Option<OpenFile>,
}

/// The file that is being read.
#[derive(Debug)]
enum OpenFile {
    Raw(Box<RawFile>),
    Capture(Box<CaptureFile>),
}

#[derive(Debug)]
struct RawFile {
    reader: RawReader<Bytes>,
    link_type: u32,
    marks: Marks,
}

#[derive(Debug)]
struct CaptureFile {
    reader: CaptureReader<Bytes>,
    /// Whether the losses before the current frame were reported, so that the frame itself is next.
    loss_reported: bool,
}

impl FileStream {
    /// Opens the first of the files that `path` names.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut stream = Self {
            waiting: files_of(path)?.into(),
            open: None,
        };
        stream.open_next()?;
        Ok(stream)
    }

    /// Opens the next file; returns `false` when there is none.
    fn open_next(&mut self) -> Result<bool> {
        self.open = None;
        if let Some(path) = self.waiting.pop_front() {
            self.open = Some(OpenFile::open(&path)?);
        }
        Ok(self.open.is_some())
    }

    /// The link type of the first frames, if the open file says it.
    #[cfg(feature = "filter")]
    pub(super) fn link_type(&self) -> Option<u32> {
        match self.open.as_ref()? {
            OpenFile::Raw(_) => None,
            OpenFile::Capture(capture) => capture.reader.link_type(),
        }
    }

    /// Returns the next event, of the frames only those that pass `filter`; `None` after the last
    /// file.
    pub(super) fn next(
        &mut self,
        mut filter: Option<&mut FrameFilter>,
    ) -> Result<Option<Event<'_>>> {
        loop {
            if self.open.is_none() && !self.open_next()? {
                return Ok(None);
            }
            let advanced = match &mut self.open {
                None => continue,
                Some(OpenFile::Raw(raw)) => raw.advance(),
                Some(OpenFile::Capture(capture)) => capture.advance(),
            };
            match advanced {
                Ok(true) => {}
                Ok(false) => {
                    self.open = None;
                    continue;
                }
                Err(e) if e.would_block() => return Err(e),
                Err(e) => {
                    // The rest of this file cannot be read, but the files after it can.
                    self.open = None;
                    return Err(e);
                }
            }
            let is_wanted = match (&self.open, filter.as_deref_mut()) {
                (Some(file), Some(filter)) => match file.frame() {
                    Some(frame) => filter.accepts(&frame)?,
                    None => true,
                },
                _ => true,
            };
            if is_wanted {
                break;
            }
        }
        Ok(self.open.as_ref().and_then(OpenFile::event))
    }
}

impl OpenFile {
    fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let read = || format!("read {name}");
        let file = File::open(path).context(|| format!("open {name}"))?;
        let mut bytes = Decompressor::new(file).context(read)?;
        let mut head = Vec::with_capacity(Content::HEAD_BYTES);
        let head_bytes = Content::HEAD_BYTES as u64;
        bytes
            .by_ref()
            .take(head_bytes)
            .read_to_end(&mut head)
            .context(read)?;
        let content = Content::of(&head);
        let bytes = Cursor::new(head).chain(bytes);
        Ok(match content {
            Content::Pcap | Content::Pcapng => Self::Capture(Box::new(CaptureFile {
                reader: CaptureReader::new(bytes, name)?,
                loss_reported: false,
            })),
            _ => Self::Raw(Box::new(RawFile {
                reader: RawReader::new(bytes).named(name),
                link_type: LINK_TYPE_ETHERNET,
                marks: Marks::default(),
            })),
        })
    }

    /// The current event, if it is a frame.
    fn frame(&self) -> Option<Frame<'_>> {
        match self {
            Self::Raw(raw) => raw.frame(),
            Self::Capture(capture) if capture.has_loss() => None,
            Self::Capture(capture) => capture.frame(),
        }
    }

    fn event(&self) -> Option<Event<'_>> {
        match self {
            Self::Raw(raw) => raw.event(),
            Self::Capture(capture) => capture.event(),
        }
    }
}

impl RawFile {
    /// Advances to the next record that is an event; returns `false` at the end of the file.
    fn advance(&mut self) -> Result<bool> {
        self.marks = Marks::default();
        while self.reader.advance()? {
            if self.reader.frame().is_some() {
                return Ok(true);
            }
            match self.reader.event() {
                Some(RawEvent::Duplicate) => self.marks.duplicate(),
                Some(RawEvent::Sent) => self.marks.sent(),
                Some(RawEvent::Altered(altered)) => self.marks.altered(altered),
                Some(RawEvent::FileStart(header)) => {
                    self.link_type = header.link_type;
                    return Ok(true);
                }
                Some(RawEvent::Padding(_)) | None => {}
                Some(_) => return Ok(true),
            }
        }
        Ok(false)
    }

    #[inline]
    fn frame(&self) -> Option<Frame<'_>> {
        let record = self.reader.frame()?;
        Some(self.marks.frame(&record, self.link_type))
    }

    fn event(&self) -> Option<Event<'_>> {
        if let Some(frame) = self.frame() {
            return Some(Event::Frame(frame));
        }
        Some(match self.reader.event()? {
            RawEvent::FileStart(header) => Event::FileStart(header),
            RawEvent::Missed(gap) => Event::Missed(Missed::new(gap.lost)),
            RawEvent::FileEnd(ledger) => Event::FileEnd(ledger),
            RawEvent::Damaged(damage) => Event::Damaged(Box::new(damage)),
            RawEvent::Frame(_)
            | RawEvent::Padding(_)
            | RawEvent::Duplicate
            | RawEvent::Sent
            | RawEvent::Altered(_) => {
                return None;
            }
        })
    }
}

impl CaptureFile {
    /// Advances to the next event; returns `false` at the end of the file. Losses before a frame are
    /// an event of their own.
    fn advance(&mut self) -> Result<bool> {
        if self.has_loss() {
            self.loss_reported = true;
            return Ok(true);
        }
        self.loss_reported = false;
        self.reader.advance()
    }

    /// Whether the current event is the loss before the reader's frame.
    fn has_loss(&self) -> bool {
        !self.loss_reported && self.reader.frame().is_some_and(|frame| frame.dropped > 0)
    }

    #[inline]
    fn frame(&self) -> Option<Frame<'_>> {
        let frame = self.reader.frame()?;
        Some(Frame {
            time: timestamp(frame.sec, frame.nsec),
            len: frame.len,
            data: frame.data,
            link_type: frame.link_type,
            is_duplicate: frame.comment == Some(DUPLICATE),
            is_sent: frame.direction == Some(Direction::Outbound),
        })
    }

    fn event(&self) -> Option<Event<'_>> {
        if !self.has_loss() {
            return self.frame().map(Event::Frame);
        }
        let mut lost = Ledger::default();
        lost[Reason::NicMissed] = Count::new(self.reader.frame()?.dropped, 0);
        Some(Event::Missed(Missed::new(lost)))
    }
}

/// Returns the files that `path` names: itself, or the files of a folder in the order of recording.
fn files_of(path: &Path) -> Result<Vec<PathBuf>> {
    let tried = || format!("read {}", path.display());
    if !fs::metadata(path).context(tried)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let tried = || format!("read the folder {}", folder.display());
        for entry in fs::read_dir(&folder).context(tried)? {
            let entry = entry.context(tried)?;
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // `file_type` does not follow links, so a link to a folder, which could lead back here,
            // is not entered.
            if entry.file_type().context(tried)?.is_dir() {
                if !name.starts_with('.') {
                    folders.push(path);
                }
            } else if is_capture(&name) && path.is_file() {
                files.push(path);
            }
        }
    }
    if files.is_empty() {
        let why = "there is no *.raw, *.pcap or *.pcapng in it or below";
        return Err(Error::new(Kind::NotFound, tried(), why));
    }
    files.sort_by_cached_key(|path| {
        let place = FileName::of(path).map(|n| (n.source, n.queue, n.start_sec, n.sequence));
        (place, path.clone())
    });
    Ok(files)
}

/// Whether a file of this name is a recording or a capture file, finished or not.
fn is_capture(name: &str) -> bool {
    split_ending(name.strip_suffix(".part").unwrap_or(name)).is_some()
}
