//! Settings of a stream of a queue.

use std::time::Duration;

use super::in_place::RingStream;
use super::queue::QueueStream;
use super::{Source, Stream};
use crate::error::Result;
use crate::listener::{Contract, Request, Start};
use crate::queue::Queue;

/// Settings of a new stream.
#[derive(Debug)]
#[must_use = "a builder does nothing before `open`"]
pub struct Builder<'q> {
    queue: &'q Queue,
    request: Request,
    batch: Option<Batch>,
    idle: Option<Duration>,
}

/// How much a stream waits for before its program wakes up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch {
    pub(super) bytes: u64,
    pub(super) at_most: Duration,
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

    /// Makes [`Stream::next`], once everything is read, wait until `bytes` bytes of the ring are
    /// unread (record headers of 12 bytes included, at most half a ring), but for at most `at_most`.
    /// Fewer wake-ups cost less processor time, and an event comes up to `at_most` later. By default,
    /// `next` returns as soon as anything is published.
    pub fn batch(mut self, bytes: u64, at_most: Duration) -> Self {
        self.batch = Some(Batch { bytes, at_most });
        self
    }

    /// Makes [`Stream::next`] return [`Event::Idle`](super::Event::Idle) whenever no event came for
    /// `after`, so that a program can do something else on an idle link. By default, `next` waits
    /// without limit.
    pub fn report_idle(mut self, after: Duration) -> Self {
        self.idle = Some(after);
        self
    }

    /// Attaches to the queue as a listener.
    ///
    /// # Errors
    /// Returns [`Kind::Full`](crate::Kind::Full) when all 32 slots of the queue are taken;
    /// [`Kind::Timeout`](crate::Kind::Timeout) when the stream starts with a file and another
    /// listener holds the ring back; [`Kind::Gone`](crate::Kind::Gone) when the producer is gone.
    pub fn open(self) -> Result<Stream> {
        self.attach().map(|queue| Stream::of(Source::Queue(queue)))
    }

    /// Attaches to the queue as a listener that looks at frames where they are in the ring.
    ///
    /// # Errors
    /// Returns the errors of [`Builder::open`].
    pub fn open_in_place(self) -> Result<RingStream> {
        self.attach().map(RingStream::of)
    }

    fn attach(self) -> Result<QueueStream> {
        let listener = self.queue.attach(&self.request)?;
        let mut stream = QueueStream::new(listener, self.request.contract);
        stream.set_waits(self.batch, self.idle);
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
            batch: None,
            idle: None,
        }
    }
}
