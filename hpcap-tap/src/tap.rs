//! One queue of a running capture: its frames, and what is missing between them.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use hpcap::filter::Filter;
use hpcap::listener::Listener;
use hpcap::queue::{QueueAddress, QueueInfo};
use hpcap::raw::FileHeader;
use hpcap::stream::Pollable;
use hpcap::{
    Contract, Count, Event, Frame, Kind, Ledger, Queue, Reason, Result, Start, Timestamp,
    cancellable,
};

use crate::window::{self, Reader, Window};

/// Name of the listener in the lists of the queue.
const PROGRAM: &str = "hpcap-tap";

/// A frame waits for those of other queues only while less than this part of the ring is unread.
const FULL_PARTS: u64 = 4;

/// Counts of the frames of a queue, in this tap.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Frames that the tap has read.
    pub seen: u64,
    /// Frames that matched the filter.
    pub matched: u64,
    /// Frames that are missing, by reason: `overrun` are those that this tap was too slow for.
    pub lost: Ledger,
}

/// What the tap waits for while it opens or joins a queue, for errors.
pub(crate) const ANSWER: &str = "the producer to answer";

/// A queue, to which the tap is attached while there are viewers.
#[derive(Debug)]
pub struct Tap {
    address: QueueAddress,
    /// Shared with the thread that attaches.
    queue: Arc<Queue>,
    stream: Option<Pollable>,
    filter: Filter,
    start: Start,
    /// The time of the frames that are wanted; `None` = all.
    window: Option<Window>,
    /// Whether a frame of the window was read.
    in_window: bool,
    /// Time of the oldest frame, if the ring no longer had the start of the window.
    oldest: Option<Timestamp>,
    attached: Instant,
    counts: Counts,
    has_ended: bool,
}

/// The next item of a queue.
#[derive(Debug)]
pub enum Found<'a> {
    /// A frame that matches the filter.
    Frame(Frame<'a>),
    /// Frames are missing here.
    Lost(Ledger),
    /// An item that viewers do not need, such as a frame that does not match.
    Other,
    /// No further item has come yet.
    Nothing,
    /// The queue has ended, and everything was read.
    End,
}

impl Tap {
    /// Prepares the tap of `queue`, which was found at `address`. `filter` is in tcpdump's syntax.
    ///
    /// # Errors
    /// Returns [`Kind::Usage`] when the filter is invalid for the link type of the queue.
    pub fn new(address: QueueAddress, queue: Queue, filter: &str) -> Result<Self> {
        Ok(Self {
            filter: Filter::new(filter, queue.info().link_type)?,
            address,
            queue: Arc::new(queue),
            stream: None,
            start: Start::Newest,
            window: None,
            in_window: false,
            oldest: None,
            attached: Instant::now(),
            counts: Counts::default(),
            has_ended: false,
        })
    }

    /// Sets where the tap begins when it attaches: at the next record by default.
    #[must_use]
    pub fn starting_at(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Makes the tap read the frames of `window` only, which may be in the ring already.
    #[must_use]
    pub fn within(mut self, window: Option<Window>) -> Self {
        self.window = window;
        self
    }

    /// Time of the oldest frame in the ring, if the ring no longer had the start of the window.
    #[must_use]
    pub fn oldest(&self) -> Option<Timestamp> {
        self.oldest
    }

    /// Properties of the queue.
    #[must_use]
    pub fn info(&self) -> &QueueInfo {
        self.queue.info()
    }

    /// Describes the queue as files do. `caplen` and `filter` are those of this tap.
    #[must_use]
    pub fn header(&self, caplen: u32) -> FileHeader {
        self.info().file_header(caplen, self.filter.expression())
    }

    /// The counts so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Whether the tap receives frames.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.stream.is_some()
    }

