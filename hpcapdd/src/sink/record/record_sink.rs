//! The sink of one source that is stored frame by frame.

use hpcap::listener::{Listener, Moment};
use hpcap::{Count, Ledger, Result};

use crate::report::event::Notice;
use crate::sink::record::delivery::Delivery;
use crate::sink::record::record_stream::{Next, RecordStream};
use crate::sink::record::selection::{RecordLimits, Selector, own_moment};
use crate::sink::record::{BATCH, OutputFrame, RecordOutput};
use crate::sink::{Ending, Sink, Step, Tally};

/// Passes records one by one to an output.
#[derive(Debug)]
pub struct RecordSink<O> {
    delivery: Delivery<O>,
    selector: Selector,
    stream: RecordStream,
    told: Ledger,
}

impl<O: RecordOutput> RecordSink<O> {
    /// A sink that passes the records of `listener` that `selector` keeps to `output`.
    #[must_use]
    pub fn new(listener: &Listener, output: O, selector: Selector, limits: RecordLimits) -> Self {
        Self {
            delivery: Delivery::new(output, limits, 1),
            selector,
            stream: RecordStream::new(listener),
            told: Ledger::default(),
        }
    }

    /// Takes one record. Returns a step if there is no record to take.
    fn take(&mut self, listener: &mut Listener) -> Result<Option<Step>> {
        match self.stream.next(listener)? {
            Next::Frame { record, marks } => {
                if !self.selector.keeps(&record) {
                    self.delivery.refuse(Count::new(1, u64::from(record.len)));
                    return Ok(None);
                }
                self.delivery.frame(&OutputFrame {
                    source: 0,
                    record: self.selector.cut(record),
                    marks,
                });
            }
            Next::Gap(gap) => self.delivery.gap(0, &gap),
            Next::Other => {}
            Next::Nothing => return Ok(Some(Step::Idle { bytes: 1 })),
            Next::Overtaken => return Ok(Some(Step::Done)),
        }
        Ok(None)
    }

    fn resync(&mut self, listener: &mut Listener) -> Result<Step> {
        Ok(match self.stream.resync(listener)? {
            Some(missed) => {
                self.delivery.missing(0, &missed);
                Step::Done
            }
            None => Step::Pause,
        })
    }
}

impl<O: RecordOutput> Sink for RecordSink<O> {
    fn step(&mut self, listener: &mut Listener, until: u64) -> Result<Step> {
        let mut after = Step::Done;
        let files_before = self.delivery.files();
        for _ in 0..BATCH {
            let filtered = self.delivery.filtered();
            let ledger = || own_moment(Moment::from(&listener.ledger()), filtered);
            if let Some(step) = self.delivery.prepare(files_before, &ledger) {
                return Ok(step);
            }
            if self.stream.is_overtaken() {
                after = self.resync(listener)?;
            } else if listener.position() >= until {
                after = Step::Idle { bytes: 1 };
            } else if let Some(step) = self.take(listener)? {
                after = step;
            } else {
                continue;
            }
            break;
        }
        // Unflushed frames hold back at most an eighth of the ring, and for a bounded time.
        if self.delivery.is_flush_due(self.stream.holds_much(listener)) {
            if let Some(step) = self.delivery.flush() {
                return Ok(step);
            }
            self.stream.ack(listener)?;
        } else if !self.delivery.is_pending() && self.stream.holds_records(listener) {
            // The filter refused every frame since the last acknowledgement.
            self.stream.ack(listener)?;
        }
        Ok(after)
    }

    fn set_others(&mut self, others: &Tally) {
        self.delivery.set_others(others);
    }

    fn done_to(&self, listener: &Listener) -> u64 {
        if self.stream.is_overtaken() {
            listener.published()
        } else {
            listener.position()
        }
    }

    fn look(&mut self, _listener: &mut Listener) {
        self.delivery.look();
    }

    fn rotate(&mut self, _listener: &mut Listener) {
        self.delivery.rotate();
    }

    fn finish(&mut self, listener: &mut Listener, ending: &Ending) {
        self.told = *listener.told();
        let end = ending.target;
        let lost = self
            .stream
            .missing_at_end(listener, &self.selector, &end, ending);
        self.delivery.missing(0, &lost);
        self.delivery
            .finish(&own_moment(end, self.delivery.filtered()));
    }

    fn told(&self, _listener: &Listener) -> Ledger {
        self.told
    }

    fn tally(&self) -> Tally {
        self.delivery.tally()
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        self.delivery.take_notices()
    }
}
