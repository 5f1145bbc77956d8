//! Merges the frames of several sources by time into one output.

use std::time::{Duration, Instant};

use hpcap::listener::{Listener, Moment, Start};
use hpcap::raw::{Altered, Item, Record};
use hpcap::{Count, Kind, Ledger, Reason, Result, Timestamp};

use crate::report::event::Notice;
use crate::sink::record::duplicate_mark::DuplicateMark;
use crate::sink::record::{OutputFailure, RecordLimits, RecordOutput, prepare};
use crate::sink::{Ending, FLUSH_AFTER, Sink, Step, Tally};

/// Frames taken in one step, before the session looks at signals and the clock again.
const BATCH: usize = 4096;

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
    duplicate: bool,
    altered: Option<Altered>,
}

/// The reading state of one source.
#[derive(Debug, Default)]
struct QueueStream {
    next: Option<NextFrame>,
    /// The bytes of `next`.
    data: Vec<u8>,
    mark: DuplicateMark,
    /// Original length and time of the source's next frame, if its record cannot hold them.
    altered: Option<Altered>,
    last: Option<Timestamp>,
    overtaken: bool,
    acked: u64,
}

/// Merges the frames of several listeners by their times. The session owns the first listener; this
/// sink owns the others.
#[derive(Debug)]
pub struct MergeSink<O> {
    output: O,
    others: Vec<Listener>,
    streams: Vec<QueueStream>,
    limits: RecordLimits,
    tally: Tally,
    flushed: Instant,
    pending: bool,
    /// When the earliest frame began to wait for another source.
    waiting: Option<Instant>,
    /// Whether the sources wait for this recorder, as files do. The merge then waits longer for
    /// each source.
    sources_wait: bool,
    done: bool,
    notices: Vec<Notice>,
}

impl<O: RecordOutput> MergeSink<O> {
    /// Passes the frames of the session's listener and of `others` to `output`. `sources_wait` says that
    /// all sources are files or generators that wait for their frames to be taken.
    #[must_use]
    pub fn new(output: O, others: Vec<Listener>, limits: RecordLimits, sources_wait: bool) -> Self {
        Self {
            output,
            streams: (0..=others.len()).map(|_| QueueStream::default()).collect(),
            others,
            limits,
            tally: Tally::default(),
            flushed: Instant::now(),
            pending: false,
            waiting: None,
            sources_wait,
            done: false,
            notices: Vec::new(),
        }
    }

    /// Reads the next frame of source `number`, and passes the gaps before it to the output.
    /// Returns whether there is a frame.
    fn fill(&mut self, number: usize, listener: &mut Listener) -> Result<bool> {
        let stream = &mut self.streams[number];
        while stream.next.is_none() {
            if stream.overtaken {
                match listener.resync(Start::Oldest) {
                    Ok(missed) => {
                        stream.overtaken = false;
                        stream.acked = listener.position();
                        let mut lost = Ledger::default();
                        lost += &missed;
                        self.tally.lost[Reason::Overrun] += missed[Reason::Overrun];
                        self.output.source(number);
                        self.output.gap(&hpcap::raw::Gap {
                            from: stream.last,
                            until: Timestamp::now(),
                            lost,
                            ..Default::default()
                        });
                    }
                    Err(e) if e.kind() == Kind::NotFound => return Ok(false),
                    Err(e) => return Err(e),
                }
            }
            let item = match listener.next_record() {
                Ok(Some(item)) => item,
                Ok(None) => return Ok(false),
                Err(e) if e.kind() == Kind::Overrun => {
                    stream.overtaken = true;
                    stream.mark.void();
                    stream.altered = None;
                    continue;
                }
                Err(e) => return Err(e),
            };
            let duplicate = stream.mark.of(&item);
            match item {
                Item::Frame(record) => {
                    stream.data.clear();
                    stream.data.extend_from_slice(record.data);
                    stream.next = Some(NextFrame {
                        time: record.time,
                        len: record.len,
                        duplicate,
                        altered: stream.altered.take(),
                    });
                }
                Item::Gap(gap) => {
                    self.output.source(number);
                    self.output.gap(&gap);
                }
                Item::Altered(had) => stream.altered = Some(had),
                _ => {}
            }
        }
        Ok(true)
    }

    /// Chooses the source whose frame is next. Returns `None` if there is no frame, or if an
    /// earlier one may still come.
    fn choose(&mut self, listener: &mut Listener, ending: bool) -> Result<Option<usize>> {
        let mut first: Option<(Timestamp, usize)> = None;
        let mut all = true;
        let mut others = std::mem::take(&mut self.others);
        let listeners = std::iter::once(listener).chain(others.iter_mut());
        let mut outcome = Ok(());
        for (number, listener) in listeners.enumerate() {
            // This is checked before the last read, so that the read sees all that was published.
            let ended = ending || listener.ended();
            match self.fill(number, listener) {
                Ok(true) => {
                    let time = self.streams[number].next.as_ref().map(|next| next.time);
                    first = first.into_iter().chain(time.map(|t| (t, number))).min();
                }
                Ok(false) => all &= ended,
                Err(e) => outcome = Err(e),
            }
        }
        self.others = others;
        outcome?;
        let Some((time, number)) = first else {
            self.done = all;
            return Ok(None);
        };
        self.done = false;
        let old = || {
            let age = Timestamp::now().as_ns().saturating_sub(time.as_ns());
            !self.sources_wait && u128::from(age) >= LATE_MAX.as_nanos()
        };
        if all || old() {
            self.waiting = None;
            return Ok(Some(number));
        }
        let since = *self.waiting.get_or_insert_with(Instant::now);
        let wait_max = if self.sources_wait {
            WAIT_MAX_OF_WAITING_SOURCES
        } else {
            WAIT_MAX
        };
        if since.elapsed() >= wait_max {
            self.waiting = None;
            return Ok(Some(number));
        }
        Ok(None)
    }

