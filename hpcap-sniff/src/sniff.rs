//! The loop: looks at one frame after the other in the ring, and prints or counts it.

use std::sync::atomic::{AtomicBool, Ordering};

use hpcap::filter::Filter;
use hpcap::stream::{Looked, Missed, RingFrame, RingStream};
use hpcap::{Event, Result};

use crate::output::{Output, Reader};
use crate::poll_cpu::PollCpu;
use crate::print::{Place, Printer};
use crate::statistics::Statistics;
use crate::totals::Totals;

/// Settings of the loop.
#[derive(Debug)]
pub struct Sniffer {
    /// Prints frames; `None` only counts them.
    pub printer: Option<Printer>,
    /// Which frames are wanted.
    pub filter: Filter,
    /// End after this many frames that were wanted.
    pub count: Option<u64>,
    /// End at this stream offset.
    pub end: Option<u64>,
    /// The CPU of the poll thread.
    pub cpu: PollCpu,
    /// The counts so far.
    pub totals: Totals,
    /// Prints the counts at SIGUSR1; `None` if the signal cannot be handled.
    pub statistics: Option<Statistics>,
}

impl Sniffer {
    /// Reads `stream` until it ends, a limit is reached, `stop` is set, or nobody reads `output`. What was
    /// printed so far is written in each case.
    ///
    /// # Errors
    /// Errors of the stream, and of writing.
    pub fn run(
        &mut self,
        stream: &mut RingStream,
        output: &mut Output,
        stop: &AtomicBool,
    ) -> Result<Reader> {
        let read = self.read(stream, output, stop);
        let written = output.write(stop);
        match (read, written) {
            (Ok(Reader::Gone), _) => Ok(Reader::Gone),
            (Ok(Reader::Present), written) => written,
            (Err(e), _) => Err(e),
        }
    }

    fn read(
        &mut self,
        stream: &mut RingStream,
        output: &mut Output,
        stop: &AtomicBool,
    ) -> Result<Reader> {
        while !stop.load(Ordering::Relaxed) && !self.is_done(stream) {
            let looked = stream.look(|frame| self.show(frame, output))?;
            let is_idle = match looked {
                None => break,
                Some(Looked::Frame(None)) => {
                    self.totals.filtered += 1;
                    false
                }
                Some(Looked::Frame(Some(len))) => {
                    self.totals.frames += 1;
                    self.totals.bytes += u64::from(len);
                    output.keep();
                    false
                }
                Some(Looked::Event(Event::Missed(missed))) => {
                    self.miss(&missed, output);
                    false
                }
                Some(Looked::Event(event)) => matches!(event, Event::Idle),
            };
            if let Some(statistics) = &self.statistics {
                statistics.tell_if_asked(&self.totals);
            }
            if is_idle || output.is_due() {
                self.cpu.refresh();
                if output.write(stop)? == Reader::Gone {
                    return Ok(Reader::Gone);
                }
            }
        }
        Ok(Reader::Present)
    }

    fn is_done(&self, stream: &RingStream) -> bool {
        let has_enough = self.count.is_some_and(|count| self.totals.frames >= count);
        has_enough
            || self
                .end
                .is_some_and(|end| stream.listener().position() >= end)
    }

    /// Prints `frame` if it is wanted, and returns its length. The text stays uncertain, because the
    /// producer may overwrite the frame meanwhile.
    #[inline]
    fn show(&mut self, frame: &RingFrame<'_>, output: &mut Output) -> Option<u32> {
        if !self.filter.matches_in_ring(&frame.bytes, frame.len) {
            return None;
        }
        if let Some(printer) = &mut self.printer {
            let place = Place {
                number: self.totals.frames + 1,
                cpu: self.cpu.last(),
            };
            printer.frame(output.begin(), frame, place);
        }
        Some(frame.len)
    }

    fn miss(&mut self, missed: &Missed, output: &mut Output) {
        self.totals.lost += missed.by_reason();
        if let Some(printer) = &mut self.printer {
            printer.missed(output.begin(), missed);
            output.keep();
        }
    }
}
