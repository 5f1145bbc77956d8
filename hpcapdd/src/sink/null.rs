//! The destination `null`, which counts frames and stores nothing.

use hpcap::listener::{Listener, Moment, Start};
use hpcap::raw::Gap;
use hpcap::{Count, Kind, Reason, Result};

use crate::sink::record::{OutputFailure, OutputFrame, RecordOutput, Written};
use crate::sink::{Ending, Sink, Step, Tally};

/// Discards whole blocks without looking at them.
#[derive(Debug, Default)]
pub struct NullSink {
    tally: Tally,
    /// Frames captured before the first block that was given back.
    before: Option<Count>,
    overtaken: bool,
}

impl Sink for NullSink {
    fn step(&mut self, listener: &mut Listener, until: u64) -> Result<Step> {
        let block_bytes = listener.info().block_bytes;
        if self.overtaken {
            match listener.resync(Start::Oldest) {
                Ok(missed) => {
                    self.tally.lost[Reason::Overrun] += missed[Reason::Overrun];
                    self.overtaken = false;
                }
                Err(e) if e.kind() == Kind::NotFound => return Ok(Step::Pause),
                Err(e) => return Err(e),
            }
        }
        let position = listener.position();
        if self.before.is_none() {
            self.before = listener
                .block_entry(position / block_bytes)
                .map(|e| Moment::from(&e).ledger[Reason::Captured]);
        }
        let wanted = until.saturating_sub(position);
        let len = listener
            .block()
            .map_or(0, |b| b.bytes.len() as u64)
            .min(wanted);
        if len == 0 {
            return Ok(Step::Idle { bytes: block_bytes });
        }
        listener.advance(len);
        match listener.ack() {
            Ok(()) => self.tally.stored_bytes += len,
            Err(e) if e.kind() == Kind::Overrun => self.overtaken = true,
            Err(e) => return Err(e),
        }
        Ok(Step::Done)
    }

    fn done_to(&self, listener: &Listener) -> u64 {
        if self.overtaken {
            listener.published()
        } else {
            listener.position()
        }
    }

    fn rotate(&mut self, _listener: &mut Listener) {}

    fn finish(&mut self, _listener: &mut Listener, ending: &Ending) {
        let captured = ending.target.ledger[Reason::Captured];
        let received = captured - self.before.unwrap_or(captured);
        self.tally.stored = received - self.tally.lost[Reason::Overrun];
    }

    fn tally(&self) -> Tally {
        self.tally
    }
}

/// Counts the bytes of the records that pass the filter, and discards the records.
#[derive(Debug, Default)]
pub struct NullOutput {
    bytes: u64,
}

impl RecordOutput for NullOutput {
    fn ready(&mut self, _ledger: &dyn Fn() -> Moment) -> std::result::Result<(), OutputFailure> {
        Ok(())
    }

    fn frame(&mut self, frame: &OutputFrame<'_>) {
        self.bytes += (hpcap::abi::HPCAP_RECORD_BYTES + frame.record.data.len()) as u64;
    }

    fn gap(&mut self, _source: usize, _gap: &Gap) {}

    fn flush(&mut self) -> std::result::Result<(), OutputFailure> {
        Ok(())
    }

    fn finish(&mut self, _end: &Moment) -> std::result::Result<(), OutputFailure> {
        Ok(())
    }

    fn written(&self) -> Written {
        Written {
            bytes: self.bytes,
            files: 0,
        }
    }
}
