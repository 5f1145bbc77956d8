//! DEST `-`: pcapng on stdout.

use std::io;
use std::time::{Duration, Instant};

use hpcap::pcapfile::{Interface, InterfaceId, PcapngWriter, Section, Statistics};
use hpcap::queue::QueueInfo;
use hpcap::raw::{Gap, Record};
use hpcap::{Count, Error, Ledger, Result, Timestamp};

use crate::file_header::header_of;
use crate::pipe::Pipe;
use crate::record_sink::{OutputFailure, RecordOutput};
use crate::trouble::Trouble;

/// Bytes that are collected before they are written: less than the writer's own buffer.
const FLUSH_BYTES: u64 = 256 << 10;

/// How often the interface's statistics are written.
const STATISTICS_EVERY: Duration = Duration::from_secs(1);

/// Writes pcapng into a pipe.
#[derive(Debug)]
pub struct PcapngOutput {
    writer: PcapngWriter<Pipe>,
    interface: InterfaceId,
    start: Timestamp,
    flushed: u64,
    frames: u64,
    frames_seen: u64,
    statistics: Instant,
}

impl PcapngOutput {
    /// One section, one interface: `info`'s queue. `filter` and `caplen` are the recorder's
    /// own; empty and 0 = none.
    ///
    /// # Errors
    /// A link type that pcapng does not have.
    pub fn new(pipe: Pipe, info: &QueueInfo, filter: &str, caplen: u32) -> Result<Self> {
        let header = header_of(info, 0, caplen, filter, &Ledger::default());
        let section = Section::here(concat!("hpcapdd ", env!("CARGO_PKG_VERSION")));
        let mut writer = PcapngWriter::new(pipe, &section);
        let interface = writer
            .interface(&Interface::of(&header))
            .map_err(|e| Error::io("write pcapng", e))?;
        Ok(Self {
            writer,
            interface,
            start: Timestamp::now(),
            flushed: 0,
            frames: 0,
            frames_seen: 0,
            statistics: Instant::now(),
        })
    }

    fn write_statistics(&mut self, ledger: &Ledger, end: Option<Timestamp>) {
        let now = Timestamp::now();
        let mut statistics = Statistics::of(ledger, self.frames, now);
        statistics.start = Some(self.start);
        statistics.end = end;
        // Into the buffer, which has room.
        let _ = self.writer.statistics(self.interface, &statistics);
        self.statistics = Instant::now();
    }
}

impl RecordOutput for PcapngOutput {
    fn turn(&mut self, ledger: &dyn Fn() -> Ledger) -> std::result::Result<(), OutputFailure> {
        // Looking at the clock for every frame would cost as much as the frame.
        let idle = self.frames == self.frames_seen;
        self.frames_seen = self.frames;
        if (idle || self.frames.is_multiple_of(1024))
            && self.frames > 0
            && self.statistics.elapsed() >= STATISTICS_EVERY
        {
            self.write_statistics(&ledger(), None);
        }
        Ok(())
    }

    fn ready(&mut self, _ledger: &dyn Fn() -> Ledger) -> std::result::Result<(), OutputFailure> {
        // The head of the file goes out at once: readers wait for it.
        if self.flushed == 0 || self.writer.bytes() - self.flushed >= FLUSH_BYTES {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn frame(&mut self, record: &Record<'_>) {
        let len = u32::from(record.len);
        let written = self
            .writer
            .frame(self.interface, record.time, len, record.data);
        self.frames += u64::from(written.is_ok());
    }

    fn gap(&mut self, gap: &Gap) {
        // It fails only for an interface of another file.
        let _ = self.writer.gap(self.interface, gap);
    }

    fn flush(&mut self) -> std::result::Result<(), OutputFailure> {
        match self.writer.flush() {
            Ok(()) => {
                self.flushed = self.writer.bytes();
                Ok(())
            }
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(OutputFailure::ReaderGone),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Err(OutputFailure::ReaderSlow),
            Err(e) => Err(OutputFailure::Trouble {
                // There is no other pipe to go on with.
                trouble: Trouble::Passing(Error::io("write to stdout", e)),
                lost: Count::default(),
            }),
        }
    }

    fn finish(
        &mut self,
        ledger: &Ledger,
        _complete: bool,
    ) -> std::result::Result<(), OutputFailure> {
        self.write_statistics(ledger, Some(Timestamp::now()));
        self.flush()
    }

    fn written(&self) -> (u64, u64) {
        (self.writer.bytes(), 0)
    }
}
