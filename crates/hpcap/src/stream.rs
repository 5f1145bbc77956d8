//! The events of a queue, one after another: frames, and reports of missing frames.
//!
//! A [`Stream`] is the API for most programs. It waits for frames, acknowledges what was read, and
//! continues after the program was too slow:
//!
//! ```no_run
//! use hpcap::{Event, Queue};
//!
//! # fn main() -> hpcap::Result<()> {
//! let queue = Queue::open("hpcap0")?;
//! let mut stream = queue.follow("top-talkers")?;
//! while let Some(event) = stream.next()? {
//!     match event {
//!         Event::Frame(frame) => println!("{} {}", frame.time, frame.data.len()),
//!         Event::Missed(gap) => eprintln!("missed {} frames: {}", gap.frames(), gap.reason()),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Queue::follow`] never costs another program a frame: the producer overwrites what the stream
//! has not read yet, and the stream then reports the number of these frames as [`Event::Missed`].
//! [`Queue::record`] misses no frame, but holds the ring back: while its program is slow, frames
//! for which the ring has no space are lost for every listener. [`Queue::stream`] offers all other
//! settings.
//!
//! Even a program that reads without a pause must acknowledge what it has read, or the ring becomes
//! full. A stream does this itself whenever a sixteenth of the ring was read, and before it waits.
//! A program that needs whole blocks, or that acknowledges only after it has stored what it read,
//! uses a [`Listener`](crate::listener) instead.

use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};
use crate::ledger::{Count, Ledger, Reason};
use crate::listener::{Contract, Listener, Request, Start, TOLD_LOSSES, Waited};
use crate::queue::{Queue, QueueEnd};
use crate::raw::{Altered, FileHeader, Item, LedgerTag, Record};

/// Longest sleep in one wait for frames. A wait without limit repeats it.
const WAIT: Duration = Duration::from_secs(3600);

/// Time that an overrun stream sleeps before it searches again for a whole block.
const RESYNC_PAUSE: Duration = Duration::from_millis(1);

/// An event in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A frame.
    Frame(Record<'a>),
    /// Frames are missing between the last frame and the next one.
    Missed(Missed),
    /// A file of the RAW stream starts here.
    FileStart(Box<FileHeader>),
    /// A file of the RAW stream ends here, with this ledger.
    FileEnd(Box<LedgerTag>),
    /// The next frame is a copy of an earlier one.
    Duplicate,
    /// The next frame is stored with another length or time than it was received with; this is what
    /// was changed.
    Altered(Altered),
    /// No event came for the time set with [`Builder::report_idle`].
    Idle,
}

/// Missing frames at one position of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    lost: Ledger,
}

impl Missed {
    /// Number of missing frames, for all reasons.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.total().frames
    }

    /// Bytes of the missing frames on the wire; frames of unknown length count as 0.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.total().bytes
    }

    /// The reason for which most of the frames are missing. [`Reason::Overrun`] means that this
    /// stream was too slow; every other reason holds for all listeners of the queue.
    #[must_use]
    pub fn reason(&self) -> Reason {
        Reason::ALL
            .into_iter()
            .filter(|reason| reason.is_loss())
            .max_by_key(|reason| self.lost[*reason].frames)
            .unwrap_or(Reason::Overrun)
    }

    /// Frames and bytes missing, for each reason.
    #[must_use]
    pub fn by_reason(&self) -> &Ledger {
        &self.lost
    }

    fn total(&self) -> Count {
        self.lost.lost()
    }
}

/// Settings of a new stream.
#[derive(Debug)]
#[must_use = "a builder does nothing before `open`"]
pub struct Builder<'q> {
    queue: &'q Queue,
    request: Request,
    idle: Option<Duration>,
}

