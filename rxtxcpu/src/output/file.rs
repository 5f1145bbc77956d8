//! The file of a stream, or the first of its files.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hpcap::output_file::is_removed;
use hpcap::pcapfile::{Direction, Statistics};
use hpcap::raw::Gap;
use hpcap::{Count, Ledger, Reason, Timestamp};
use hpcap_source::stream::StreamFrame;

use super::open::{Opened, StreamFacts, Writer, open};
use super::{Output, Rotation, Waiting};
use crate::failure::Failure;
use crate::say::say;

/// Longest time that frames stay in the memory of this process. Before, they wait in the kernel for
/// [`DELAY`](crate::plan::DELAY) at most; both together are less than the second within which they are in the file.
const FLUSH_EVERY: Duration = Duration::from_millis(500);
/// Time between two looks at the name of a file.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The file of a stream.
#[derive(Debug)]
pub struct StreamFile {
    facts: StreamFacts,
    output: Output,
    writer: Writer,
    /// The name, for messages.
    name: String,
    /// The file on a disk.
    disk: Option<Arc<File>>,
    /// When it was last seen that the file has its name.
    looked: Instant,
    /// Frames that are lost with files that were removed, and the failure that the end reports.
    removed: u64,
    removal: Option<Failure>,
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
        let Opened { writer, name, disk } = open(output, &facts, 1, &waiting)?;
        let mut file = Self {
            output: output.clone(),
            facts,
            writer,
            name,
            disk,
            looked: Instant::now(),
            removed: 0,
            removal: None,
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
        self.complete()?;
        self.begin(self.file + 1)
    }

    /// Begins the file with this number.
    fn begin(&mut self, number: u32) -> Result<(), WriteFailure> {
        let Opened { writer, name, disk } = open(&self.output, &self.facts, number, &self.waiting)?;
        (self.writer, self.name, self.disk) = (writer, name, disk);
        self.file = number;
        (self.first, self.start) = (None, Timestamp::now());
        (self.frames, self.lost) = (0, 0);
        Ok(())
    }

    /// Looks once a second whether the file was removed. Its frames are lost then, and a new file of the
    /// same name begins.
    ///
    /// # Errors
    /// The new file cannot be created.
    pub fn replace_if_removed(&mut self) -> Result<(), WriteFailure> {
        if self.looked.elapsed() < LOOK_EVERY {
            return Ok(());
        }
        self.looked = Instant::now();
        if !self.lose_if_removed() {
            return Ok(());
        }
        let lost = self.frames;
        self.begin(self.file)?;
        say(format_args!(
            "savefile '{}' was removed: {lost} packets are lost with it, and a new one is begun",
            self.name
        ));
        self.gap(Reason::Storage, lost);
        Ok(())
    }

    /// Counts the frames of the file as lost if it was removed. Returns whether it was.
    fn lose_if_removed(&mut self) -> bool {
        let is_gone = self.disk.as_ref().is_some_and(|file| is_removed(file));
        if is_gone {
            self.removed += self.frames;
            self.removal.get_or_insert_with(|| {
                Failure::known(format!("savefile '{}' was removed", self.name))
            });
        }
        is_gone
    }

    /// Notes that the stream has lost `frames` here.
    pub fn lost(&mut self, frames: u64) {
        self.lost += frames;
        self.gap(Reason::NicMissed, frames);
    }

    fn gap(&mut self, reason: Reason, frames: u64) {
        if let Writer::Pcapng(writer, id) = &mut self.writer {
            let mut lost = Ledger::default();
            lost[reason] = Count::new(frames, 0);
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

    /// Returns the time after which [`StreamFile::flush_if_due`] has something to do; `None` if the buffer is empty.
    #[must_use]
    pub fn flush_in(&self) -> Option<Duration> {
        (!self.is_flushed).then(|| FLUSH_EVERY.saturating_sub(self.flushed.elapsed()))
    }

    /// Writes what is in the buffer if it may have been there for long.
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
        self.delivered.saturating_sub(self.removed)
    }

    /// Writes the rest, with statistics where the format has a place for them.
    ///
    /// # Errors
    /// The file cannot be written, or a file was removed.
    pub fn finish(&mut self) -> Result<(), WriteFailure> {
        self.complete()?;
        self.lose_if_removed();
        self.removal
            .take()
            .map_or(Ok(()), |failure| Err(failure.into()))
    }

    fn complete(&mut self) -> Result<(), WriteFailure> {
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
