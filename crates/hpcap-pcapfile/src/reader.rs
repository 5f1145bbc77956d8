//! Reads pcap and pcapng files; the first bytes decide which format a file has.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use super::input::{Input, pause};
use super::{pcap, pcapng};
use crate::direction::Direction;
use hpcap_base::compress::Decompressor;
use hpcap_base::error::{Context, Error, Kind, Result};
use hpcap_raw::content::Content;

/// A frame of a capture file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Seconds since 1970-01-01 UTC; 0 when the file has no time for the frame (simple packet
    /// block).
    pub sec: u64,
    /// Nanoseconds past the second, below 10⁹.
    pub nsec: u32,
    /// The captured bytes of the frame.
    pub data: &'a [u8],
    /// Length of the frame on the wire in bytes; at least the length of `data`.
    pub len: u32,
    /// Number of the interface in the file, counted over all sections; 0 in pcap.
    pub interface: u32,
    /// LINKTYPE_ value; 1 = Ethernet.
    pub link_type: u32,
    /// Frames lost between the previous frame of this interface and this one (`epb_dropcount`).
    pub dropped: u64,
    /// Number of the interface's queue (`epb_queue`).
    pub queue: Option<u32>,
    /// Which way the frame passed (`epb_flags`); `None` = unknown.
    pub direction: Option<Direction>,
    /// The first comment on the frame.
    pub comment: Option<&'a str>,
}

/// A frame in the window: the ranges of its parts.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    pub(super) sec: u64,
    pub(super) nsec: u32,
    pub(super) data: Range<usize>,
    pub(super) len: u32,
    pub(super) interface: u32,
    pub(super) link_type: u32,
    pub(super) dropped: u64,
    pub(super) queue: Option<u32>,
    pub(super) direction: Option<Direction>,
    pub(super) comment: Option<Range<usize>>,
    /// Length in the window of the frame and its headers.
    pub(super) bytes: usize,
}

/// Returns a frame's data and length without the FCS at its end, when the file says that frames
/// have one: frames have lengths without FCS everywhere in hpcap. The data of a cut frame may end
/// before the FCS.
pub(super) fn without_fcs(data: Range<usize>, len: u32, fcs_bytes: u32) -> (Range<usize>, u32) {
    let len = len.saturating_sub(fcs_bytes);
    let end = data.end.min(data.start + len as usize);
    (data.start..end, len)
}

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Classic pcap.
    Pcap,
    /// pcapng.
    Pcapng,
}

#[derive(Debug)]
enum State {
    Pcap(pcap::Layout),
    Pcapng(pcapng::Section),
}

/// Reads the frames of a file one after the other, in bounded memory whatever the file holds.
#[derive(Debug)]
pub struct Reader<R> {
    input: Input<R>,
    state: State,
    /// The frame that [`Reader::advance`] moved to.
    place: Option<Place>,
    ended: bool,
}

/// A reader of a file that may be compressed with gzip or zstd.
pub type FileReader = Reader<Decompressor<File>>;

impl FileReader {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// Returns errors of the file system, and those of [`Reader::new`].
    pub fn open(path: &Path) -> Result<Self> {
        let tried = || format!("open {}", path.display());
        let file = File::open(path).context(tried)?;
        Self::of(file, path.display().to_string())
    }

    /// Reads an open file, which error messages call `name`.
    ///
    /// # Errors
    /// Returns the errors of [`Reader::new`].
    pub fn of(file: File, name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let source = Decompressor::new(file).context(|| format!("read {name}"))?;
        Self::new(source, name)
    }
}

impl<R: Read> Reader<R> {
    /// Reads the first bytes of `source` and detects its format. Error messages call the source
    /// `name`. On a non-blocking stream, the call waits for these bytes.
    ///
    /// # Errors
    /// Returns [`Kind::Format`] when the format is neither pcap nor pcapng, and errors of reading.
    pub fn new(source: R, name: impl Into<String>) -> Result<Self> {
        let mut input = Input::new(source, name.into());
        loop {
            match input.want(24) {
                Err(e) if e.would_block() => pause(),
                other => break other.map(drop)?,
            }
        }
        let head = input.window();
        let state = if pcapng::is_pcapng(head) {
            State::Pcapng(pcapng::Section::default())
        } else if let Some(layout) = pcap::Layout::parse(head) {
            input.consume(pcap::HEADER_BYTES);
            State::Pcap(layout)
        } else {
            return Err(unknown(&input));
        };
        let mut reader = Self {
            input,
            state,
            place: None,
            ended: false,
        };
        // The descriptions of the interfaces usually precede the first frame.
        if let State::Pcapng(section) = &mut reader.state {
            section.read_head(&mut reader.input)?;
        }
        Ok(reader)
    }

