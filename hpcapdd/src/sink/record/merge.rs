//! Merges the frames of several sources by time into one output.

use std::time::{Duration, Instant};

use hpcap::listener::{Listener, Moment};
use hpcap::pcapfile::Marks;
use hpcap::raw::Record;
use hpcap::{Count, Reason, Result, Timestamp};

use crate::report::event::Notice;
use crate::sink::record::delivery::Delivery;
use crate::sink::record::record_stream::{Next, RecordStream};
use crate::sink::record::selection::{RecordLimits, Selector};
use crate::sink::record::{BATCH, OutputFrame, RecordOutput};
use crate::sink::{Ending, Sink, Step, Tally, end_of};

/// A frame is published at most this long after its timestamp. An older frame does not wait for
/// earlier ones of other sources.
const LATE_MAX: Duration = Duration::from_millis(100);

/// Longest time that a frame waits for an earlier one, whatever the clocks say.
const WAIT_MAX: Duration = Duration::from_millis(300);

/// Longest time that a frame of a file or generator waits for an earlier one. Such sources wait for
/// the recorder themselves; only a pipe that pauses takes this long.
const WAIT_MAX_OF_WAITING_SOURCES: Duration = Duration::from_secs(10);

/// The next frame of a source.
#[derive(Debug)]
struct NextFrame {
    time: Timestamp,
    len: u16,
    marks: Marks,
}

/// A source with its next frame, which was copied from the ring.
#[derive(Debug)]
struct MergedSource {
    stream: RecordStream,
    next: Option<NextFrame>,
    /// The bytes of `next`.
    data: Vec<u8>,
}

impl MergedSource {
    fn new(listener: &Listener) -> Self {
        Self {
            stream: RecordStream::new(listener),
            next: None,
            data: Vec::new(),
        }
    }