    /// Whether the queue has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Stream offset of the next unread byte.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.listener().map_or(0, Listener::position)
    }

    /// Stream offset up to which the queue can be read.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.listener().map_or(0, Listener::published)
    }

    /// Whether so much is unread that the producer may soon overwrite it.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        let unread = self.listener().map_or(0, Listener::available);
        unread > self.info().ring_bytes / FULL_PARTS
    }

    fn listener(&self) -> Option<&Listener> {
        self.stream.as_ref()?.stream().listener()
    }

    /// Attaches to the queue. A queue whose producer was started again in the
    /// meantime is found again. A producer that is stopped answers late, or never: `must_cancel` is asked all the
    /// time whether to give up.
    ///
    /// # Errors
    /// Returns the errors of [`Queue::open`] and of attaching, and [`Kind::Timeout`] if `must_cancel` returned true.
    pub fn attach(&mut self, must_cancel: impl Fn() -> bool) -> Result<()> {
        if self.stream.is_some() || self.has_ended {
            return Ok(());
        }
        let reader = match self.open_stream(&must_cancel) {
            Err(e) if e.kind() == Kind::Gone => {
                let address = self.address.clone();
                let queue = cancellable::finish(
                    self.tried(),
                    ANSWER,
                    |_| must_cancel(),
                    move || Queue::open(address),
                )?;
                self.filter = Filter::new(self.filter.expression(), queue.info().link_type)?;
                self.queue = Arc::new(queue);
                self.open_stream(&must_cancel)?
            }
            reader => reader?,
        };
        self.oldest = reader.oldest;
        self.stream = Some(reader.stream);
        self.attached = Instant::now();
        Ok(())
    }

    fn open_stream(&self, must_cancel: impl Fn() -> bool) -> Result<Reader> {
        let (queue, window, start) = (Arc::clone(&self.queue), self.window, self.start);
        let attach = move || {
            if let Some(window) = &window {
                return window::attach(&queue, window, PROGRAM);
            }
            let stream = queue.stream(PROGRAM).contract(Contract::Lossy).start(start);
            Ok(Reader {
                stream: stream.open()?.pollable()?,
                oldest: None,
            })
        };
        cancellable::finish(self.tried(), ANSWER, |_| must_cancel(), attach)
    }

    /// What attaching tries, for errors.
    fn tried(&self) -> String {
        format!("attach to {}", self.info().name)
    }

    /// Notes that the queue gives nothing more.
    pub fn end(&mut self) {
        self.has_ended = true;
    }

    /// The reason for which most of the missing frames are missing.
    #[must_use]
    pub fn main_reason(&self) -> Reason {
        let lost = &self.counts.lost;
        let losses = Reason::ALL.into_iter().filter(|reason| reason.is_loss());
        let most = losses.max_by_key(|reason| lost[*reason].frames);
        most.unwrap_or(Reason::Overrun)
    }

    /// Leaves the queue, which then spends nothing on this tap.
    pub fn detach(&mut self) {
        self.stream = None;
    }

    /// The descriptor that becomes readable when there is something to read.
    #[must_use]
    pub fn wakeup(&self) -> Option<BorrowedFd<'_>> {
        self.stream.as_ref().map(AsFd::as_fd)
    }

    /// The ledger of the queue, with the frames that the tap itself missed.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        let mut ledger = self.queue.ledger().ledger;
        ledger[Reason::Overrun] += self.counts.lost[Reason::Overrun];
        ledger
    }

    /// Reads what comes next, without waiting for it.
    ///
    /// # Errors
    /// Returns [`Kind::Gone`] when the producer failed, was stopped or died, and [`Kind::Killed`] when
    /// somebody killed this listener. The tap is then detached.
    pub fn read(&mut self) -> Result<Found<'_>> {
        let Some(stream) = &mut self.stream else {
            return Ok(Found::Nothing);
        };
        match stream.try_next() {
            Ok(Poll::Ready(Some(Event::Frame(frame)))) => {
                if let Some(window) = &self.window {
                    if frame.time > window.until {
                        self.has_ended = true;
                        return Ok(Found::End);
                    }
                    if frame.time < window.from {
                        return Ok(Found::Other);
                    }
                    self.in_window = true;
                }
                self.counts.seen += 1;
                if !self.filter.matches(frame.data, frame.len) {
                    return Ok(Found::Other);
                }
                self.counts.matched += 1;
                Ok(Found::Frame(frame))
            }
            Ok(Poll::Ready(Some(Event::Missed(missed)))) => {
                let is_own = missed.by_reason()[Reason::Overrun].frames > 0;
                if self.window.is_some() && !self.in_window && !is_own {
                    return Ok(Found::Other);
                }
                self.counts.lost += missed.by_reason();
                Ok(Found::Lost(*missed.by_reason()))
            }
            Ok(Poll::Ready(Some(_))) => Ok(Found::Other),
            Ok(Poll::Pending) => {
                let info = self.queue.info();
                let is_over = |window: &Window| window.is_over(info, self.attached);
                if self.window.as_ref().is_some_and(is_over) {
                    self.has_ended = true;
                    return Ok(Found::End);
                }
                Ok(Found::Nothing)
            }
            Ok(Poll::Ready(None)) => {
                self.has_ended = true;
                Ok(Found::End)
            }
            Err(e) => {
                self.has_ended = true;
                Err(e)
            }
        }
    }
}

/// Returns the number of frames in `lost` that were lost before the ring, for all listeners alike.
#[must_use]
pub fn lost_by_queue(lost: &Ledger) -> Count {
    let all = lost.lost();
    let own = lost[Reason::Overrun];
    Count::new(all.frames - own.frames, all.bytes - own.bytes)
}
