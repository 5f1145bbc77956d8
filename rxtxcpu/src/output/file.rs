//! The file of a stream, or the first of its files.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hpcap::pcapfile::{
    Direction, Interface, InterfaceId, PcapWriter, PcapngWriter, Precision, Section, Statistics,
};
use hpcap::pipe::Pipe;
use hpcap::raw::Gap;
use hpcap::{Count, Ledger, Reason, Timestamp};
use hpcap_source::af_packet::streams::StreamFrame;

use super::{Output, Patient, Rotation, Waiting};
use crate::cli::Format;
use crate::failure::{Failure, plain};

/// Longest time that frames stay in the memory of this process.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// Captured length that the header of a pcap file with whole frames announces, as libpcap does.
const WHOLE_FRAMES: u32 = 262_144;

/// Description of the stream, for the header of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamFacts {
    /// Number of the stream.
    pub number: u32,
    /// The stream in words, such as `cpu 3`.
    pub label: String,
    /// Whether the number is that of a queue.
    pub is_queue: bool,
    /// Name of the interface.
    pub interface: String,
    /// LINKTYPE_ value of the frames.
    pub link_type: u32,
    /// Captured length; 0 = whole frames.
    pub caplen: u32,
    /// The filter.
    pub filter: String,
    /// Name and version of this program.
    pub application: String,
}

#[derive(Debug)]
enum Writer {
    Pcap(PcapWriter<Patient>),
    Pcapng(PcapngWriter<Patient>, InterfaceId),
}

/// The file of a stream.
#[derive(Debug)]
pub struct StreamFile {
    facts: StreamFacts,
    output: Output,
    writer: Writer,
    /// The name, for messages.
    name: String,
    /// Number of the file, where new files start.
    file: u32,
    /// Time of the first frame of this file.
    first: Option<Timestamp>,
    flushed: Instant,
    is_flushed: bool,
    start: Timestamp,
    /// Frames in this file, and frames that the stream has lost since the file began.
    frames: u64,
    lost: u64,
    /// Frames that were taken, and those of them that are known to be written, in all files.
    taken: u64,
    delivered: u64,
    waiting: Arc<dyn Waiting>,
}

/// Largest number of bytes that pcapng adds to a frame: its header and options, and the statistics at the end.
const PCAPNG_BYTES: u64 = 320;

impl StreamFile {
    /// Creates the file, or takes standard output. A write waits for its reader as `waiting` allows.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(
        output: &Output,
        facts: StreamFacts,
        waiting: Arc<dyn Waiting>,
    ) -> Result<Self, Failure> {
        let (writer, name) = open(output, &facts, 1, &waiting)?;
        let mut file = Self {
            output: output.clone(),
            facts,
            writer,
            name,
            file: 1,
            first: None,
            flushed: Instant::now(),
            is_flushed: false,
            start: Timestamp::now(),
            frames: 0,
            lost: 0,
            taken: 0,
            delivered: 0,
            waiting,
        };
        // Readers of a pipe wait for the header.
        match file.flush() {
            Err(WriteFailure::Failed(failure)) => Err(failure),
            // The write of the first frame will meet the same condition, and handles it.
            Err(WriteFailure::ReaderGone | WriteFailure::ReaderSlow) | Ok(()) => Ok(file),
        }
    }

    fn rotation(&self) -> Rotation {
        match self.output {
            Output::Stdout(_) => Rotation::default(),
            Output::Files { rotation, .. } => rotation,
        }
    }

    fn bytes(&self) -> u64 {
        match &self.writer {
            Writer::Pcap(writer) => writer.bytes(),
            Writer::Pcapng(writer, _) => writer.bytes() + PCAPNG_BYTES,
        }
    }

    /// Takes a frame into the buffer, in a new file if one is due.
    ///
    /// # Errors
    /// The file cannot be written, or no new one created.
    pub fn frame(&mut self, frame: &StreamFrame<'_>, data: &[u8]) -> Result<(), WriteFailure> {
        self.rotate_if_due(frame.time, data.len() as u64)?;
        self.first.get_or_insert(frame.time);
        self.is_flushed = false;
        let done = match &mut self.writer {
            Writer::Pcap(writer) => writer.frame(frame.time, frame.len, data),
            Writer::Pcapng(writer, id) => {
                let direction = match frame.outgoing {
                    true => Direction::Outbound,
                    false => Direction::Inbound,
                };
                writer
                    .direction(*id, direction)
                    .and_then(|()| writer.frame(*id, frame.time, frame.len, data))
            }
        };
        done.map_err(|e| self.failure(&e))?;
        self.frames += 1;
        self.taken += 1;
        Ok(())
    }

    fn rotate_if_due(&mut self, time: Timestamp, bytes: u64) -> Result<(), WriteFailure> {
        let Rotation {
            bytes: size,
            time: span,
        } = self.rotation();
        // A file without frames is kept, and no further file starts.
        let Some(first) = self.first else {
            return Ok(());
        };
        let full = size.is_some_and(|size| self.bytes() + 16 + bytes > size);
        let elapsed = Duration::from_nanos(time.as_ns().saturating_sub(first.as_ns()));
        if !full && span.is_none_or(|span| elapsed < span) {
            return Ok(());
        }
        self.finish()?;
        let (writer, name) = open(&self.output, &self.facts, self.file + 1, &self.waiting)?;
        (self.writer, self.name) = (writer, name);
        self.file += 1;
        (self.first, self.start) = (None, Timestamp::now());
        (self.frames, self.lost) = (0, 0);
        Ok(())
    }

    /// Notes that the stream has lost `frames` here.
    pub fn lost(&mut self, frames: u64) {
        self.lost += frames;
        if let Writer::Pcapng(writer, id) = &mut self.writer {
            let mut lost = Ledger::default();
            lost[Reason::NicMissed] = Count::new(frames, 0);
            let gap = Gap {
                from: None,
                open: false,
                until: Timestamp::now(),
                lost,
            };
            // The interface is one of this file.
            let _ = writer.gap(*id, &gap);
        }
    }

    /// Writes what is in the buffer if it has been there for a second.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn flush_if_due(&mut self) -> Result<(), WriteFailure> {
        match !self.is_flushed && self.flushed.elapsed() >= FLUSH_EVERY {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Writes what is in the buffer.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn flush(&mut self) -> Result<(), WriteFailure> {
        self.flushed = Instant::now();
        let done = match &mut self.writer {
            Writer::Pcap(writer) => writer.flush(),
            Writer::Pcapng(writer, _) => writer.flush(),
        };
        done.map_err(|e| self.failure(&e))?;
        self.is_flushed = true;
        self.delivered = self.taken;
        Ok(())
    }

    /// Frames that are known to be written, in all files of the stream.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Writes the rest, with statistics where the format has a place for them.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(&mut self) -> Result<(), WriteFailure> {
        if let Writer::Pcapng(writer, id) = &mut self.writer {
            let now = Timestamp::now();
            let statistics = Statistics {
                time: now,
                start: Some(self.start),
                end: Some(now),
                received: Some(self.frames + self.lost),
                os_dropped: Some(self.lost),
                delivered: Some(self.frames),
                ..Statistics::default()
            };
            let done = writer.statistics(*id, &statistics);
            done.map_err(|e| self.failure(&e))?;
        }
        self.flush()
    }

    fn failure(&self, error: &io::Error) -> WriteFailure {
        let is_stdout = matches!(self.output, Output::Stdout(_));
        match error.kind() {
            io::ErrorKind::BrokenPipe if is_stdout => WriteFailure::ReaderGone,
            io::ErrorKind::WouldBlock => WriteFailure::ReaderSlow,
            _ => WriteFailure::Failed(Failure::of_writing(&self.name, error)),
        }
    }
}

