//! Writes frames to pcap or pcapng files and starts a new file at each limit.

use std::time::Duration;

use hpcap::compress::Compression;
use hpcap::error::Context;
use hpcap::pcapfile::{PcapWriter, Precision, Section};
use hpcap::raw::{Gap, Record};
use hpcap::{Error, Kind, Ledger, Result, Timestamp};

use super::interface_counts::InterfaceCounts;
use super::new_file::Protected;
use super::pcapng_file::{Gaps, PcapngFile};
use super::queue_stream::QueueStream;
use super::target::{Output, Target};

/// Format of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Classic pcap.
    Pcap(Precision),
    /// pcapng.
    Pcapng,
}

/// Limits of a file; `None` sets no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Split {
    /// Largest size of a file in bytes. A file has at least one frame, whatever its size.
    pub bytes: Option<u64>,
    /// Time from a file's first frame to its last.
    pub time: Option<Duration>,
    /// Largest number of frames in a file.
    pub frames: Option<u64>,
}

impl Split {
    /// Whether any limit is set.
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.bytes.is_some() || self.time.is_some() || self.frames.is_some()
    }
}

/// Longest frame of a RAW file in bytes.
const SNAPLEN: u32 = 65_535;
/// Largest size in bytes of the headers of a frame in either format, without comments.
const FRAME_OVERHEAD: u64 = 48;

enum Encoder {
    Pcap {
        writer: PcapWriter<Output>,
        link_type: u32,
    },
    Pcapng(PcapngFile),
}

/// The file that is being written.
struct Current {
    name: String,
    encoder: Encoder,
    frames: u64,
    first: Timestamp,
}

/// Writes frames to the output.
pub(super) struct Sink {
    target: Target,
    format: Format,
    split: Split,
    compression: Compression,
    force: bool,
    protected: Protected,
    section: Section,
    current: Option<Current>,
    number: u32,
    /// Gaps of each stream that wait for the next frame of the stream.
    gaps: Gaps,
    names: Vec<String>,
    bytes: u64,
}

impl Sink {
    pub(super) fn new(
        target: Target,
        (format, compression): (Format, Compression),
        split: Split,
        (force, protected): (bool, Protected),
        section: Section,
    ) -> Self {
        Self {
            target,
            format,
            split,
            compression,
            force,
            protected,
            section,
            current: None,
            number: 0,
            gaps: Gaps::new(),
            names: Vec::new(),
            bytes: 0,
        }
    }

    /// Starts a file. Starting the first one early shows errors of the output before the inputs are
    /// read. `link_type` is the link type of the first input.
    pub(super) fn start(&mut self, link_type: u32) -> Result<()> {
        let path = self.target.path(self.number);
        let name = path.as_ref().map_or_else(
            || "standard output".to_owned(),
            |path| path.display().to_string(),
        );
        let output = Output::create(path, self.compression, self.force, &self.protected)?;
        let encoder = match self.format {
            Format::Pcap(precision) => Encoder::Pcap {
                writer: PcapWriter::new(output, link_type, SNAPLEN, precision),
                link_type,
            },
            Format::Pcapng => Encoder::Pcapng(PcapngFile::new(output, &self.section)),
        };
        self.number += 1;
        self.names.push(name.clone());
        self.current = Some(Current {
            name,
            encoder,
            frames: 0,
            first: Timestamp::default(),
        });
        Ok(())
    }

    /// Keeps a gap until the next frame of stream `stream`.
    pub(super) fn gap(&mut self, stream: usize, gap: &Gap) {
        let pending = self.gaps.entry(stream).or_insert(Gap {
            lost: Ledger::default(),
            ..*gap
        });
        pending.lost += &gap.lost;
        pending.until = pending.until.max(gap.until);
    }