impl Builder<'_> {
    /// Sets whether the ring waits for this stream; the default is [`Contract::Lossy`].
    pub fn contract(mut self, contract: Contract) -> Self {
        self.request.contract = contract;
        self
    }

    /// Sets the position at which the stream starts; the default is [`Start::Newest`].
    pub fn start(mut self, start: Start) -> Self {
        self.request.start = start;
        self
    }

    /// Makes [`Stream::next`] return [`Event::Idle`] whenever no event came for `after`, so that a
    /// program can do something else on an idle link. By default, `next` waits without limit.
    pub fn report_idle(mut self, after: Duration) -> Self {
        self.idle = Some(after);
        self
    }

    /// Attaches to the queue as a listener.
    ///
    /// # Errors
    /// Returns [`Kind::Full`] when all 32 slots of the queue are taken; [`Kind::Timeout`] when the
    /// stream starts with a file and another listener holds the ring back; [`Kind::Gone`] when the
    /// producer is gone.
    pub fn open(self) -> Result<Stream> {
        let mut stream = Stream::from(self.queue.attach(&self.request)?);
        stream.copy = matches!(self.request.contract, Contract::LosslessFor(_));
        stream.idle = self.idle;
        Ok(stream)
    }
}

impl Queue {
    /// Reads the queue as the listener `program` from the next record on, without ever holding the
    /// ring back.
    ///
    /// # Errors
    /// Returns the errors of [`Builder::open`].
    pub fn follow(&self, program: &str) -> Result<Stream> {
        self.stream(program).open()
    }

    /// Reads the queue as the listener `program` from the start of a file on, without missing a
    /// frame. The ring waits for the program, however slow it is.
    ///
    /// # Errors
    /// Returns the errors of [`Builder::open`].
    pub fn record(&self, program: &str) -> Result<Stream> {
        self.stream(program)
            .contract(Contract::Lossless)
            .start(Start::File)
            .open()
    }

    /// Returns the settings of a stream for the listener `program`, to be changed and opened. The
    /// queue stores the first 31 bytes of the name.
    pub fn stream(&self, program: &str) -> Builder<'_> {
        Builder {
            queue: self,
            request: Request {
                contract: Contract::Lossy,
                start: Start::Newest,
                program: program.into(),
            },
            idle: None,
        }
    }
}

/// The events of a queue. Dropping the stream detaches its listener.
#[derive(Debug)]
pub struct Stream {
    listener: Listener,
    /// Whether each record is copied out of the ring, because the contract can end during the read.
    copy: bool,
    idle: Option<Duration>,
    /// Whether the losses after the last record were reported.
    end_reported: bool,
}

impl From<Listener> for Stream {
    /// Returns a stream of the events that `listener` has not read yet. Each record is copied once
    /// if the contract is [`Contract::LosslessFor`] or [`Contract::Lossy`].
    fn from(listener: Listener) -> Self {
        let copy = !matches!(listener.contract(), Contract::Lossless);
        Self {
            listener,
            copy,
            idle: None,
            end_reported: false,
        }
    }
}

