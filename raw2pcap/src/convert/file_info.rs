//! Facts of a file that are read before the conversion: origin, first frame, index.

use std::path::{Path, PathBuf};

use hpcap::raw::{Event, FileHeader, FileName, Identity, Index, Reader, RecordingId};
use hpcap::{Error, Result, Timestamp};

use super::warnings::Warnings;
use crate::inputs::Input;

/// Events at the start of a file that are read to find its first frame.
pub(super) const FIRST_EVENTS_MAX: usize = 1000;

/// The origin of the frames of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Origin {
    /// Host, interface and queue from the file's header.
    Header(hpcap::raw::Origin),
    /// Folder of the recording and queue in the file's name. The original's files have no header.
    Name(PathBuf, String),
    /// Name of a file whose origin is unknown.
    Unknown(String),
}

/// Facts of a file.
#[derive(Debug, Clone)]
pub(super) struct FileInfo {
    pub(super) input: Input,
    pub(super) origin: Origin,
    pub(super) header: Option<FileHeader>,
    /// Time of the first frame; `None` if the file has no frame, or is standard input.
    pub(super) first: Option<Timestamp>,
    pub(super) bytes: u64,
    pub(super) index: Option<Index>,
}

/// Returns the folder of the recording: without the half-hour folder.
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

impl FileInfo {
    /// Facts of an input that can be read only once, a pipe.
    fn unknown(input: Input) -> Self {
        Self {
            origin: Origin::Unknown(input.name()),
            input,
            header: None,
            first: None,
            bytes: 0,
            index: None,
        }
    }

    /// Reads the facts of a file; `None` if the file was deleted after the inputs were listed.
    /// `warnings` gets the reason why an index cannot be used.
    pub(super) fn read(
        input: Input,
        wants_index: bool,
        warnings: &mut Warnings,
    ) -> Result<Option<Self>> {
        let Input::File(listed) = &input else {
            return Ok(Some(Self::unknown(input)));
        };
        let Some(opened) = listed.open()? else {
            return Ok(None);
        };
        if !opened.is_regular {
            return Ok(Some(Self::unknown(input)));
        }
        let (path, bytes, under_way) = (opened.path.clone(), opened.bytes, opened.under_way);
        let (source, packed) = opened.unpacked()?;
        let mut reader = Reader::new(source).named(path.display().to_string());
        let (mut header, mut first) = (None, None);
        for _ in 0..FIRST_EVENTS_MAX {
            match reader.next()? {
                None => break,
                Some(Event::FileStart(tag)) => header = header.or(Some(*tag)),
                Some(Event::Frame(frame)) => {
                    first = Some(frame.time);
                    break;
                }
                Some(_) => {}
            }
        }
        let index = if wants_index && !packed && !under_way {
            Index::load(&path).unwrap_or_else(|e| {
                warnings.add(format!("{e}; searching without it"));
                None
            })
        } else {
            None
        };
        Ok(Some(Self {
            origin: Self::origin(&path, header.as_ref()),
            header,
            first,
            bytes,
            index,
            input,
        }))
    }

    fn origin(path: &Path, header: Option<&FileHeader>) -> Origin {
        if let Some(h) = header {
            return Origin::Header(Identity::of(h).origin);
        }
        match FileName::of(path) {
            Some(name) => {
                let of = name
                    .source
                    .map_or(name.queue.to_string(), |s| s.to_string());
                Origin::Name(recording_folder(path), of)
            }
            None => Origin::Unknown(path.display().to_string()),
        }
    }

    /// Returns the id of the recording from the header.
    pub(super) fn recording(&self) -> Option<RecordingId> {
        self.header.as_ref().and_then(|header| header.recording)
    }

    /// Returns the time of the first frame, or else the start in the header.
    pub(super) fn start(&self) -> Option<Timestamp> {
        self.first.or(self.header.as_ref().map(|h| h.start))
    }

    /// Returns the sort key of the files of a recording: their position in the stream, or their times
    /// if the recording has no id.
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

    /// Whether both files hold the same part of a recording, because two recorders wrote them.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        match (&self.header, &other.header) {
            (Some(a), Some(b)) => {
                Identity::of(a).overlaps(self.bytes, &Identity::of(b), other.bytes)
            }
            _ => false,
        }
    }

    /// Returns the times of the earliest and the latest frame from the index.
    pub(super) fn span(&self) -> Option<(Timestamp, Timestamp)> {
        self.index.as_ref()?.span()
    }
}

/// Returns the time of the earliest first frame of `files`.
pub(super) fn first_frame_time(files: &[FileInfo]) -> Result<Timestamp> {
    if files.iter().any(|info| info.input == Input::Stdin) {
        return Err(Error::usage(
            "--from or --to relative to the first frame",
            "standard input cannot be searched for it: give a time, or a file",
        ));
    }
    Ok(files
        .iter()
        .filter_map(|info| info.first)
        .min()
        .unwrap_or_default())
}
