//! Frames into pcap or pcapng files, a new one where the last is long enough.

use std::collections::BTreeMap;
use std::time::Duration;

use hpcap::compress::Compression;
use hpcap::error::Context;
use hpcap::pcapfile::{
    Interface, InterfaceId, PcapWriter, PcapngWriter, Precision, Section, Statistics,
};
use hpcap::raw::{Gap, Record};
use hpcap::{Error, Kind, Ledger, Result, Timestamp};

use super::new_file::Protected;
use super::target::{Output, Target};

/// The format of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Classic pcap.
    Pcap(Precision),
    /// pcapng.
    Pcapng,
}

/// When a new file is started; `None` = not for this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Split {
    /// Bytes of a file, at most (at least one frame).
    pub bytes: Option<u64>,
    /// Time from a file's first frame to its last.
    pub time: Option<Duration>,
    /// Frames of a file, at most.
    pub frames: Option<u64>,
}

impl Split {
    /// Whether there are several files.
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.bytes.is_some() || self.time.is_some() || self.frames.is_some()
    }
}

/// Longest frame of a RAW file.
const SNAPLEN: u32 = 65_535;
/// Headers of a frame in either format, at most (without comment).
const FRAME_OVERHEAD: u64 = 48;

enum Encoder {
    Pcap {
        writer: PcapWriter<Output>,
        link_type: u32,
    },
    Pcapng(PcapngWriter<Output>),
}

/// A file under way.
struct Current {
    name: String,
    encoder: Encoder,
    interfaces: BTreeMap<(usize, u32), Described>,
    frames: u64,
    first: Timestamp,
}

/// An interface of the file under way.
struct Described {
    id: InterfaceId,
    frames: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    lost: Ledger,
}

/// Writes the result.
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
    /// Gaps of each lane that no frame has followed yet.
    gaps: BTreeMap<usize, Gap>,
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
            gaps: BTreeMap::new(),
            names: Vec::new(),
            bytes: 0,
        }
    }

    /// Starts the first file, so that what is wrong with it is known before the work is done;
    /// `link_type` is the first input's.
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
            Format::Pcapng => Encoder::Pcapng(PcapngWriter::new(output, &self.section)),
        };
        self.number += 1;
        self.names.push(name.clone());
        self.current = Some(Current {
            name,
            encoder,
            interfaces: BTreeMap::new(),
            frames: 0,
            first: Timestamp::default(),
        });
        Ok(())
    }

    /// Remembers that frames of a lane are missing before its next.
    pub(super) fn gap(&mut self, lane: usize, gap: &Gap) {
        self.gaps
            .entry(lane)
            .or_insert(Gap {
                lost: Ledger::default(),
                ..*gap
            })
            .lost += &gap.lost;
    }

    /// Writes a frame of a lane, which is of `interface`, the lane's `version`th. pcapng tells
    /// whether it is a `duplicate`.
    #[inline]
    pub(super) fn frame(
        &mut self,
        lane: usize,
        interface: (&Interface, u32),
        frame: &Record<'_>,
        duplicate: bool,
    ) -> Result<()> {
        let (interface, version) = interface;
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
        let len = u32::from(frame.len);
        let result = match &mut current.encoder {
            Encoder::Pcap { writer, link_type } => {
                if *link_type != interface.link_type {
                    return Err(mixed(&current.name, *link_type, interface.link_type));
                }
                writer.frame(frame.time, len, frame.data)
            }
            Encoder::Pcapng(writer) => {
                let described = match current.interfaces.entry((lane, version)) {
                    std::collections::btree_map::Entry::Occupied(there) => there.into_mut(),
                    std::collections::btree_map::Entry::Vacant(place) => place.insert(Described {
                        id: writer
                            .interface(interface)
                            .context(|| format!("write {}", current.name))?,
                        frames: 0,
                        first: None,
                        last: None,
                        lost: Ledger::default(),
                    }),
                };
                if !self.gaps.is_empty()
                    && let Some(gap) = self.gaps.remove(&lane)
                {
                    writer
                        .gap(described.id, &gap)
                        .context(|| format!("write {}", current.name))?;
                    described.lost += &gap.lost;
                }
                if duplicate {
                    writer
                        .duplicate(described.id)
                        .context(|| format!("write {}", current.name))?;
                }
                described.frames += 1;
                described.first = described.first.or(Some(frame.time));
                described.last = Some(frame.time);
                writer.frame(described.id, frame.time, len, frame.data)
            }
        };
        result.context(|| format!("write {}", current.name))
    }

    fn is_full(&self, frame: &Record<'_>) -> bool {
        let Some(current) = self.current.as_ref().filter(|c| c.frames > 0) else {
            return false;
        };
        let bytes = match &current.encoder {
            Encoder::Pcap { writer, .. } => writer.bytes(),
            Encoder::Pcapng(writer) => writer.bytes(),
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

    /// Ends the file under way. `ledger` says what a lane's queue counted, where that is of
    /// just the frames in the file.
    fn finish_file(&mut self, ledger: &dyn Fn(usize) -> Option<Ledger>) -> Result<()> {
        let Some(current) = self.current.take() else {
            return Ok(());
        };
        let tried = || format!("write {}", current.name);
        let output = match current.encoder {
            Encoder::Pcap { writer, .. } => {
                self.bytes += writer.bytes();
                writer.into_inner().context(tried)?
            }
            Encoder::Pcapng(mut writer) => {
                for ((lane, _), described) in &current.interfaces {
                    let statistics = described.statistics(ledger(*lane));
                    writer
                        .statistics(described.id, &statistics)
                        .context(tried)?;
                }
                self.bytes += writer.bytes();
                writer.into_inner().context(tried)?
            }
        };
        output.finish(&current.name)
    }

    /// Ends the result. `ledger` says what a lane's queue counted in all, where everything of
    /// it was converted.
    pub(super) fn finish(&mut self, ledger: &dyn Fn(usize) -> Option<Ledger>) -> Result<()> {
        let one_file = self.number == 1;
        self.finish_file(&|lane| ledger(lane).filter(|_| one_file))
    }

    /// Names of the files so far.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Bytes of the files that are finished.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Described {
    fn statistics(&self, ledger: Option<Ledger>) -> Statistics {
        let time = self.last.unwrap_or_default();
        let mut statistics = match ledger {
            Some(ledger) => Statistics::of(&ledger, self.frames, time),
            None => Statistics {
                time,
                delivered: Some(self.frames),
                os_dropped: Some(self.lost.lost().frames),
                ..Statistics::default()
            },
        };
        statistics.start = self.first;
        statistics.end = self.last;
        statistics
    }
}

fn mixed(name: &str, one: u32, other: u32) -> Error {
    Error::new(
        Kind::Format,
        format!("write {name}"),
        format!("the frames have link types {one} and {other}, and a pcap file has only one"),
    )
    .advise("use --format pcapng")
}
