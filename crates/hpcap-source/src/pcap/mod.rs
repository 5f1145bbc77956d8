//! `pcap:FILE`: the frames of a pcap or pcapng file, at full speed or at the file's own pace.
//!
//! Frames that the file reports as lost (`epb_dropcount` of pcapng) are reported as lost here, too.
//!
//! ```
//! use hpcap::Kind;
//! use hpcap_source::pcap::{PcapSource, PcapSpec};
//!
//! # fn main() -> hpcap::Result<()> {
//! let spec = PcapSpec::parse("/no/such/file.pcap,speed=real")?;
//! let error = PcapSource::open(&spec).unwrap_err();
//! assert_eq!(error.kind(), Kind::NotFound);
//! # Ok(())
//! # }
//! ```

mod live;
mod spec;
mod timeline;

use std::ops::Range;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use hpcap::compress::Decompressor;
use hpcap::error::Context;
use hpcap::pcapfile::{Direction, LINK_TYPE_ETHERNET, Reader};
use hpcap::{Count, Error, Kind, Reason, Result, Timestamp};

use super::batch::Batch;
use super::{BATCH, Description, Harvest, Source, SourceEvent, State};
use live::Live;
pub use spec::{PcapSpec, Speed};
use timeline::{Ns, Timeline};

/// A harvest ends when its frames have at least this many bytes.
const ARENA_BYTES: usize = 1 << 20;
const NS: Ns = 1_000_000_000;
/// Shortest pause in the file that is reported.
const LONG_PAUSE: Duration = Duration::from_secs(60);

/// A frame whose bytes are kept until it has been lent.
#[derive(Debug, Clone)]
struct Held {
    bytes: Range<usize>,
    len: u32,
    /// Time in the file, plus the duration of the earlier passes.
    ns: Ns,
    /// Time at which the frame is due, counted from the first harvest.
    due: Ns,
    /// Number of frames that the file reports as lost right before this one.
    dropped: u64,
    /// Whether the file says that the machine that captured the frame sent it.
    sent: bool,
}

/// The result of reading one step further.
#[derive(Debug)]
enum Next {
    Frame(Held),
    /// The pipe has nothing to read until its writer continues.
    Pause,
    End,
}

/// A source of the frames of a file, configured by [`PcapSpec`].
#[derive(Debug)]
pub struct PcapSource {
    spec: PcapSpec,
    reader: Reader<Decompressor<Live>>,
    /// The pipe that the reader reads from; `None` for a file, which never pauses.
    pipe: Option<OwnedFd>,
    /// Whether the pipe had nothing to read at the last attempt.
    paused: bool,
    link_type: u32,
    passes_left: Option<u64>,
    timeline: Timeline,
    /// The bytes of all frames in `held`.
    arena: Vec<u8>,
    held: Vec<Held>,
    batch: Batch,
    lost: [(Reason, Count); 1],
    /// How the source ends, once that is known. Reported after all earlier frames were lent.
    end: Option<Option<Error>>,
    /// Time of the first harvest, on both clocks.
    started: Option<(Instant, Timestamp)>,
    said_due: Ns,
    event: Option<SourceEvent>,
}

impl PcapSource {
    /// Opens the file; `-` is standard input, which can be read only once.
    ///
    /// # Errors
    /// Errors of the file system; [`Kind::Format`] if the file is neither pcap nor pcapng.
    pub fn open(spec: &PcapSpec) -> Result<Self> {
        if spec.path == Path::new("-") && spec.loops != Some(1) {
            return Err(Error::usage(
                "source pcap:-: loop",
                "standard input can be gone through only once",
            ));
        }
        let (reader, pipe) = open(&spec.path)?;
        if pipe.is_some() && spec.loops != Some(1) {
            return Err(Error::usage(
                format!("source {spec}: loop"),
                "a pipe can be gone through only once",
            ));
        }
        Ok(Self {
            pipe,
            paused: false,
            link_type: reader.link_type().unwrap_or(LINK_TYPE_ETHERNET),
            reader,
            passes_left: spec.loops,
            timeline: Timeline::default(),
            arena: Vec::new(),
            held: Vec::with_capacity(BATCH),
            batch: Batch::new(),
            lost: [(Reason::NicMissed, Count::default())],
            end: None,
            started: None,
            said_due: 0,
            event: None,
            spec: spec.clone(),
        })
    }

    /// Reads until a batch is full, the next frame is not due yet, or frames are lost before the
    /// next frame. In the last two cases that frame stays at the end of `held`. A batch therefore
    /// has losses only before its first frame.
    fn read_ahead(&mut self, elapsed: Ns) {
        self.paused = false;
        while self.end.is_none()
            && !self.paused
            && self.held.len() < BATCH
            && self.arena.len() < ARENA_BYTES
            && self.held.last().is_none_or(|h| h.due <= elapsed)
            && (self.held.len() < 2 || self.held.last().is_none_or(|h| h.dropped == 0))
        {
            match self.next() {
                Ok(Next::Frame(held)) => self.held.push(held),
                Ok(Next::Pause) => self.paused = true,
                Ok(Next::End) => self.end = Some(None),
                Err(error) => self.end = Some(Some(error)),
            }
        }
    }

