//! A viewer: an output in pcapng or pcap that reads at its own speed.
//!
//! Frames wait for a viewer in a buffer of a mebibyte. When it is full, the viewer misses frames, and
//! its next frame says how many. Nothing waits for a viewer.

pub mod door;
mod outlet;
mod profile;

use std::fs::File;
use std::io;
use std::sync::Arc;

use crate::side::QueueSide;
use hpcap::compress::FileFormat;
use hpcap::output_file::is_removed;
use hpcap::pcapfile::{CaptureWriter, Direction, Marks, Section, Statistics};
use hpcap::prompt_writer::{PromptWriter, Room};
use hpcap::raw::{FileHeader, Record};
use hpcap::{Count, Error, Frame, Kind, Ledger, Reason, Result, Timestamp};

pub use outlet::standard_output;
pub use profile::{Ending, NewSource, Profile};

/// Name and version of this program, for the section header of pcapng.
const APPLICATION: &str = concat!("hpcap-tap ", env!("CARGO_PKG_VERSION"));

/// Buffered bytes from which on they are written even while frames keep coming.
const FLUSH_BYTES: u64 = 256 << 10;

/// A queue, as one viewer gets it.
#[derive(Debug)]
struct Source {
    /// Number of the queue in the session.
    tap: usize,
    /// The ledger when the viewer came.
    before: Ledger,
    /// Which frames the source of the queue sees: received ones, sent ones or both.
    side: QueueSide,
    /// Frames that the buffer has taken.
    taken: Count,
    /// Frames that are lost with a file that was removed before this output began.
    removed: Count,
    /// Frames that are written.
    written: u64,
    /// Frames that the buffer did not take, because the viewer did not read.
    missed: Count,
}

/// An output of the frames of one or several queues.
#[derive(Debug)]
pub struct Viewer {
    profile: Profile,
    writer: CaptureWriter<PromptWriter>,
    room: Option<Room>,
    file: Option<Arc<File>>,
    sources: Vec<Source>,
    start: Timestamp,
    flushed: u64,
    /// Whether the outlet takes nothing at present. Only [`Viewer::flush`] tries it again.
    is_blocked: bool,
    /// Whether the buffer is full, too.
    is_full: bool,
    is_lossy: bool,
    ending: Option<Ending>,
}

impl Viewer {
    /// Starts the output `outlet` of `sources`.
    ///
    /// # Errors
    /// Returns an error when the format does not have the link types of the queues.
    pub fn new(profile: Profile, outlet: PromptWriter, sources: Vec<NewSource>) -> Result<Self> {
        let headers: Vec<FileHeader> = sources.iter().map(|s| s.header.clone()).collect();
        let tried = || format!("write {}", profile.name);
        if profile.format == FileFormat::Pcap
            && headers
                .windows(2)
                .any(|pair| pair[0].link_type != pair[1].link_type)
        {
            return Err(
                Error::usage(tried(), "pcap cannot hold queues of different link types")
                    .advise("use pcapng"),
            );
        }
        let (room, file) = (outlet.room(), outlet.file());
        let section = Section {
            comment: profile.comment.clone(),
            ..Section::here(APPLICATION)
        };
        let writer = CaptureWriter::new(outlet, profile.format, &section, &headers)
            .map_err(|e| Error::io(tried(), e))?;
        let source = |source: NewSource| Source {
            tap: source.tap,
            before: source.ledger,
            side: source.side,
            taken: Count::default(),
            removed: Count::default(),
            written: 0,
            missed: Count::default(),
        };
        Ok(Self {
            profile,
            writer,
            room,
            file,
            sources: sources.into_iter().map(source).collect(),
            start: Timestamp::now(),
            flushed: 0,
            is_blocked: false,
            is_full: false,
            is_lossy: false,
            ending: None,
        })
    }

    /// Consumes the viewer, and returns why it gets nothing more.
    #[must_use]
    pub fn into_ending(self) -> Option<Ending> {
        self.ending
    }

