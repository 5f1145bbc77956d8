//! Writes a RAW file record by record.
//!
//! ```
//! use hpcap_raw::{Placed, Writer};
//!
//! # fn main() -> std::io::Result<()> {
//! // A file of at most 4096 bytes has room for 56 records of 60 bytes, because its end needs a header.
//! let mut writer = Writer::with_max(Vec::new(), 4096);
//! let mut stored = 0;
//! while writer.frame(1_700_000_000, stored, 60, &[0xab; 60])? == Placed::Stored {
//!     stored += 1;
//! }
//! assert_eq!(stored, 56);
//! let (bytes, written) = writer.close(4096)?;
//! assert_eq!((bytes.len(), written.frames.frames), (4096, 56));
//! # Ok(())
//! # }
//! ```

use std::io::{self, Write};

use crate::padding::{padding_header, padding_to};
use crate::tag::{Altered, FileHeader, Gap, LedgerTag, Tag};
use hpcap_base::ledger::Count;
use hpcap_base::sink::Sink;
use hpcap_base::time::Timestamp;
use hpcap_sys::abi::{HPCAP_CAPLEN_MAX, HPCAP_FILE_BYTES_MAX, HPCAP_RECORD_BYTES, hpcap_record};

const HEADER: u64 = HPCAP_RECORD_BYTES as u64;

/// What the tags before a frame say of it, beside a time or length that its record cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FrameMarks {
    /// The frame is a copy of an earlier one.
    pub duplicate: bool,
    /// The machine that captured the frame sent it.
    pub sent: bool,
}

/// Whether a record was placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Placed {
    /// The record is in the file.
    Stored,
    /// The file has no room for the record: [`Writer::close`] the file and start another.
    Full,
}

/// Counts of what a writer stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Frames stored, and their bytes on the wire.
    pub frames: Count,
    /// Captured bytes of the stored frames (sum of `caplen`).
    pub captured_bytes: u64,
    /// Frames longer than 65,535 bytes, whose stored data is cut.
    pub frames_cut: u64,
    /// Frames whose time was zero or outside 32-bit seconds, stored with an adjusted time.
    pub times_adjusted: u64,
    /// Number of gap records.
    pub gaps: u64,
    /// Time of the last frame.
    pub last: Option<Timestamp>,
}

/// Writes one RAW file to `W`: records, then padding that ends exactly at the file's end.
///
/// A record is stored only if at least 12 bytes remain after it, so that the file can always be
/// closed. After an error no part of the record was accepted, and the call can be repeated (see
/// [`Sink`]).
#[derive(Debug)]
pub struct Writer<W> {
    sink: Sink<W>,
    file_bytes_max: u64,
    /// Whether the file has a header; only such a file has tags before altered frames.
    tagged: bool,
    written: Written,
}

/// Returns the time as a record can hold it, and whether it had to be adjusted. A record cannot
/// hold a time of zero, which would make it padding, nor seconds beyond 32 bits.
#[must_use]
pub fn storable_time(sec: u64, nsec: u32) -> (Timestamp, bool) {
    match u32::try_from(sec) {
        Ok(0) if nsec == 0 => (Timestamp::new(0, 1), true),
        Ok(sec) if nsec < 1_000_000_000 => (Timestamp::new(sec, nsec), false),
        Ok(sec) => {
            let time = Timestamp::new(sec, nsec);
            (time.min(Timestamp::MAX_RAW), true)
        }
        Err(_) => (Timestamp::MAX_RAW, true),
    }
}

impl<W: Write> Writer<W> {
    /// Creates a writer for a file of at most 2 GiB.
    #[must_use]
    pub fn new(sink: W) -> Self {
        Self::with_max(sink, HPCAP_FILE_BYTES_MAX)
    }

    /// Creates a writer for a file of at most `file_bytes_max` bytes.
    #[must_use]
    pub fn with_max(sink: W, file_bytes_max: u64) -> Self {
        Self {
            sink: Sink::new(sink),
            file_bytes_max,
            tagged: false,
            written: Written::default(),
        }
    }

