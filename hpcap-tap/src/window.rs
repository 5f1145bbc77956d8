//! A span of time of a queue: what was in the ring before an event, and what came after it.

use std::time::{Duration, Instant};

use hpcap::listener::Listener;
use hpcap::queue::QueueInfo;
use hpcap::stream::Pollable;
use hpcap::{Contract, Queue, Request, Result, Start, Stream, Timestamp};

/// How long frames may be on their way into the ring after their time.
const GRACE: Duration = Duration::from_millis(500);

/// Attempts to attach before the producer overwrites the position that was found.
const ATTEMPTS: usize = 10;

/// Part of the ring that a tap leaves between itself and a producer that is about to overwrite.
const LEAD_PARTS: u64 = 16;

/// A span of the time of frames; both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Time of the first frame that is wanted.
    pub from: Timestamp,
    /// Time of the event.
    pub event: Timestamp,
    /// Time of the last frame that is wanted.
    pub until: Timestamp,
}

impl Window {
    /// The span from `before` an event until `after` it. The event has a beginning and an end.
    #[must_use]
    pub fn around(event: (Timestamp, Timestamp), before: Duration, after: Duration) -> Self {
        let (event, end) = event;
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self {
            from: Timestamp::from_ns(event.as_ns().saturating_sub(ns(before))),
            event,
            until: Timestamp::from_ns(end.as_ns().saturating_add(ns(after))),
        }
    }

    /// Whether no frame of the window can come any more. `since` is when its reader began.
    #[must_use]
    pub fn is_over(&self, info: &QueueInfo, since: Instant) -> bool {
        if has_wall_clock(info) {
            return Timestamp::now() > later(self.until, GRACE);
        }
        let rest = Duration::from_nanos(self.until.as_ns().saturating_sub(self.event.as_ns()));
        since.elapsed() > rest + GRACE
    }
}

/// Whether the frames of a queue have the present time, and not that of a file.
#[must_use]
pub fn has_wall_clock(info: &QueueInfo) -> bool {
    info.clock_source != "file"
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_ns(time.as_ns() + u64::try_from(by.as_nanos()).unwrap_or(0))
}

/// A reader at the start of a window.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) stream: Pollable,
    /// Time of the oldest frame, if the ring no longer has the start of the window.
    pub(crate) oldest: Option<Timestamp>,
}

/// Attaches to `queue` before the first frame of `window`, or as far back as the ring goes.
pub(crate) fn attach(queue: &Queue, window: &Window, program: &str) -> Result<Reader> {
    let request = Request {
        contract: Contract::Lossy,
        start: Start::Oldest,
        program: program.to_owned(),
    };
    let mut attempt = 0;
    loop {
        attempt += 1;
        let mut listener = queue.attach(&request)?;
        let oldest = seek(&mut listener, window.from)?;
        let is_whole = listener.page().oldest() <= listener.position();
        if is_whole || attempt == ATTEMPTS {
            let stream = Stream::from(listener).pollable()?;
            return Ok(Reader { stream, oldest });
        }
    }
}

/// Moves `listener` to the last block that begins before `from`. Returns the time of the oldest frame
/// in the ring if it is later than `from` and earlier frames were overwritten.
fn seek(listener: &mut Listener, from: Timestamp) -> Result<Option<Timestamp>> {
    let first_ns = listener.block().map_or(0, |block| block.first_ns);
    let is_overwritten = listener.page().oldest() > listener.info().start_off;
    if is_overwritten && first_ns > from.as_ns() {
        // The producer is about to overwrite the oldest block.
        let lead = listener.info().ring_bytes / LEAD_PARTS;
        let goal = listener.page().oldest() + lead;
        while listener.position() < goal && skip_block(listener)? {}
        let first_ns = listener.block().map_or(first_ns, |block| block.first_ns);
        return Ok(Some(Timestamp::from_ns(first_ns)));
    }
    loop {
        let Some(block) = listener.block() else {
            return Ok(None);
        };
        let next = listener.block_entry(block.number + 1);
        let is_needed = next.is_none_or(|n| n.first_ns == 0 || n.first_ns >= from.as_ns());
        if is_needed || !skip_block(listener)? {
            return Ok(None);
        }
    }
}

/// Passes over the records that begin in the present block. Returns false if the block is still being written.
fn skip_block(listener: &mut Listener) -> Result<bool> {
    let next = match listener.block() {
        Some(block) if block.complete => block.number + 1,
        _ => return Ok(false),
    };
    listener.skip_to_block(next)
}