    /// Name of the viewer in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.profile.name
    }

    /// Why the viewer gets nothing more; `None` while it does.
    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// Frames that are written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.sources.iter().map(|source| source.written).sum()
    }

    /// Frames in the buffer that are not written, or not known to be.
    #[must_use]
    pub fn unwritten(&self) -> u64 {
        let taken: u64 = self.sources.iter().map(|source| source.taken.frames).sum();
        taken - self.written()
    }

    /// Frames that the buffer did not take, because the viewer did not read.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.sources.iter().map(|source| source.missed.frames).sum()
    }

    /// Whether the viewer has begun to miss frames since the last call.
    pub fn begins_to_miss(&mut self) -> bool {
        self.missed() > 0 && !std::mem::replace(&mut self.is_lossy, true)
    }

    /// Whether bytes wait for room; the descriptor says when there is some.
    #[must_use]
    pub fn waits_for(&self) -> Option<&Room> {
        self.room.as_ref().filter(|_| self.has_buffered())
    }

    /// The descriptor that says when the reader has gone.
    #[must_use]
    pub fn room(&self) -> Option<&Room> {
        self.room.as_ref()
    }

    /// Whether bytes wait in the buffer.
    #[must_use]
    pub fn has_buffered(&self) -> bool {
        self.ending.is_none() && self.writer.bytes() > self.flushed
    }

    /// Writes what waits in the buffer, unless the outlet is known to take nothing.
    pub fn flush_if_possible(&mut self) {
        if !self.is_blocked && self.has_buffered() {
            self.flush();
        }
    }

    fn source(&self, tap: usize) -> Option<usize> {
        self.sources.iter().position(|source| source.tap == tap)
    }

    /// Passes on a frame of queue `tap`. Returns whether the frame is one of those that the viewer gets.
    pub fn frame(&mut self, tap: usize, frame: &Frame<'_>) -> bool {
        let Some(number) = self.source(tap) else {
            return false;
        };
        let direction = self.sources[number].side.direction(frame.is_sent);
        let is_wanted = self.profile.side.has(direction);
        if is_wanted {
            self.pass(number, frame, direction);
        }
        is_wanted
    }

    fn pass(&mut self, number: usize, frame: &Frame<'_>, direction: Option<Direction>) {
        let kept = match self.profile.caplen as usize {
            0 => frame.data,
            caplen => &frame.data[..frame.data.len().min(caplen)],
        };
        if self.ending.is_some() {
            return;
        }
        if !self.is_full {
            let record = Record {
                time: frame.time,
                // The writer takes the length on the wire apart, because a record cannot hold all.
                len: u16::try_from(frame.len).unwrap_or(u16::MAX),
                data: kept,
            };
            if let Some(direction) = direction {
                // This fails only for a queue of another file.
                let _ = self.writer.direction(number, direction);
            }
            let marks = Marks {
                duplicate: frame.is_duplicate,
                sent: frame.is_sent,
                // The frame has the time with which it was received.
                altered: None,
            };
            match self.writer.frame(number, &record, frame.len, &marks) {
                Ok(()) => {
                    self.sources[number].taken += Count::new(1, frame.len.into());
                    if !self.is_blocked && self.writer.bytes() - self.flushed >= FLUSH_BYTES {
                        self.flush();
                    }
                    return;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.is_full = true,
                Err(e) => return self.end(e),
            }
        }
        self.miss(number, Count::new(1, frame.len.into()));
    }

    /// Notes that frames of queue `tap` are missing here.
    pub fn lost(&mut self, tap: usize, lost: &Ledger) {
        if let Some(number) = self.source(tap) {
            // This fails only for a queue of another file.
            let _ = self.writer.gap(number, lost);
        }
    }

    fn miss(&mut self, number: usize, frames: Count) {
        self.sources[number].missed += frames;
        let mut lost = Ledger::default();
        lost[Reason::Overrun] = frames;
        // This fails only for a queue of another file.
        let _ = self.writer.gap(number, &lost);
    }

    /// Adds the statistics of queue `tap`, whose ledger is `ledger` now.
    pub fn statistics(&mut self, tap: usize, ledger: &Ledger) {
        let Some(number) = self.source(tap) else {
            return;
        };
        if self.ending.is_some() || self.is_full {
            return;
        }
        let source = &self.sources[number];
        let mut own = Ledger::default();
        own[Reason::Overrun] = source.missed;
        own[Reason::Storage] = source.removed;
        let now = Timestamp::now();
        let (start, end) = ((self.start, &source.before), (now, ledger));
        let statistics = Statistics::between(start, end, &own, source.taken.frames);
        match self.writer.statistics(number, &statistics) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.is_full = true,
            Err(e) => self.end(e),
        }
    }

    /// Writes what waits in the buffer, as far as the outlet takes it.
    pub fn flush(&mut self) {
        if self.ending.is_some() {
            return;
        }
        self.is_full = false;
        self.is_blocked = false;
        match self.writer.flush() {
            Ok(()) => {
                self.flushed = self.writer.bytes();
                for source in &mut self.sources {
                    source.written = source.taken.frames;
                }
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.is_blocked = true,
            Err(e) => self.end(e),
        }
    }

    /// Whether the file of this output has lost its name, and its frames with it.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.ending.is_none() && self.file.as_ref().is_some_and(|file| is_removed(file))
    }

    /// Ends the output because its file was removed. Returns the frames of each queue that are lost with it,
    /// and the failure.
    pub fn lose_file(&mut self) -> (Vec<(usize, Count)>, Error) {
        let lost = self.sources.iter().map(|source| (source.tap, source.taken));
        let lost: Vec<(usize, Count)> = lost.collect();
        let frames: u64 = lost.iter().map(|(_, count)| count.frames).sum();
        self.ending = Some(Ending::Closed);
        let why = format!("the file was removed, and {frames} frames are lost with it");
        let tried = format!("write {}", self.profile.name);
        (lost, Error::new(Kind::Gone, tried, why))
    }

    /// Notes that `frames` of queue `tap` are lost with the file in whose place this output has begun.
    pub fn follow_removed(&mut self, tap: usize, frames: Count) {
        let Some(number) = self.source(tap) else {
            return;
        };
        self.sources[number].removed = frames;
        let mut lost = Ledger::default();
        lost[Reason::Storage] = frames;
        // This fails only for a queue of another file.
        let _ = self.writer.gap(number, &lost);
    }

    /// Ends the output because the tap ends. What its reader has not read until now is lost.
    pub fn close(&mut self) {
        self.ending.get_or_insert(Ending::Closed);
    }

    /// Ends the output because its reader has gone.
    pub fn leave(&mut self) {
        self.ending.get_or_insert(Ending::Left);
    }

    fn end(&mut self, error: io::Error) {
        use io::ErrorKind::{
            BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut,
        };
        let ending = match error.kind() {
            BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | TimedOut => {
                Ending::Left
            }
            _ => Ending::Failed(Error::io(format!("write {}", self.profile.name), error)),
        };
        self.ending.get_or_insert(ending);
    }
}
