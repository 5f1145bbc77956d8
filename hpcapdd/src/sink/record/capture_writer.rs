//! Frames of one source or of several as pcapng or pcap, into anything that takes bytes.

use std::io::{self, Write};

use hpcap::compress::FileFormat;
use hpcap::pcapfile::{
    Interface, InterfaceId, PcapWriter, PcapngWriter, Precision, Section, Statistics,
};
use hpcap::raw::{FileHeader, Gap, Record};
use hpcap::{Ledger, Timestamp};

/// What wrote a file.
const APPLICATION: &str = concat!("hpcapdd ", env!("CARGO_PKG_VERSION"));

/// The longest frame of a pcap file for readers that ask: what libpcap calls whole frames.
const SNAPLEN_WHOLE: u32 = 262_144;

/// Writes one file or stream.
#[derive(Debug)]
pub enum CaptureWriter<W> {
    /// pcapng: every source is an interface.
    Pcapng(PcapngWriter<W>, Vec<InterfaceId>),
    /// Classic pcap, which has no interfaces, no gaps and no statistics.
    Pcap(PcapWriter<W>),
}

impl<W: Write> CaptureWriter<W> {
    /// Starts a file of `sources`, all of one link type where it is pcap. `comment` is on the
    /// whole file; pcap has no place for it.
    ///
    /// # Errors
    /// That of the sink, and a link type that pcapng does not have.
    pub fn new(
        sink: W,
        format: FileFormat,
        sources: &[FileHeader],
        comment: &str,
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
        let section = Section {
            comment: comment.to_owned(),
            ..Section::here(APPLICATION)
        };
        let mut writer = PcapngWriter::new(sink, &section);
        let ids = describe(&mut writer, sources)?;
        Ok(Self::Pcapng(writer, ids))
    }

    /// Takes a frame of `source`, of `len` bytes on the wire, into the buffer.
    ///
    /// # Errors
    /// That of the sink; nothing was taken.
    pub fn frame(
        &mut self,
        source: usize,
        record: &Record<'_>,
        len: u32,
        duplicate: bool,
    ) -> io::Result<()> {
        match self {
            Self::Pcap(writer) => writer.frame(record.time, len, record.data),
            Self::Pcapng(writer, ids) => {
                let id = of(ids, source)?;
                if duplicate {
                    writer.duplicate(id)?;
                }
                writer.frame(id, record.time, len, record.data)
            }
        }
    }

    /// Frames of `source` are missing here; its next frame tells so.
    ///
    /// # Errors
    /// A source that is not in the file.
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
    /// That of the sink.
    pub fn statistics(&mut self, source: usize, statistics: &Statistics) -> io::Result<()> {
        match self {
            Self::Pcap(_) => Ok(()),
            Self::Pcapng(writer, ids) => writer.statistics(of(ids, source)?, statistics),
        }
    }

    /// Bytes of the file so far, written or not.
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
    /// That of the sink; can be repeated.
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

/// The statistics with which a pcapng file of `sources` ends: bytes to be written behind its last
/// frame, whatever became of the writer of the frames. Empty for pcap.
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
    // Into memory, of interfaces that were described before.
    bytes().unwrap_or_default()
}

/// The statistics of what a source did between two ledgers.
#[must_use]
pub fn statistics_between(
    start: (Timestamp, &Ledger),
    end: (Timestamp, &Ledger),
    own: &Ledger,
    delivered: u64,
) -> Statistics {
    let mut ledger = end.1.since(start.1);
    ledger += own;
    Statistics {
        start: Some(start.0),
        end: Some(end.0),
        ..Statistics::of(&ledger, delivered, end.0)
    }
}
