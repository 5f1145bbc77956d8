//! Writes frames of one or several sources as pcapng or pcap to anything that takes bytes.

use std::io::{self, Write};

use hpcap_base::compress::FileFormat;
use hpcap_base::ledger::Ledger;
use hpcap_raw::Record;
use hpcap_raw::tag::{FileHeader, Gap};

use super::describe::{Interface, Section, Statistics};
use super::direction::Direction;
use super::marks::Marks;
use super::pcap_writer::{PcapWriter, Precision};
use super::pcapng_writer::{InterfaceId, PcapngWriter};

/// Longest frame, in bytes, that the header of a pcap file with whole frames announces. libpcap
/// uses the same value for whole frames.
const SNAPLEN_WHOLE: u32 = 262_144;

/// Writes one file or stream.
#[derive(Debug)]
pub enum CaptureWriter<W> {
    /// A pcapng file, in which every source is an interface.
    Pcapng(PcapngWriter<W>, Vec<InterfaceId>),
    /// A classic pcap file, which has no interfaces, no gaps and no statistics.
    Pcap(PcapWriter<W>),
}

impl<W: Write> CaptureWriter<W> {
    /// Starts a file of `sources`. In a pcap file, all of them must have one link type. `section`
    /// describes the whole file; pcap has no place for it.
    ///
    /// # Errors
    /// Returns errors of the sink, and an error for a link type that pcapng does not have.
    pub fn new(
        sink: W,
        format: FileFormat,
        section: &Section,
        sources: &[FileHeader],
    ) -> io::Result<Self> {
        if format == FileFormat::Pcap {
            let link_type = sources.first().map_or(1, |s| s.link_type);
            let whole = |s: &FileHeader| {
                if s.caplen == 0 {
                    SNAPLEN_WHOLE
                } else {
                    s.caplen
                }
            };
            let snaplen = sources.iter().map(whole).max().unwrap_or(SNAPLEN_WHOLE);
            let writer = PcapWriter::new(sink, link_type, snaplen, Precision::Nanoseconds);
            return Ok(Self::Pcap(writer));
        }
        let mut writer = PcapngWriter::new(sink, section);
        let ids = describe(&mut writer, sources)?;
        Ok(Self::Pcapng(writer, ids))
    }

    /// Takes a frame of `source` that has `len` bytes on the wire into the buffer. pcap has no place
    /// for `marks`.
    ///
    /// # Errors
    /// Returns errors of the sink; the frame was then not taken.
    pub fn frame(
        &mut self,
        source: usize,
        record: &Record<'_>,
        len: u32,
        marks: &Marks,
    ) -> io::Result<()> {
        match self {
            Self::Pcap(writer) => writer.frame(record.time, len, record.data),
            Self::Pcapng(writer, ids) => {
                let id = of(ids, source)?;
                writer.mark(id, marks, len, record.data.len())?;
                writer.frame(id, record.time, len, record.data)
            }
        }
    }

    /// Notes the direction of the next frame of `source`; pcap has no place for it.
    ///
    /// # Errors
    /// Returns an error if the source is not in the file.
    pub fn direction(&mut self, source: usize, direction: Direction) -> io::Result<()> {
        match self {
            Self::Pcap(_) => Ok(()),
            Self::Pcapng(writer, ids) => writer.direction(of(ids, source)?, direction),
        }
    }

    /// Notes that `lost` frames of `source` are missing here. The next frame of the source says so.
    ///
    /// # Errors
    /// Returns an error if the source is not in the file.
    pub fn gap(&mut self, source: usize, lost: &Ledger) -> io::Result<()> {
        match self {
            Self::Pcap(_) => Ok(()),
            Self::Pcapng(writer, ids) => {
                let gap = Gap {
                    lost: *lost,
                    ..Gap::default()
                };
                writer.gap(of(ids, source)?, &gap)
            }
        }
    }

    /// Takes the statistics of `source` into the buffer.
    ///
    /// # Errors
    /// Returns errors of the sink.
    pub fn statistics(&mut self, source: usize, statistics: &Statistics) -> io::Result<()> {
        match self {
            Self::Pcap(_) => Ok(()),
            Self::Pcapng(writer, ids) => writer.statistics(of(ids, source)?, statistics),
        }
    }

    /// Bytes of the file so far, those in the buffer included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Pcap(writer) => writer.bytes(),
            Self::Pcapng(writer, _) => writer.bytes(),
        }
    }

    /// Writes everything that is buffered.
    ///
    /// # Errors
    /// Returns errors of the sink; the call can be repeated.
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Pcap(writer) => writer.flush(),
            Self::Pcapng(writer, _) => writer.flush(),
        }
    }
}

fn of(ids: &[InterfaceId], source: usize) -> io::Result<InterfaceId> {
    ids.get(source)
        .copied()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a source of another file"))
}

fn describe<W: Write>(
    writer: &mut PcapngWriter<W>,
    sources: &[FileHeader],
) -> io::Result<Vec<InterfaceId>> {
    sources
        .iter()
        .map(|source| writer.interface(&Interface::of(source)))
        .collect()
}

/// Makes the statistics with which a pcapng file of `sources` ends, as bytes to be written behind
/// its last frame. They do not depend on the state of the writer of the frames. Empty for pcap.
#[must_use]
pub fn closing(format: FileFormat, sources: &[FileHeader], statistics: &[Statistics]) -> Vec<u8> {
    if format != FileFormat::Pcapng {
        return Vec::new();
    }
    let bytes = || -> io::Result<Vec<u8>> {
        let mut writer = PcapngWriter::new(Vec::new(), &Section::default());
        let ids = describe(&mut writer, sources)?;
        let start = usize::try_from(writer.bytes()).map_err(io::Error::other)?;
        for (id, statistics) in ids.iter().zip(statistics) {
            writer.statistics(*id, statistics)?;
        }
        Ok(writer.into_inner()?.split_off(start))
    };
    // This cannot fail: it writes into memory, and the same interfaces were described before.
    bytes().unwrap_or_default()
}