    /// Offset of the next record from the start of the file, in bytes.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.sink.accepted()
    }

    /// Largest size of the file, in bytes.
    #[must_use]
    pub fn file_bytes_max(&self) -> u64 {
        self.file_bytes_max
    }

    /// Counts of what was written so far.
    #[must_use]
    pub fn written(&self) -> &Written {
        &self.written
    }

    /// Whether a record with a body of `body` bytes fits into the rest of the file.
    #[must_use]
    #[inline]
    pub fn fits(&self, body: usize) -> bool {
        self.offset() + HEADER + body as u64 + HEADER <= self.file_bytes_max
    }

    /// Writes the file header, which must be the first record. A file in plain mode has no header.
    ///
    /// # Errors
    /// Returns the error of the inner writer.
    pub fn header(&mut self, header: &FileHeader) -> io::Result<Placed> {
        let placed = self.tag(&Tag::FileHeader(Box::new(header.clone())))?;
        self.tagged |= placed == Placed::Stored;
        Ok(placed)
    }

    /// Writes a frame of `len` bytes on the wire, of which `data` was captured.
    ///
    /// Data beyond 65,535 bytes is cut, and a time of zero or outside 32-bit seconds is adjusted;
    /// [`Writer::written`] counts both. In a file with a header, a tag before the record holds the
    /// original time and length.
    ///
    /// # Errors
    /// Returns the error of the inner writer.
    #[inline]
    pub fn frame(&mut self, sec: u64, nsec: u32, len: u32, data: &[u8]) -> io::Result<Placed> {
        self.marked_frame(FrameMarks::default(), sec, nsec, len, data)
    }

    /// Writes a frame directly after the tags of its `marks`. Either all are stored or none. In all else as
    /// [`Writer::frame`].
    ///
    /// # Errors
    /// Returns the error of the inner writer.
    #[inline]
    pub fn marked_frame(
        &mut self,
        marks: FrameMarks,
        sec: u64,
        nsec: u32,
        len: u32,
        data: &[u8],
    ) -> io::Result<Placed> {
        let kept = &data[..data.len().min(HPCAP_CAPLEN_MAX)];
        let (time, adjusted) = storable_time(sec, nsec);
        // `len` must be at least the stored length: the scan doubts a record with `caplen` > `len`.
        let len_true = len.max(u32::try_from(data.len()).unwrap_or(u32::MAX));
        let cut = len_true as usize > HPCAP_CAPLEN_MAX;
        let altered = (self.tagged && (cut || adjusted)).then(|| {
            Tag::Altered(Altered {
                sec,
                nsec,
                len: len_true,
            })
            .to_body()
        });
        // A reader that does not know the tag of sent frames passes over it, and finds the others before the frame.
        let sent = marks.sent.then(|| Tag::Sent.to_body());
        let duplicate = marks.duplicate.then(|| Tag::Duplicate.to_body());
        let tags = [sent, altered, duplicate];
        let bytes_of = |tag: &Vec<u8>| HPCAP_RECORD_BYTES + tag.len();
        let tag_bytes: usize = tags.iter().flatten().map(bytes_of).sum();
        if !self.fits(tag_bytes + kept.len()) {
            return Ok(Placed::Full);
        }
        self.sink.ready()?;
        for tag in tags.iter().flatten() {
            self.append_padding(tag)?;
        }
        let header = hpcap_record {
            sec: u32::try_from(time.sec()).unwrap_or(u32::MAX),
            nsec: time.nsec(),
            caplen: u16::try_from(kept.len()).unwrap_or(u16::MAX),
            len: u16::try_from(len_true).unwrap_or(u16::MAX),
        };
        self.sink.append(header.as_bytes());
        self.sink.append(kept);
        let w = &mut self.written;
        w.frames += Count::new(1, u64::from(header.len));
        w.captured_bytes += kept.len() as u64;
        w.frames_cut += u64::from(cut);
        w.times_adjusted += u64::from(adjusted);
        w.last = Some(time);
        Ok(Placed::Stored)
    }

    /// Writes a gap record.
    ///
    /// # Errors
    /// Returns the error of the inner writer.
    pub fn gap(&mut self, gap: &Gap) -> io::Result<Placed> {
        let placed = self.tag(&Tag::Gap(Box::new(*gap)))?;
        self.written.gaps += u64::from(placed == Placed::Stored);
        Ok(placed)
    }

    /// Writes the ledger that belongs at the end of a file.
    ///
    /// # Errors
    /// Returns the error of the inner writer.
    pub fn ledger(&mut self, ledger: &LedgerTag) -> io::Result<Placed> {
        self.tag(&Tag::Ledger(Box::new(*ledger)))
    }

    fn tag(&mut self, tag: &Tag) -> io::Result<Placed> {
        let body = tag.to_body();
        if !self.fits(body.len()) {
            return Ok(Placed::Full);
        }
        self.sink.ready()?;
        self.append_padding(&body)?;
        Ok(Placed::Stored)
    }

    /// Appends padding with this body to the buffer.
    fn append_padding(&mut self, body: &[u8]) -> io::Result<()> {
        let caplen = u16::try_from(body.len()).map_err(io::Error::other)?;
        self.sink.append(padding_header(caplen).as_bytes());
        self.sink.append(body);
        Ok(())
    }

    /// Writes all buffered bytes.
    ///
    /// # Errors
    /// Returns the error of the inner writer; the call can be repeated.
    pub fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    /// Closes the file with padding up to the next multiple of `unit` bytes, with at least one
    /// header and without exceeding the largest file size. A `unit` of 0 or 1 gives the shortest
    /// file.
    ///
    /// # Errors
    /// Returns the error of the inner writer.
    pub fn close(self, unit: u64) -> io::Result<(W, Written)> {
        let least = self.offset() + HEADER;
        let end = least.next_multiple_of(unit.max(1)).min(self.file_bytes_max);
        self.close_at(end)
    }

    /// Closes the file with padding that ends exactly at `end`, bytes from its start.
    ///
    /// # Errors
    /// Returns the error of the inner writer, and `InvalidInput` when `end` is fewer than 12 bytes
    /// away.
    pub fn close_at(mut self, end: u64) -> io::Result<(W, Written)> {
        let offset = self.offset();
        let padding = padding_to(offset, end)
            .filter(|_| end > offset)
            .ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("no padding can reach from offset {offset} to {end}"),
                )
            })?;
        for header in padding {
            self.sink.ready()?;
            self.sink.append(header.as_bytes());
            self.sink.append_zeros(usize::from(header.caplen));
        }
        Ok((self.sink.into_inner()?, self.written))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Event, split_record};

    /// Whatever the size limit is, a duplicate mark is directly before its frame, or neither is
    /// stored.
    #[test]
    fn duplicate_mark_stays_with_its_frame() {
        const MARK: u64 = 12 + 16;
        const FRAME: u64 = 12 + 60;
        const DUPLICATE: FrameMarks = FrameMarks {
            duplicate: true,
            sent: false,
        };
        for max in MARK..=4 * (MARK + FRAME) {
            let mut writer = Writer::with_max(Vec::new(), max);
            let mut stored = 0;
            while writer.marked_frame(DUPLICATE, 1, 2, 60, &[7; 60]).unwrap() == Placed::Stored {
                stored += 1;
                assert_eq!(writer.offset(), stored * (MARK + FRAME));
            }
            assert_eq!(stored, (max - HEADER) / (MARK + FRAME), "{max}");
            assert_eq!(writer.written().frames, Count::new(stored, 60 * stored));
            let (bytes, _) = writer.close_at(max).unwrap();
            let mut rest = bytes.as_slice();
            let mut marked = false;
            let mut frames = 0;
            while let Some((event, after)) = split_record(rest) {
                rest = after;
                let frame = matches!(event, Event::Frame(_));
                assert_eq!(
                    frame,
                    std::mem::replace(&mut marked, event == Event::Duplicate)
                );
                frames += u64::from(frame);
            }
            assert_eq!((rest.len(), marked, frames), (0, false, stored));
        }
    }
}
