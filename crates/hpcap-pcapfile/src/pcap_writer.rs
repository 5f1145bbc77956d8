//! Writes classic pcap.

use std::io::{self, Write};

use hpcap_base::sink::Sink;
use hpcap_base::time::Timestamp;

/// The resolution of the times in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Nanoseconds (magic 0xa1b23c4d).
    #[default]
    Nanoseconds,
    /// Microseconds (magic 0xa1b2c3d4), for programs that do not support nanoseconds. The rest of
    /// each time is cut off.
    Microseconds,
}

/// Writes classic pcap in little endian.
///
/// After an error no part of the frame was accepted, and the call can be repeated (see [`Sink`]).
#[derive(Debug)]
pub struct PcapWriter<W> {
    sink: Sink<W>,
    precision: Precision,
}

impl<W: Write> PcapWriter<W> {
    /// Creates a file for frames of `link_type` (LINKTYPE_ value) with at most `snaplen` bytes
    /// each.
    #[must_use]
    pub fn new(sink: W, link_type: u32, snaplen: u32, precision: Precision) -> Self {
        let mut sink = Sink::new(sink);
        let magic: u32 = match precision {
            Precision::Nanoseconds => 0xa1b2_3c4d,
            Precision::Microseconds => 0xa1b2_c3d4,
        };
        // Version 2.4, and two fields that programs do not use.
        for word in [magic, 2 | 4 << 16, 0, 0, snaplen, link_type] {
            sink.append(&word.to_le_bytes());
        }
        Self { sink, precision }
    }

    /// Writes a frame of `len` bytes on the wire, of which `data` was captured. A time after 2106
    /// becomes the latest one that 32-bit seconds hold.
    ///
    /// # Errors
    /// Returns the error of the inner writer.
    #[inline]
    pub fn frame(&mut self, time: Timestamp, len: u32, data: &[u8]) -> io::Result<()> {
        self.sink.ready()?;
        let time = time.min(Timestamp::MAX_RAW);
        let fraction = match self.precision {
            Precision::Nanoseconds => time.nsec(),
            Precision::Microseconds => time.nsec() / 1000,
        };
        let caplen = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let mut header = [0; 16];
        header[..4].copy_from_slice(&u32::try_from(time.sec()).unwrap_or(u32::MAX).to_le_bytes());
        header[4..8].copy_from_slice(&fraction.to_le_bytes());
        header[8..12].copy_from_slice(&caplen.to_le_bytes());
        header[12..].copy_from_slice(&len.to_le_bytes());
        self.sink.append(&header);
        self.sink.append(data);
        Ok(())
    }

    /// Bytes of the file so far, whether written or still buffered.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.sink.accepted()
    }

    /// Writes all buffered bytes.
    ///
    /// # Errors
    /// Returns the error of the inner writer; the call can be repeated.
    pub fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    /// Writes all buffered bytes and returns the inner writer.
    ///
    /// # Errors
    /// Returns the error of the inner writer.
    pub fn into_inner(self) -> io::Result<W> {
        self.sink.into_inner()
    }
}
