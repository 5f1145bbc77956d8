//! The events of a queue.

mod end;
mod look;

use std::os::fd::OwnedFd;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::builder::Batch;
use super::event::{Event, Frame, Missed};
use super::filter::FrameFilter;
use super::marks::Marks;
use crate::error::{Context, Error, Kind, Result};
use crate::listener::{Contract, Fetched, Listener, Start, Waited};
use crate::raw::Event as RawEvent;

/// Longest sleep in one wait for frames. A wait without limit repeats it.
const WAIT: Duration = Duration::from_secs(3600);

/// Time that an overrun stream sleeps before it searches again for a whole block.
const RESYNC_PAUSE: Duration = Duration::from_millis(1);

/// Part of the ring that a stream reads before it acknowledges.
const RING_PARTS: u64 = 16;

/// Reads a queue, acknowledges what was read, and continues after an overrun.
#[derive(Debug)]
pub(super) struct QueueStream {
    listener: Listener,
    /// Whether each record is copied out of the ring, because the contract can end during the read.
    copy: bool,
    /// Number of read bytes after which the stream acknowledges.
    ack_bytes: u64,
    link_type: u32,
    /// Marks of the next frame, from the records before it; `None` without marks.
    marks: Option<Marks>,
    batch: Option<Batch>,
    idle: Option<Duration>,
    /// Whether the losses after the last record were reported.
    end_reported: bool,
}

/// The result of a search for events that does not wait.
enum Found {
    /// A frame, which is not consumed yet.
    Frame(Fetched),
    /// Any other event.
    Event(Event<'static>),
    /// Everything published is read and acknowledged.
    Nothing,
    /// The stream was overtaken, and the producer has not finished a block since.
    Overtaken,
}

impl QueueStream {
    pub(super) fn new(listener: Listener, contract: Contract) -> Self {
        Self {
            copy: !matches!(contract, Contract::Lossless),
            ack_bytes: listener.info().ring_bytes / RING_PARTS,
            link_type: listener.info().link_type,
            listener,
            marks: None,
            batch: None,
            idle: None,
            end_reported: false,
        }
    }

    pub(super) fn set_waits(&mut self, batch: Option<Batch>, idle: Option<Duration>) {
        self.batch = batch;
        self.idle = idle;
    }

    pub(super) fn listener(&self) -> &Listener {
        &self.listener
    }

    /// Returns a file descriptor that becomes readable when the producer wakes the listener.
    pub(super) fn wakeup_fd(&mut self) -> Result<OwnedFd> {
        const TRIED: &str = "make a file descriptor to wait for";
        self.listener.enable_wakeup_fd()?;
        let fd = self.listener.wakeup_fd();
        let fd = fd.ok_or_else(|| Error::new(Kind::Io, TRIED, "the listener has none"))?;
        fd.try_clone_to_owned().context(|| TRIED)
    }

    /// Finds the next frame if nothing else is to be done before it, which is nearly always so.
    #[inline(always)]
    pub(super) fn find_frame(&mut self) -> Option<Fetched> {
        if self.marks.is_some() || self.listener.unacknowledged() >= self.ack_bytes {
            return None;
        }
        self.listener.fetch_frame(self.copy)
    }

    /// Consumes the frame that [`QueueStream::find_frame`] found.
    #[inline(always)]
    pub(super) fn take_unmarked(&mut self, record: &Fetched) -> Frame<'_> {
        Frame::of(&self.listener.take_frame(record), self.link_type)
    }