    fn next(&mut self) -> Result<Next> {
        loop {
            let frame = match self.reader.next() {
                Err(e) if e.would_block() => return Ok(Next::Pause),
                other => other?,
            };
            if let Some(frame) = frame {
                if frame.link_type != self.link_type {
                    return Err(other_link_type(
                        &self.spec.path,
                        self.link_type,
                        frame.link_type,
                    ));
                }
                let dropped = frame.dropped;
                let sent = frame.direction == Some(Direction::Outbound);
                let start = self.arena.len();
                self.arena.extend_from_slice(frame.data);
                let ns = Ns::from(frame.sec) * NS + Ns::from(frame.nsec);
                let (ns, due) = match self.spec.speed {
                    Speed::Max => (self.timeline.shifted(ns), 0),
                    Speed::Real => (ns, self.timeline.due(ns)),
                };
                let bytes = start..self.arena.len();
                return Ok(Next::Frame(Held {
                    bytes,
                    len: frame.len,
                    ns,
                    due,
                    dropped,
                    sent,
                }));
            }
            // A file without frames ends after one pass, because its loop would never yield a
            // frame.
            self.passes_left = self.passes_left.map(|n| n - 1);
            if !self.timeline.next_pass() || self.passes_left == Some(0) {
                return Ok(Next::End);
            }
            (self.reader, _) = open(&self.spec.path)?;
        }
    }

    /// Removes the first `count` frames and their bytes.
    fn forget(&mut self, count: usize) {
        self.batch.clear();
        let start = self
            .held
            .get(count)
            .map_or(self.arena.len(), |h| h.bytes.start);
        self.arena.drain(..start);
        self.held.drain(..count);
        for held in &mut self.held {
            held.bytes.start -= start;
            held.bytes.end -= start;
        }
    }

    fn elapsed(&self) -> Ns {
        self.started.map_or(0, |(at, _)| {
            Ns::try_from(at.elapsed().as_nanos()).unwrap_or(Ns::MAX)
        })
    }
}

/// Returns the name of the file at `path` for errors.
fn name_of(path: &Path) -> String {
    match path == Path::new("-") {
        true => "standard input".to_owned(),
        false => path.display().to_string(),
    }
}

/// Opens the file at `path`, or standard input. Returns the reader, and the descriptor to wait on
/// if it is a pipe.
fn open(path: &Path) -> Result<(Reader<Decompressor<Live>>, Option<OwnedFd>)> {
    let (live, start) = Live::open(path)?;
    let pipe = live.pipe()?;
    let name = name_of(path);
    // This waits for the first bytes, which tell whether the file is compressed.
    let source = Decompressor::new(live).context(|| format!("read {name}"))?;
    start.end();
    Ok((Reader::new(source, name)?, pipe))
}

fn other_link_type(path: &Path, first: u32, other: u32) -> Error {
    Error::new(
        Kind::Format,
        format!("go on with {}", path.display()),
        format!("a frame has link type {other}, the ones before it {first}; a queue has one"),
    )
    .advise("keep the frames of one interface, with editcap or tshark, and read that file")
}

impl Source for PcapSource {
    fn description(&self) -> Description {
        Description {
            interface: self.spec.path.display().to_string(),
            link_type: self.link_type,
            clock_source: match self.spec.speed {
                Speed::Max => "file",
                Speed::Real => "engine",
            },
            waits: self.spec.waits(),
            // A pcapng file may have the direction of some frames only.
            knows_directions: false,
        }
    }

    fn harvest(&mut self) -> Result<Harvest<'_>> {
        self.forget(self.batch.len());
        let (_, wall) = *self
            .started
            .get_or_insert_with(|| (Instant::now(), Timestamp::now()));
        let elapsed = self.elapsed();
        self.read_ahead(elapsed);
        let mut dropped = 0;
        for (i, held) in self.held.iter().enumerate() {
            if held.due > elapsed || (i > 0 && held.dropped > 0) {
                break;
            }
            dropped += held.dropped;
            let ns = match self.spec.speed {
                Speed::Max => held.ns,
                Speed::Real => Ns::from(wall.as_ns()).saturating_add(held.due),
            };
            let (sec, nsec) = (ns.div_euclid(NS), ns.rem_euclid(NS));
            let sec = u64::try_from(sec).unwrap_or(u64::MAX);
            let nsec = u32::try_from(nsec).unwrap_or(0);
            // SAFETY: the bytes are on the heap, owned by `self`, and are changed or moved only by
            // `forget`, which clears the batch first, and by `read_ahead`, which is called only
            // while the batch is empty.
            unsafe {
                self.batch
                    .push(&self.arena[held.bytes.clone()], held.len, sec, nsec);
            }
            if held.sent {
                self.batch.mark_last_as_sent();
            }
        }
        self.lost[0].1 = Count::new(dropped, 0);
        let lost = usize::from(!self.lost[0].1.is_zero());
        let state = if self.batch.is_empty() && lost == 0 {
            match (&mut self.end, self.held.is_empty()) {
                (Some(end), true) => {
                    // The error is returned once; later harvests report the end.
                    if let Some(error) = end.take() {
                        return Err(error);
                    }
                    State::Ended
                }
                _ => State::Idle,
            }
        } else {
            State::Busy
        };
        Ok(Harvest {
            frames: self.batch.lend(),
            lost: &self.lost[..lost],
            state,
        })
    }

    fn wait(&mut self, timeout: Duration) -> Result<()> {
        self.forget(self.batch.len());
        let Some(next) = self.held.first() else {
            if let Some(pipe) = self.pipe.as_ref().filter(|_| self.paused) {
                live::wait(pipe, timeout)?;
            }
            return Ok(());
        };
        let due = next.due;
        let left = u64::try_from(due.saturating_sub(self.elapsed()).max(0)).unwrap_or(u64::MAX);
        let left = Duration::from_nanos(left);
        if left > LONG_PAUSE && self.said_due != due {
            self.said_due = due;
            let seconds = left.as_secs();
            self.event = Some(SourceEvent::LongPause { seconds });
        }
        std::thread::sleep(left.min(timeout));
        Ok(())
    }

    fn next_event(&mut self) -> Option<SourceEvent> {
        self.event.take()
    }
}

#[cfg(test)]
mod tests;