    /// The format of the file.
    #[must_use]
    pub fn format(&self) -> Format {
        match self.state {
            State::Pcap(_) => Format::Pcap,
            State::Pcapng(_) => Format::Pcapng,
        }
    }

    /// Link type (LINKTYPE_ value) of the first interface; `None` in a pcapng file that has not yet
    /// described an interface.
    #[must_use]
    pub fn link_type(&self) -> Option<u32> {
        match &self.state {
            State::Pcap(layout) => Some(layout.link_type),
            State::Pcapng(section) => section.first_link_type(),
        }
    }

    /// The name of the source in error messages.
    #[must_use]
    pub fn name(&self) -> &str {
        self.input.name()
    }

    /// Offset of the last frame from the start of the file, in bytes.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// Returns the next frame; `None` at the end of the file.
    ///
    /// # Errors
    /// Returns [`Kind::Format`] when the file is cut or malformed, and errors of reading. The calls
    /// before have returned all frames up to that position. Later calls return `None`, unless the
    /// error says that a stream [has nothing to read now](Error::would_block).
    #[expect(
        clippy::should_implement_trait,
        reason = "it lends, an iterator cannot"
    )]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>> {
        self.advance()?;
        Ok(self.frame())
    }

    /// Advances to the next frame; returns `false` at the end of the file.
    ///
    /// # Errors
    /// Returns the errors of [`Reader::next`].
    pub fn advance(&mut self) -> Result<bool> {
        if let Some(place) = self.place.take() {
            self.input.consume(place.bytes);
        }
        if self.ended {
            return Ok(false);
        }
        let place = match &mut self.state {
            State::Pcap(layout) => layout.next(&mut self.input),
            State::Pcapng(section) => section.next(&mut self.input),
        };
        self.ended = match &place {
            Ok(place) => place.is_none(),
            Err(e) => !e.would_block(),
        };
        self.place = place?;
        Ok(self.place.is_some())
    }

    /// The frame that [`Reader::advance`] moved to; `None` before the first frame and at the end.
    #[must_use]
    pub fn frame(&self) -> Option<Frame<'_>> {
        let place = self.place.as_ref()?;
        let window = self.input.window();
        let comment = place.comment.clone();
        Some(Frame {
            sec: place.sec,
            nsec: place.nsec,
            data: &window[place.data.clone()],
            len: place.len,
            interface: place.interface,
            link_type: place.link_type,
            dropped: place.dropped,
            queue: place.queue,
            direction: place.direction,
            comment: comment.and_then(|at| std::str::from_utf8(&window[at]).ok()),
        })
    }
}

fn unknown<R: Read>(input: &Input<R>) -> Error {
    let head = input.window();
    let error = |why: String| Error::new(Kind::Format, format!("read {}", input.name()), why);
    if head.is_empty() {
        return error("it is empty: neither pcap nor pcapng".into());
    }
    let content = Content::of(head);
    if content.is_foreign() && !matches!(content, Content::Pcap | Content::Pcapng)
        || content == Content::Raw
    {
        let error = error(format!("it is {}, neither pcap nor pcapng", content.name()));
        return match content.advice() {
            Some(advice) => error.advise(advice.replace("raw2pcap - ...", "... -")),
            None => error,
        };
    }
    if pcap::is_magic(head) {
        return error(format!(
            "it is a pcap file cut within its header ({} of {} bytes)",
            head.len(),
            pcap::HEADER_BYTES
        ));
    }
    let magic: Vec<String> = head.iter().take(4).map(|b| format!("{b:02x}")).collect();
    error(format!(
        "it is neither pcap nor pcapng: it begins with {}",
        magic.join(" ")
    ))
}
