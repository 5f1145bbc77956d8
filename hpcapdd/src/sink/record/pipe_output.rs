//! The destination `-`, which is pcapng on stdout.

use std::io;
use std::time::{Duration, Instant};

use hpcap::listener::Moment;
use hpcap::pcapfile::{Interface, InterfaceId, PcapngWriter, Section, Statistics};
use hpcap::pipe::Pipe;
use hpcap::queue::QueueInfo;
use hpcap::raw::Gap;
use hpcap::{Count, Error, Kind, Ledger, Reason, Result, Timestamp};

use crate::sink::file_header::{Place, header_of};
use crate::sink::record::{OutputFailure, OutputFrame, RecordOutput, Written};
use crate::storage::error::StorageError;

/// Bytes that the output collects before it writes them. The writer's own buffer is larger.
const FLUSH_BYTES: u64 = 256 << 10;

/// Time between two statistics blocks of the interface.
const STATISTICS_EVERY: Duration = Duration::from_secs(1);

/// Writes pcapng into a pipe.
#[derive(Debug)]
pub struct PipeOutput {
    writer: PcapngWriter<Pipe>,
    is_device: bool,
    interface: InterfaceId,
    start: Timestamp,
    /// The queue's ledger at `start`.
    before: Ledger,
    /// Frames that the recorder itself lost.
    own: Ledger,
    flushed: u64,
    taken: Count,
    delivered: Count,
    frames_seen: u64,
    statistics: Instant,
}

impl PipeOutput {
    /// An output with one section and one interface: `info`'s queue, whose ledger was `before` when
    /// the recording began. `filter` and `caplen` are the recorder's own; an empty filter keeps all
    /// frames, and a length of 0 keeps whole frames.
    ///
    /// # Errors
    /// An error if pcapng does not have the link type.
    pub fn new(
        pipe: Pipe,
        info: &QueueInfo,
        before: Ledger,
        filter: &str,
        caplen: u32,
    ) -> Result<Self> {
        let header = header_of(info, Place::default(), caplen, filter, &Ledger::default());
        let section = Section::here(concat!("hpcapdd ", env!("CARGO_PKG_VERSION")));
        let is_device = pipe.is_device();
        let mut writer = PcapngWriter::new(pipe, &section);
        let interface = writer
            .interface(&Interface::of(&header))
            .map_err(|e| Error::io("write pcapng", e))?;
        Ok(Self {
            writer,
            is_device,
            interface,
            start: Timestamp::now(),
            before,
            own: Ledger::default(),
            flushed: 0,
            taken: Count::default(),
            delivered: Count::default(),
            frames_seen: 0,
            statistics: Instant::now(),
        })
    }

    fn write_statistics(&mut self, ledger: &Ledger, end: Option<Timestamp>) {
        let now = Timestamp::now();
        let (start, end_of_counts) = ((self.start, &self.before), (now, ledger));
        let mut statistics =
            Statistics::between(start, end_of_counts, &self.own, self.taken.frames);
        statistics.end = end;
        // This cannot fail: it writes into the buffer, which has room.
        let _ = self.writer.statistics(self.interface, &statistics);
        self.statistics = Instant::now();
    }
}

impl RecordOutput for PipeOutput {
    fn turn(&mut self, ledger: &dyn Fn() -> Moment) -> std::result::Result<(), OutputFailure> {
        // Reading the clock for every frame would cost as much as storing it.
        let idle = self.taken.frames == self.frames_seen;
        self.frames_seen = self.taken.frames;
        if (idle || self.taken.frames.is_multiple_of(1024))
            && self.taken.frames > 0
            && self.statistics.elapsed() >= STATISTICS_EVERY
        {
            self.write_statistics(&ledger().ledger, None);
        }
        Ok(())
    }

    fn ready(&mut self, _ledger: &dyn Fn() -> Moment) -> std::result::Result<(), OutputFailure> {
        // The head of the file is written at once, because readers wait for it.
        if self.flushed == 0 || self.writer.bytes() - self.flushed >= FLUSH_BYTES {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn frame(&mut self, frame: &OutputFrame<'_>) {
        let (record, len) = (&frame.record, frame.wire_len());
        // This fails only for an interface of another file.
        let _ = self
            .writer
            .mark(self.interface, &frame.marks, len, record.data.len());
        let written = self
            .writer
            .frame(self.interface, record.time, len, record.data);
        if written.is_ok() {
            self.taken += frame.count();
        }
    }

    fn gap(&mut self, _source: usize, gap: &Gap) {
        for own in [Reason::Overrun, Reason::Storage] {
            self.own[own] += gap.lost[own];
        }
        // This fails only for an interface of another file.
        let _ = self.writer.gap(self.interface, gap);
    }

    fn flush(&mut self) -> std::result::Result<(), OutputFailure> {
        match self.writer.flush() {
            Ok(()) => {
                self.flushed = self.writer.bytes();
                self.delivered = self.taken;
                Ok(())
            }
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(OutputFailure::ReaderGone),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Err(OutputFailure::ReaderSlow),
            // There is no other pipe to go on with.
            Err(e) => {
                let error = Error::io("write to stdout", e);
                Err(match self.is_device {
                    true => StorageError::Final(error).into(),
                    false => StorageError::Passing(error).into(),
                })
            }
        }
    }

    fn finish(&mut self, end: &Moment) -> std::result::Result<(), OutputFailure> {
        self.write_statistics(&end.ledger, Some(Timestamp::now()));
        let error = match self.flush() {
            Err(OutputFailure::ReaderSlow) => {
                let why = "its reader takes nothing; some of the last frames are not delivered";
                StorageError::Passing(Error::new(Kind::Timeout, "write to stdout", why))
            }
            Err(OutputFailure::Storage { error, .. }) => error,
            other => return other,
        };
        Err(OutputFailure::Storage {
            error,
            lost: vec![self.taken - self.delivered],
        })
    }

    fn written(&self) -> Written {
        Written {
            bytes: self.writer.bytes(),
            files: 0,
        }
    }
}