    /// Reads the next frame, and passes the gaps before it to `delivery` as those of source
    /// `number`. Returns whether there is a frame.
    fn fill(
        &mut self,
        number: usize,
        listener: &mut Listener,
        delivery: &mut Delivery<impl RecordOutput>,
    ) -> Result<bool> {
        while self.next.is_none() {
            if self.stream.is_overtaken() {
                match self.stream.resync(listener)? {
                    Some(missed) => delivery.missing(number, &missed),
                    None => return Ok(false),
                }
            }
            match self.stream.next(listener)? {
                Next::Frame { record, marks } => {
                    self.data.clear();
                    self.data.extend_from_slice(record.data);
                    self.next = Some(NextFrame {
                        time: record.time,
                        len: record.len,
                        marks,
                    });
                }
                Next::Gap(gap) => delivery.gap(number, &gap),
                Next::Other | Next::Overtaken => {}
                Next::Nothing => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Merges the frames of several listeners by their times. The session owns the first listener; this
/// sink owns the others.
#[derive(Debug)]
pub struct MergeSink<O> {
    delivery: Delivery<O>,
    others: Vec<Listener>,
    sources: Vec<MergedSource>,
    /// When the earliest frame began to wait for another source.
    waiting: Option<Instant>,
    /// Whether the sources wait for this recorder, as files do. The merge then waits longer for
    /// each source.
    sources_wait: bool,
    done: bool,
}

impl<O: RecordOutput> MergeSink<O> {
    /// Passes the frames of the session's listener, `first`, and of `others` to `output`.
    /// `sources_wait` says that all sources are files or generators that wait for their frames to be
    /// taken.
    #[must_use]
    pub fn new(
        output: O,
        first: &Listener,
        others: Vec<Listener>,
        limits: RecordLimits,
        sources_wait: bool,
    ) -> Self {
        let sources: Vec<MergedSource> = std::iter::once(first)
            .chain(&others)
            .map(MergedSource::new)
            .collect();
        Self {
            delivery: Delivery::new(output, limits, sources.len()),
            sources,
            others,
            waiting: None,
            sources_wait,
            done: false,
        }
    }

    /// Chooses the source whose frame is next. Returns `None` if there is no frame, or if an
    /// earlier one may still come.
    fn choose(&mut self, first: &mut Listener, ending: bool) -> Result<Option<usize>> {
        let mut earliest: Option<(Timestamp, usize)> = None;
        let mut all = true;
        let listeners = std::iter::once(first).chain(&mut self.others);
        for (number, (source, listener)) in self.sources.iter_mut().zip(listeners).enumerate() {
            // This is checked before the last read, so that the read sees all that was published.
            let ended = ending || listener.ended();
            if source.fill(number, listener, &mut self.delivery)? {
                let time = source.next.as_ref().map(|next| (next.time, number));
                earliest = earliest.into_iter().chain(time).min();
            } else {
                all &= ended;
            }
        }
        let Some((time, number)) = earliest else {
            self.done = all;
            return Ok(None);
        };
        self.done = false;
        if all || self.has_waited(time) {
            self.waiting = None;
            return Ok(Some(number));
        }
        Ok(None)
    }

    /// Whether a frame of `time`, the earliest one, has waited long enough for the other sources.
    fn has_waited(&mut self, time: Timestamp) -> bool {
        let age = Timestamp::now().as_ns().saturating_sub(time.as_ns());
        if !self.sources_wait && u128::from(age) >= LATE_MAX.as_nanos() {
            return true;
        }
        let since = *self.waiting.get_or_insert_with(Instant::now);
        let wait_max = match self.sources_wait {
            true => WAIT_MAX_OF_WAITING_SOURCES,
            false => WAIT_MAX,
        };
        since.elapsed() >= wait_max
    }

    /// Stores the next frame of source `number`.
    fn take(&mut self, number: usize) {
        let source = &mut self.sources[number];
        let Some(next) = source.next.take() else {
            return;
        };
        self.delivery.frame(&OutputFrame {
            source: number,
            record: Record {
                time: next.time,
                len: next.len,
                data: &source.data,
            },
            marks: next.marks,
        });
    }

    /// Gives what was read back to the rings. Frames that are not written yet were copied.
    fn ack(&mut self, first: &mut Listener) -> Result<()> {
        let listeners = std::iter::once(first).chain(&mut self.others);
        for (source, listener) in self.sources.iter_mut().zip(listeners) {
            source.stream.ack(listener)?;
        }
        Ok(())
    }

    /// Whether `what` holds for one of the listeners.
    fn any(&self, first: &Listener, what: fn(&RecordStream, &Listener) -> bool) -> bool {
        let listeners = std::iter::once(first).chain(&self.others);
        self.sources
            .iter()
            .zip(listeners)
            .any(|(source, listener)| what(&source.stream, listener))
    }
}

impl<O: RecordOutput> Sink for MergeSink<O> {
    fn step(&mut self, listener: &mut Listener, until: u64) -> Result<Step> {
        // An end is known only after the sources have ended, so nothing more is published.
        let ending = until != u64::MAX;
        let mut after = Step::Done;
        let files_before = self.delivery.files();
        for _ in 0..BATCH {
            let queue = &*listener;
            let ledger = || Moment::from(&queue.ledger());
            if let Some(step) = self.delivery.prepare(files_before, &ledger) {
                return Ok(step);
            }
            match self.choose(listener, ending)? {
                Some(number) => self.take(number),
                None => {
                    after = Step::Pause;
                    break;
                }
            }
        }
        let much = self.any(listener, RecordStream::holds_much);
        if self.delivery.is_flush_due(much) {
            if let Some(step) = self.delivery.flush() {
                return Ok(step);
            }
            self.ack(listener)?;
        } else if !self.delivery.is_pending() && self.any(listener, RecordStream::holds_records) {
            self.ack(listener)?;
        }
        Ok(after)
    }

    fn done_to(&self, _listener: &Listener) -> u64 {
        if self.done { u64::MAX } else { 0 }
    }

    fn look(&mut self, _listener: &mut Listener) {
        self.delivery.look();
    }

    fn rotate(&mut self, _listener: &mut Listener) {
        self.delivery.rotate();
    }

    fn finish(&mut self, listener: &mut Listener, ending: &Ending) {
        let everything = Selector::default();
        let mut ends = vec![ending.target];
        ends.extend(self.others.iter().map(end_of));
        let listeners = std::iter::once(listener).chain(&mut self.others);
        let sources = self.sources.iter_mut().zip(listeners).zip(ends);
        for (number, ((source, listener), end)) in sources.enumerate() {
            let mut lost = source
                .stream
                .missing_at_end(listener, &everything, &end, ending);
            if let Some(next) = source.next.take()
                && !ending.limited
            {
                lost[Reason::Storage] += Count::new(1, u64::from(next.len));
            }
            self.delivery.missing(number, &lost);
        }
        self.delivery.finish(&ending.target);
    }

    fn tally(&self) -> Tally {
        self.delivery.tally()
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        self.delivery.take_notices()
    }
}