    /// Waits for the next event, of the frames only those that pass `filter`; `None` at the end of the
    /// source.
    pub(super) fn next(
        &mut self,
        mut filter: Option<&mut FrameFilter>,
    ) -> Result<Option<Event<'_>>> {
        let mut deadline = None;
        loop {
            match self.find()? {
                Found::Frame(record) => {
                    if self.passes(&record, filter.as_deref_mut())? {
                        return Ok(Some(Event::Frame(self.take(&record))));
                    }
                }
                Found::Event(event) => return Ok(Some(event)),
                found => match self.wait_after(&found, &mut deadline)? {
                    Waited::Ready => {}
                    Waited::TimedOut => return Ok(Some(Event::Idle)),
                    Waited::Ended => return self.finish(),
                },
            }
        }
    }

    /// Returns the next event, of the frames only those that pass `filter`, without waiting for it.
    pub(super) fn try_next(
        &mut self,
        mut filter: Option<&mut FrameFilter>,
    ) -> Result<Poll<Option<Event<'_>>>> {
        loop {
            let is_overtaken = match self.find()? {
                Found::Frame(record) => {
                    if self.passes(&record, filter.as_deref_mut())? {
                        return Ok(Poll::Ready(Some(Event::Frame(self.take(&record)))));
                    }
                    continue;
                }
                Found::Event(event) => return Ok(Poll::Ready(Some(event))),
                Found::Nothing => false,
                Found::Overtaken if self.listener.ended() => {
                    return self.finish().map(Poll::Ready);
                }
                Found::Overtaken => true,
            };
            let found = match self.listener.wakeup_fd() {
                Some(_) => self.listener.request_wakeup(1)?,
                None => self.listener.wait(1, Duration::ZERO)?,
            };
            match found {
                // The producer soon wakes this listener again, because unread bytes are published.
                Waited::Ready if is_overtaken => return Ok(Poll::Pending),
                Waited::Ready => self.check_whole()?,
                Waited::TimedOut => return Ok(Poll::Pending),
                Waited::Ended => return self.finish().map(Poll::Ready),
            }
        }
    }

    /// Finds the next event without waiting.
    fn find(&mut self) -> Result<Found> {
        loop {
            if self.listener.unacknowledged() >= self.ack_bytes {
                self.acknowledge()?;
            }
            match self.listener.fetch(self.copy) {
                Ok(Some(record)) if !record.is_padding() => return Ok(Found::Frame(record)),
                Ok(Some(record)) => {
                    if let Some(event) = self.take_padding(record) {
                        return Ok(Found::Event(event));
                    }
                }
                Ok(None) => {
                    self.acknowledge()?;
                    return Ok(Found::Nothing);
                }
                Err(e) => match self.resynchronise(e)? {
                    Found::Nothing => {}
                    found => return Ok(found),
                },
            }
        }
    }

    /// Continues after an overrun. Returns [`Found::Nothing`] when nothing is missing.
    #[cold]
    fn resynchronise(&mut self, error: Error) -> Result<Found> {
        if error.kind() != Kind::Overrun {
            return Err(error);
        }
        self.marks = None;
        match self.listener.resync(Start::Newest) {
            Ok(lost) if lost.lost().is_zero() => Ok(Found::Nothing),
            Ok(lost) => Ok(Found::Event(Event::Missed(Missed::new(lost)))),
            Err(e) if e.kind() == Kind::NotFound => Ok(Found::Overtaken),
            Err(e) => Err(e),
        }
    }

    /// Whether the frame `record` passes `filter`; otherwise consumes it.
    fn passes(&mut self, record: &Fetched, filter: Option<&mut FrameFilter>) -> Result<bool> {
        match filter {
            None => Ok(true),
            Some(filter) => {
                let passes = self.accepts(record, filter)?;
                if !passes {
                    self.take(record);
                }
                Ok(passes)
            }
        }
    }

    fn accepts(&self, record: &Fetched, filter: &mut FrameFilter) -> Result<bool> {
        let marks = self.marks.unwrap_or_default();
        let frame = marks.frame(&self.listener.frame(record), self.link_type);
        filter.accepts(&frame)
    }

    /// Consumes the frame `record`.
    fn take(&mut self, record: &Fetched) -> Frame<'_> {
        let record = self.listener.take_frame(record);
        match self.marks.take() {
            None => Frame::of(&record, self.link_type),
            Some(marks) => marks.frame(&record, self.link_type),
        }
    }

    /// Consumes padding; returns the event that its tag means, if it is one.
    #[cold]
    fn take_padding(&mut self, record: Fetched) -> Option<Event<'static>> {
        match self.listener.take(record)? {
            RawEvent::FileStart(header) => Some(Event::FileStart(header)),
            RawEvent::Missed(gap) => Some(Event::Missed(Missed::new(gap.lost))),
            RawEvent::FileEnd(ledger) => Some(Event::FileEnd(ledger)),
            RawEvent::Duplicate => {
                self.marks.get_or_insert_default().duplicate();
                None
            }
            RawEvent::Sent => {
                self.marks.get_or_insert_default().sent();
                None
            }
            RawEvent::Altered(altered) => {
                self.marks.get_or_insert_default().altered(altered);
                None
            }
            RawEvent::Padding(_) | RawEvent::Frame(_) | RawEvent::Damaged(_) => None,
        }
    }

    /// Waits after `found`, which is no event. Returns [`Waited::Ready`] to search again, and
    /// [`Waited::TimedOut`] when the time set with [`Builder::report_idle`] is over. `deadline` is the
    /// end of that time; the first call sets it.
    ///
    /// [`Builder::report_idle`]: super::Builder::report_idle
    #[cold]
    fn wait_after(&mut self, found: &Found, deadline: &mut Option<Instant>) -> Result<Waited> {
        if matches!(found, Found::Overtaken) {
            if self.listener.ended() {
                return Ok(Waited::Ended);
            }
            std::thread::sleep(RESYNC_PAUSE);
            return Ok(Waited::Ready);
        }
        let deadline = match (*deadline, self.idle) {
            (None, Some(idle)) => *deadline.insert(Instant::now() + idle),
            (Some(deadline), _) => deadline,
            (None, None) => Instant::now() + WAIT,
        };
        match self.wait(deadline)? {
            Waited::Ready => self.check_whole().map(|()| Waited::Ready),
            Waited::TimedOut if self.idle.is_none() || Instant::now() < deadline => {
                Ok(Waited::Ready)
            }
            waited => Ok(waited),
        }
    }

    /// Sleeps until something is published or the source has ended, at most until `deadline`.
    fn wait(&mut self, deadline: Instant) -> Result<Waited> {
        let left = deadline.saturating_duration_since(Instant::now());
        let Some(batch) = self.batch else {
            return self.listener.wait(1, left);
        };
        match self.listener.wait(batch.bytes, left.min(batch.at_most))? {
            Waited::TimedOut if self.listener.available() > 0 => Ok(Waited::Ready),
            waited => Ok(waited),
        }
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
}