/// Why a frame was not written.
#[derive(Debug)]
pub enum WriteFailure {
    /// The reader of standard output has read enough.
    ReaderGone,
    /// The reader reads nothing, and the capture is to end.
    ReaderSlow,
    /// Anything else.
    Failed(Failure),
}

impl From<Failure> for WriteFailure {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Creates or replaces the file `path`.
fn create(path: &Path) -> io::Result<Pipe> {
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        // Opening a FIFO that nobody reads would block, and no signal would end the wait.
        .custom_flags(libc::O_NONBLOCK)
        .open(path);
    let file: File = opened.map_err(|e| match e.raw_os_error() {
        Some(libc::ENXIO) => io::Error::other("nobody reads this FIFO"),
        _ => e,
    })?;
    Pipe::of(file).map_err(io::Error::other)
}

/// Opens file number `file` of a stream. Returns it with its name.
fn open(
    output: &Output,
    facts: &StreamFacts,
    file: u32,
    waiting: &Arc<dyn Waiting>,
) -> Result<(Writer, String), Failure> {
    let (opened, format, name) = match output {
        Output::Stdout(format) => {
            let stdout = Pipe::stdout().map_err(io::Error::other);
            (stdout, *format, "-".to_owned())
        }
        Output::Files {
            template,
            format,
            rotation,
        } => {
            let path = template.name(facts.number, rotation.happens().then_some(file));
            (create(&path), *format, path.display().to_string())
        }
    };
    let failed = |e: io::Error| {
        let why = plain(&e);
        Failure::known(format!("error opening savefile '{name}': {why}"))
    };
    let opened = Patient::new(opened.map_err(failed)?, Arc::clone(waiting));
    let writer = match format {
        Format::Pcap => {
            let snaplen = match facts.caplen {
                0 => WHOLE_FRAMES,
                caplen => caplen,
            };
            let precision = Precision::Nanoseconds;
            Writer::Pcap(PcapWriter::new(opened, facts.link_type, snaplen, precision))
        }
        Format::Pcapng => {
            let mut writer = PcapngWriter::new(opened, &Section::here(facts.application.clone()));
            let interface = Interface {
                link_type: facts.link_type,
                snaplen: facts.caplen,
                name: facts.interface.clone(),
                description: facts.label.clone(),
                filter: facts.filter.clone(),
                queue: facts.is_queue.then_some(facts.number),
            };
            let id = writer.interface(&interface).map_err(failed)?;
            Writer::Pcapng(writer, id)
        }
    };
    Ok((writer, name))
}