impl Stream {
    /// Waits for the next event. Returns `None` when the source came to its end and everything was
    /// read. Data that an event borrows is valid until the next call.
    ///
    /// # Errors
    /// Returns [`Kind::Gone`] when the producer failed, was stopped or died, after all events
    /// published before; [`Kind::Killed`] when another process killed this listener;
    /// [`Kind::Format`] when the ring has no whole record at a position where there must be one.
    #[allow(
        clippy::should_implement_trait,
        reason = "an event borrows from the stream, which an Iterator cannot say"
    )]
    pub fn next(&mut self) -> Result<Option<Event<'_>>> {
        let deadline = self.idle.map(|idle| Instant::now() + idle);
        let frame = loop {
            if self.listener.unacknowledged() >= self.listener.info().ring_bytes / 16 {
                self.acknowledge()?;
            }
            match self.listener.fetch(self.copy) {
                Ok(Some(record)) if !record.padding => break record,
                Ok(Some(record)) => {
                    if let Some(event) = self.listener.take(record).and_then(event_of_padding) {
                        return Ok(Some(event));
                    }
                }
                Ok(None) => {
                    self.acknowledge()?;
                    let left = deadline.map_or(WAIT, |deadline| {
                        deadline.saturating_duration_since(Instant::now())
                    });
                    match self.listener.wait(1, left)? {
                        Waited::Ready => self.check_whole()?,
                        Waited::TimedOut if self.idle.is_some() => return Ok(Some(Event::Idle)),
                        Waited::TimedOut => {}
                        Waited::Ended => return self.finish(),
                    }
                }
                Err(e) if e.kind() == Kind::Overrun => match self.listener.resync(Start::Newest) {
                    Ok(lost) if lost.lost().is_zero() => {}
                    Ok(lost) => return Ok(Some(Event::Missed(Missed { lost }))),
                    Err(e) if e.kind() == Kind::NotFound && !self.listener.ended() => {
                        std::thread::sleep(RESYNC_PAUSE);
                    }
                    Err(e) if e.kind() == Kind::NotFound => return self.finish(),
                    Err(e) => return Err(e),
                },
                Err(e) => return Err(e),
            }
        };
        Ok(self.listener.take(frame).and_then(|item| match item {
            Item::Frame(frame) => Some(Event::Frame(frame)),
            other => event_of_padding(other),
        }))
    }

    /// The listener of the stream, with its position, its contract and the ledger of its queue.
    #[must_use]
    pub fn listener(&self) -> &Listener {
        &self.listener
    }

    /// Acknowledges everything read so far.
    fn acknowledge(&mut self) -> Result<()> {
        if self.copy {
            self.listener.release();
            return Ok(());
        }
        self.listener.ack().map_err(|e| match e.kind() {
            // The ring waits for a lossless listener until another process kills it.
            Kind::Overrun => self.killed(),
            _ => e,
        })
    }

    fn killed(&self) -> Error {
        let (id, name) = (self.listener.id(), self.listener.info().name);
        let why = format!("listener {id} of {name} was killed");
        Error::new(Kind::Killed, "read the next frame", why)
    }

    /// Returns an error when fewer bytes are published than the header of a record has: a producer
    /// publishes only whole records.
    fn check_whole(&self) -> Result<()> {
        let available = self.listener.available();
        if available == 0 || available >= crate::abi::HPCAP_RECORD_BYTES as u64 {
            return Ok(());
        }
        let why = format!(
            "only {available} bytes are published at stream offset {}, fewer than the header of a record",
            self.listener.position()
        );
        Err(Error::new(Kind::Format, "read the next record", why))
    }

    /// Reports the losses after the last record, and in the next call how the stream ended.
    fn finish(&mut self) -> Result<Option<Event<'_>>> {
        if !std::mem::replace(&mut self.end_reported, true)
            && let Some(lost) = self.losses_at_the_end()
        {
            return Ok(Some(Event::Missed(Missed { lost })));
        }
        let info = self.listener.info();
        let gone = |why: &str| {
            let tried = format!("read the next frame of {}", info.name);
            Err(Error::new(Kind::Gone, tried, why))
        };
        match self.listener.queue_end() {
            _ if self.listener.end().is_some_and(|end| end.killed) => Err(self.killed()),
            Some(QueueEnd::Failed) => gone("the source or the producer failed"),
            Some(QueueEnd::Stopped) => gone("the producer was stopped"),
            Some(QueueEnd::Ended) => Ok(None),
            None if self.listener.producer_died() => gone("the producer died"),
            None => Ok(None),
        }
    }

    /// Returns the losses that the final ledger counts and that no record reported.
    fn losses_at_the_end(&self) -> Option<Ledger> {
        let end = self.listener.end()?;
        let (counted, told) = (end.at.ledger, self.listener.told());
        let mut lost = Ledger::default();
        if self.listener.available() > 0 {
            lost[Reason::Overrun] = counted[Reason::Captured] - told[Reason::Captured];
        }
        for reason in TOLD_LOSSES {
            lost[reason] = end.untold[reason];
        }
        (!lost.lost().is_zero()).then_some(lost)
    }
}

/// Converts padding to an event; `None` for padding without a tag.
fn event_of_padding<'a>(item: Item<'_>) -> Option<Event<'a>> {
    match item {
        Item::FileHeader(header) => Some(Event::FileStart(header)),
        Item::Gap(gap) => Some(Event::Missed(Missed { lost: gap.lost })),
        Item::Ledger(ledger) => Some(Event::FileEnd(ledger)),
        Item::Duplicate => Some(Event::Duplicate),
        Item::Altered(altered) => Some(Event::Altered(altered)),
        Item::Padding(_) | Item::Frame(_) => None,
    }
}