    /// Writes the current frame of stream `number`.
    #[inline]
    pub(super) fn frame(
        &mut self,
        number: usize,
        stream: &QueueStream,
        frame: &Record<'_>,
    ) -> Result<()> {
        let version = stream.interfaces().version();
        let Some(counted) = stream.interfaces().all().get(version) else {
            return Ok(());
        };
        let interface = &counted.interface;
        if self.split.is_some() && self.is_full(frame) {
            self.finish_file(&|_| None)?;
        }
        if self.current.is_none() {
            self.start(interface.link_type)?;
        }
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        if current.frames == 0 {
            current.first = frame.time;
        }
        current.frames += 1;
        // The record holds 16 bits of the length; a tag has the rest of longer frames.
        let len = u32::from(frame.len).max(stream.marks().altered.map_or(0, |had| had.len));
        let result = match &mut current.encoder {
            Encoder::Pcap { writer, link_type } => {
                if *link_type != interface.link_type {
                    return Err(mixed_link_types(
                        &current.name,
                        *link_type,
                        interface.link_type,
                    ));
                }
                writer.frame(frame.time, len, frame.data)
            }
            Encoder::Pcapng(file) => {
                let key = (number, version);
                file.frame(key, interface, (frame, len), stream.marks(), &mut self.gaps)
            }
        };
        result.context(|| format!("write {}", current.name))
    }

    /// Counts the current frame of stream `number`, which is in the range but left out.
    #[inline]
    pub(super) fn refuse(
        &mut self,
        number: usize,
        stream: &QueueStream,
        frame: &Record<'_>,
    ) -> Result<()> {
        let version = stream.interfaces().version();
        let Some(counted) = stream.interfaces().all().get(version) else {
            return Ok(());
        };
        if self.current.is_none() {
            self.start(counted.interface.link_type)?;
        }
        match &mut self.current {
            Some(Current {
                encoder: Encoder::Pcapng(file),
                name,
                ..
            }) => file
                .refuse((number, version), &counted.interface, frame)
                .context(|| format!("write {name}")),
            _ => Ok(()),
        }
    }

    fn is_full(&self, frame: &Record<'_>) -> bool {
        let Some(current) = self.current.as_ref().filter(|c| c.frames > 0) else {
            return false;
        };
        let bytes = match &current.encoder {
            Encoder::Pcap { writer, .. } => writer.bytes(),
            Encoder::Pcapng(file) => file.bytes(),
        };
        let next = bytes + frame.data.len() as u64 + FRAME_OVERHEAD;
        let age = frame.time.as_ns().saturating_sub(current.first.as_ns());
        self.split.frames.is_some_and(|most| current.frames >= most)
            || self.split.bytes.is_some_and(|most| next > most)
            || self
                .split
                .time
                .is_some_and(|most| u128::from(age) >= most.as_nanos())
    }

    /// Ends the current file. `whole` returns the counts of a queue if the file has all frames that
    /// the queue captured.
    fn finish_file<'a>(
        &mut self,
        whole: &dyn Fn((usize, usize)) -> Option<&'a InterfaceCounts>,
    ) -> Result<()> {
        let Some(current) = self.current.take() else {
            return Ok(());
        };
        let tried = || format!("write {}", current.name);
        let output = match current.encoder {
            Encoder::Pcap { writer, .. } => {
                self.bytes += writer.bytes();
                writer.into_inner().context(tried)?
            }
            Encoder::Pcapng(mut file) => {
                file.write_statistics(whole).context(tried)?;
                self.bytes += file.bytes();
                file.into_output().context(tried)?
            }
        };
        output.finish(&current.name)
    }

    /// Ends the output of `streams`. `all` is set if no range was given.
    pub(super) fn finish(&mut self, streams: &[QueueStream], all: bool) -> Result<()> {
        let one_file = self.number == 1;
        if let Some(Current {
            encoder: Encoder::Pcapng(file),
            name,
            ..
        }) = &mut self.current
        {
            // A gap may belong to a stream without frames in this file.
            if one_file || !self.gaps.is_empty() {
                file.describe_all(streams.iter().map(|stream| stream.interfaces().all()))
                    .context(|| format!("write {name}"))?;
            }
            file.count_trailing_gaps(&mut self.gaps);
        }
        self.finish_file(&|(stream, version)| {
            streams
                .get(stream)
                .and_then(|stream| stream.interfaces().all().get(version))
                .filter(|_| all && one_file)
        })
    }

    /// Returns the names of the files started so far.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the size of the finished files in bytes, before compression.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

fn mixed_link_types(name: &str, one: u32, other: u32) -> Error {
    Error::new(
        Kind::Format,
        format!("write {name}"),
        format!("the frames have link types {one} and {other}, and a pcap file has only one"),
    )
    .advise("use --format pcapng")
}
