//! What is known of a file before it is converted: its queue, its first frame, its index.

use std::fs::File;
use std::path::{Path, PathBuf};

use hpcap::error::Context;
use hpcap::raw::{Event, FileHeader, FileName, Identity, Index, Reader, RecordingId};
use hpcap::{Error, Result, Timestamp};

use super::range::Range;
use crate::inputs::Input;

/// Things at a file's start that are looked at to find its first frame.
const LOOK: usize = 1000;
/// Frames of different threads are at most so much out of order.
const DISORDER_NS: u64 = 1_000_000_000;

/// What a file was recorded of, as far as it says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Origin {
    /// From the file's header.
    Header(hpcap::raw::Origin),
    /// Folder of the recording and the queue in the name: files of the original.
    Name(PathBuf, String),
    /// Nothing is known.
    Unknown(String),
}

/// A file before it is converted.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) input: Input,
    pub(super) origin: Origin,
    pub(super) header: Option<FileHeader>,
    /// Time of its first frame; `None` where there is none, or it is not known (standard input).
    pub(super) first: Option<Timestamp>,
    pub(super) bytes: u64,
    index: Option<Index>,
}

/// Without the half-hour folder.
fn recording_folder(path: &Path) -> PathBuf {
    let folder = path.parent().unwrap_or(Path::new(""));
    let is_half_hour = folder
        .file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit()));
    match folder.parent() {
        Some(base) if is_half_hour => base.to_owned(),
        _ => folder.to_owned(),
    }
}

impl Head {
    /// Looks at a file. Says (through `warn`) why its index cannot be used, where it has one.
    pub(super) fn read(
        input: Input,
        wants_index: bool,
        warn: &mut dyn FnMut(&str),
    ) -> Result<Self> {
        let Input::File(path) = &input else {
            return Ok(Self {
                origin: Origin::Unknown(input.name()),
                input,
                header: None,
                first: None,
                bytes: 0,
                index: None,
            });
        };
        let mut reader = Reader::open(path)?;
        let (mut header, mut first) = (None, None);
        for _ in 0..LOOK {
            match reader.next()?.map(|found| found.event) {
                None => break,
                Some(Event::FileHeader(tag)) => header = header.or(Some(*tag)),
                Some(Event::Frame(frame)) => {
                    first = Some(frame.time);
                    break;
                }
                Some(_) => {}
            }
        }
        let index = if wants_index {
            Index::load(path).unwrap_or_else(|e| {
                warn(&format!("{e}; searching without it"));
                None
            })
        } else {
            None
        };
        let bytes = std::fs::metadata(path)
            .context(|| format!("read {}", path.display()))?
            .len();
        Ok(Self {
            origin: Self::origin(path, header.as_ref()),
            header,
            first,
            bytes,
            index,
            input,
        })
    }

    fn origin(path: &Path, header: Option<&FileHeader>) -> Origin {
        if let Some(h) = header {
            return Origin::Header(Identity::of(h).origin);
        }
        match FileName::of(path) {
            Some(name) => Origin::Name(recording_folder(path), name.queue.to_string()),
            None => Origin::Unknown(path.display().to_string()),
        }
    }

    /// The recording that it is a file of, where its header says so.
    pub(super) fn recording(&self) -> Option<RecordingId> {
        self.header.as_ref().and_then(|header| header.recording)
    }

    /// When it was started, as far as it says.
    pub(super) fn start(&self) -> Option<Timestamp> {
        self.first.or(self.header.as_ref().map(|h| h.start))
    }

    /// What the files of one recording are sorted by: their place in it, or else their times.
    pub(super) fn order(&self) -> (Option<Timestamp>, u64, u64, String) {
        let (stream_off, number) = self
            .header
            .as_ref()
            .map_or((0, 0), |h| (h.stream_off, h.file_number));
        let start = match self.recording() {
            Some(_) => None,
            None => self.start(),
        };
        (start, stream_off, number, self.input.name())
    }

    /// Whether this file has a stretch of a recording that `other` has, too: two recorders wrote
    /// them.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        match (&self.header, &other.header) {
            (Some(a), Some(b)) => {
                Identity::of(a).overlaps(self.bytes, &Identity::of(b), other.bytes)
            }
            _ => false,
        }
    }

    /// Whether no frame of it can be in `range`; `next` is the queue's next file.
    pub(super) fn is_outside(&self, range: &Range, next: Option<&Self>) -> bool {
        let late = |time: Timestamp| Timestamp::from_ns(time.as_ns().saturating_add(DISORDER_NS));
        let begins_after = match (range.to, self.first) {
            (Some(to), Some(first)) => first > late(to),
            _ => false,
        };
        let ends_before = match (range.from, next.and_then(|next| next.first)) {
            (Some(from), Some(next)) => late(next) < from && self.first.is_none_or(|f| f <= next),
            _ => false,
        };
        begins_after || ends_before
    }

    /// Opens it where the frames of `range` start; also says where they end, if that is known.
    pub(super) fn open(&self, range: &Range) -> Result<(Box<dyn std::io::Read>, u64, u64)> {
        use std::io::{Seek, SeekFrom};
        let Input::File(path) = &self.input else {
            return Ok((Box::new(std::io::stdin().lock()), 0, u64::MAX));
        };
        let tried = || format!("open {}", path.display());
        let mut file = File::open(path).context(tried)?;
        let mut stretch = (0, u64::MAX);
        if let Some(index) = self.index.as_ref().filter(|_| !range.is_all()) {
            stretch = index.range(range.from, range.to);
            if !leads_to_records(path, index, stretch.0)? {
                stretch = (0, u64::MAX);
            }
        }
        file.seek(SeekFrom::Start(stretch.0)).context(tried)?;
        Ok((Box::new(file), stretch.0, stretch.1))
    }
}

/// Whether there is, where an index leads to, what it says.
fn leads_to_records(path: &Path, index: &Index, offset: u64) -> Result<bool> {
    use std::io::{Seek, SeekFrom};
    let Some(entry) = index.entries.iter().find(|e| e.offset == offset) else {
        // The end of the file.
        return Ok(offset == index.file_bytes);
    };
    let tried = || format!("read {}", path.display());
    let mut file = File::open(path).context(tried)?;
    file.seek(SeekFrom::Start(offset)).context(tried)?;
    let mut reader = Reader::new(file)
        .named(path.display().to_string())
        .at(offset);
    for _ in 0..LOOK {
        match reader.next()?.map(|found| found.event) {
            None => return Ok(entry.time.is_none()),
            Some(Event::Frame(frame)) => return Ok(entry.time.is_none_or(|t| t == frame.time)),
            Some(Event::Damage(_)) => return Ok(false),
            Some(_) => {}
        }
    }
    Ok(false)
}

/// The time of the first frame of all.
pub(super) fn first_of_all(heads: &[Head]) -> Result<Timestamp> {
    if heads.iter().any(|head| head.input == Input::Stdin) {
        return Err(Error::usage(
            "--from or --to relative to the first frame",
            "standard input cannot be searched for it: give a time, or a file",
        ));
    }
    Ok(heads
        .iter()
        .filter_map(|head| head.first)
        .min()
        .unwrap_or_default())
}
