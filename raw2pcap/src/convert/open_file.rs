//! Opens a file where the frames of a range of time start.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use hpcap::error::Context;
use hpcap::raw::{Event, Index, Reader};
use hpcap::{Result, Timestamp};

use super::file_info::{FIRST_EVENTS_MAX, FileInfo};
use super::file_range::FileRange;
use super::range::Range;
use crate::inputs::{Input, Listed, Opened};

/// A file that is open for the conversion.
pub(super) struct OpenFile {
    pub(super) reader: Reader<Box<dyn Read>>,
    /// The byte before which the reader ends.
    pub(super) until: u64,
    /// The parts of the file to read behind `until`.
    pub(super) parts: FileParts,
    /// Size of the file; `None` for pipes and compressed files.
    pub(super) bytes: Option<u64>,
    /// The same file again if a recorder is writing it: damage is read a second time from here.
    pub(super) under_way: Option<Arc<File>>,
}

/// Parts of a file that are still to be read.
#[derive(Default)]
pub(super) struct FileParts {
    /// The file and its name; `None` for a source that cannot be searched.
    file: Option<(Arc<File>, String)>,
    /// Ranges of bytes; each of them starts at a record.
    ranges: VecDeque<(u64, u64)>,
}

impl FileParts {
    /// Returns a reader of the next part, and the byte before which the part ends.
    pub(super) fn next(&mut self) -> Option<(Reader<Box<dyn Read>>, u64)> {
        let (file, name) = self.file.as_ref()?;
        let (from, until) = self.ranges.pop_front()?;
        let source = FileRange::new(Arc::clone(file), from, until);
        let reader = Reader::new(Box::new(source) as Box<dyn Read>);
        Some((reader.named(name.clone()).at(from), until))
    }
}

/// Result of opening a file for a range of time.
pub(super) enum OpenOutcome {
    Open(Box<OpenFile>),
    /// No frame of it can be in the range.
    Outside,
    /// The file was deleted after the inputs were listed.
    Deleted,
}

impl FileInfo {
    /// Opens the file where the frames of `range` start. `before` is the span of the previous file
    /// of the stream, `after` the next file: a gap between two files may lie in the range.
    pub(super) fn open(
        &self,
        range: &Range,
        before: Option<(Timestamp, Timestamp)>,
        after: Option<&Self>,
        warn: &mut dyn FnMut(&str),
    ) -> Result<OpenOutcome> {
        let Input::File(listed) = &self.input else {
            let source = hpcap::compress::Decompressor::new(std::io::stdin().lock())
                .context(|| "read standard input")?;
            return Ok(OpenOutcome::Open(Box::new(OpenFile {
                reader: Reader::new(Box::new(source) as Box<dyn Read>).named(self.input.name()),
                until: u64::MAX,
                parts: FileParts::default(),
                bytes: None,
                under_way: None,
            })));
        };
        let Some(opened) = listed.open()? else {
            return Ok(OpenOutcome::Deleted);
        };
        let name = opened.path.display().to_string();
        let mut parts = None;
        if let Some(index) = self.index.as_ref().filter(|_| !range.is_all()) {
            let before = before.map(|(_, latest)| latest);
            let after = after.and_then(Self::span).map(|(earliest, _)| earliest);
            let found = index.parts((range.from, range.to), before, after);
            if !self.matches_file(index, &found, &opened)? {
                warn(&format!(
                    "the index of {name} does not lead to what it says; searching without it"
                ));
            } else if found.is_empty() {
                return Ok(OpenOutcome::Outside);
            } else {
                parts = Some(found);
            }
        }
        match parts {
            Some(parts) => Self::open_parts(&opened, parts, name),
            None => Self::open_whole(listed, opened, name),
        }
        .map(|open| OpenOutcome::Open(Box::new(open)))
    }

    /// Opens a regular file that is not packed, to read only `parts` of it.
    fn open_parts(opened: &Opened, parts: Vec<(u64, u64)>, name: String) -> Result<OpenFile> {
        let tried = || format!("open {}", opened.path.display());
        let file = Arc::new(opened.file.try_clone().context(tried)?);
        let mut parts = FileParts {
            file: Some((Arc::clone(&file), name.clone())),
            ranges: parts.into(),
        };
        let (reader, until) = parts.next().unwrap_or_else(|| {
            let nothing: Box<dyn Read> = Box::new(std::io::empty());
            (Reader::new(nothing).named(name), 0)
        });
        Ok(OpenFile {
            reader,
            until,
            parts,
            bytes: Some(opened.bytes),
            under_way: None,
        })
    }

    fn open_whole(listed: &Listed, opened: Opened, name: String) -> Result<OpenFile> {
        let tried = || format!("open {}", listed.path.display());
        let (mut bytes, mut under_way) = (None, None);
        if opened.is_regular {
            bytes = Some(opened.bytes);
            if opened.under_way {
                under_way = Some(Arc::new(opened.file.try_clone().context(tried)?));
            }
        }
        let (source, packed) = opened.unpacked()?;
        Ok(OpenFile {
            reader: Reader::new(source).named(name),
            until: u64::MAX,
            parts: FileParts::default(),
            bytes: bytes.filter(|_| !packed),
            under_way: under_way.filter(|_| !packed),
        })
    }

    /// Whether the index matches the file: at the first frame, at the last block, and where each of
    /// the `parts` to read starts and ends.
    fn matches_file(&self, index: &Index, parts: &[(u64, u64)], opened: &Opened) -> Result<bool> {
        let first = index.entries.iter().find_map(|entry| entry.time);
        if first != self.first {
            return Ok(false);
        }
        let last = index.entries.last().map(|entry| entry.offset);
        let ends = parts.iter().flat_map(|(from, until)| [*from, *until]);
        for offset in ends.chain(last) {
            if !Self::matches_at(index, offset, opened)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the index matches the file at byte `offset`.
    fn matches_at(index: &Index, offset: u64, opened: &Opened) -> Result<bool> {
        let Some(entry) = index.entries.iter().find(|e| e.offset == offset) else {
            // The end of the file.
            return Ok(offset == index.file_bytes);
        };
        let tried = || format!("read {}", opened.path.display());
        let file = Arc::new(opened.file.try_clone().context(tried)?);
        let mut reader = Reader::new(FileRange::new(file, offset, opened.bytes))
            .named(opened.path.display().to_string())
            .at(offset);
        for _ in 0..FIRST_EVENTS_MAX {
            match reader.next()? {
                None => return Ok(entry.time.is_none()),
                Some(Event::Frame(frame)) => {
                    return Ok(entry.time.is_none_or(|t| t == frame.time));
                }
                Some(Event::Damaged(_)) => return Ok(false),
                Some(_) => {}
            }
        }
        Ok(false)
    }
}