    fn take(&mut self, number: usize) {
        let stream = &mut self.streams[number];
        let Some(next) = stream.next.take() else {
            return;
        };
        let record = Record {
            time: next.time,
            len: next.len,
            data: &stream.data,
        };
        self.output.source(number);
        if let Some(had) = next.altered {
            self.output.altered(had);
        }
        self.output.frame(&record, next.duplicate);
        stream.last = Some(next.time);
        self.tally.stored += Count::new(1, u64::from(next.len));
        self.pending = true;
    }

    fn failed(&mut self, failure: OutputFailure) -> Step {
        match failure {
            OutputFailure::ReaderGone => Step::ReaderGone,
            OutputFailure::ReaderSlow => Step::Pause,
            OutputFailure::Storage { error, lost } => {
                if !lost.is_zero() {
                    self.tally.lose_stored(lost);
                    let mut ledger = Ledger::default();
                    ledger[Reason::Storage] = lost;
                    // The failure does not name sources, so the gap goes to the first interface.
                    self.output.source(0);
                    self.output.gap(&hpcap::raw::Gap {
                        until: Timestamp::now(),
                        lost: ledger,
                        ..Default::default()
                    });
                }
                Step::after(error)
            }
        }
    }

    /// Gives what was read back to the rings. Frames that are not written yet were copied.
    fn ack(&mut self, listener: &mut Listener) -> Result<()> {
        let listeners = std::iter::once(listener).chain(self.others.iter_mut());
        for (stream, listener) in self.streams.iter_mut().zip(listeners) {
            stream.acked = listener.position();
            match listener.ack() {
                Err(e) if e.kind() == Kind::Overrun => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Whether frames that are not given back yet take an eighth of a ring.
    fn holds_much(&self, listener: &Listener) -> bool {
        let listeners = std::iter::once(listener).chain(&self.others);
        self.streams
            .iter()
            .zip(listeners)
            .any(|(stream, listener)| {
                listener.position() - stream.acked >= listener.info().ring_bytes / 8
            })
    }

    /// Counts the published frames that cannot be stored any more.
    fn count_rest(&mut self, listener: &mut Listener) -> Count {
        let mut rest = Count::default();
        for stream in &mut self.streams {
            if let Some(next) = stream.next.take() {
                rest += Count::new(1, u64::from(next.len));
            }
        }
        for listener in std::iter::once(listener).chain(self.others.iter_mut()) {
            while let Ok(Some(item)) = listener.next_record() {
                if let Item::Frame(record) = item {
                    rest += Count::new(1, u64::from(record.len));
                }
            }
        }
        rest
    }
}

impl<O: RecordOutput> Sink for MergeSink<O> {
    fn step(&mut self, listener: &mut Listener, until: u64) -> Result<Step> {
        // An end is known only after the sources have ended, so nothing more is published.
        let ending = until != u64::MAX;
        let mut after = Step::Done;
        let files_before = self.output.written().files;
        for _ in 0..BATCH {
            let (queue, stored) = (&*listener, self.tally.stored);
            let ledger = || Moment::from(&queue.ledger());
            match prepare(
                &mut self.output,
                &self.limits,
                &Tally::default(),
                stored,
                files_before,
                &ledger,
            ) {
                Ok(None) => {}
                Ok(Some(step)) => return Ok(step),
                Err(failure) => return Ok(self.failed(failure)),
            }
            match self.choose(listener, ending)? {
                Some(number) => self.take(number),
                None => {
                    after = Step::Pause;
                    break;
                }
            }
        }
        if self.pending && (self.holds_much(listener) || self.flushed.elapsed() >= FLUSH_AFTER) {
            if let Err(failure) = self.output.flush() {
                return Ok(self.failed(failure));
            }
            self.pending = false;
            self.flushed = Instant::now();
            self.ack(listener)?;
        }
        Ok(after)
    }

    fn done_to(&self, _listener: &Listener) -> u64 {
        if self.done { u64::MAX } else { 0 }
    }

    fn rotate(&mut self, _listener: &mut Listener) {
        self.output.rotate();
    }

    fn finish(&mut self, listener: &mut Listener, ending: &Ending) {
        if !ending.complete {
            let rest = self.count_rest(listener);
            self.tally.lost[Reason::Storage] += rest;
        }
        let result = self.output.finish(&ending.target, ending.complete);
        if let Err(OutputFailure::Storage { error, lost }) = result {
            self.tally.lose_stored(lost);
            self.notices.push(Notice::warning(error.to_string()));
        }
    }

    fn tally(&self) -> Tally {
        let written = self.output.written();
        Tally {
            stored_bytes: written.bytes,
            files: written.files,
            ..self.tally
        }
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        self.notices.extend(self.output.take_notices());
        std::mem::take(&mut self.notices)
    }
}
