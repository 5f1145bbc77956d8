//! A worker: takes the frames of one stream, counts them, writes them.

use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hpcap::filter::Filter;
use hpcap_host::CpuSet;
use hpcap_host::process::run_on_cpus;

use super::Shared;
use super::counters::{Batch, Counters};
use super::intake::Intake;
use crate::failure::Failure;
use crate::output::{StreamFile, WriteFailure};
use crate::plan::Plan;
use crate::repeats::{Repeat, RepeatTable};
use crate::say::say;

/// Longest sleep of a worker.
const SLEEP: Duration = Duration::from_secs(1);
/// Longest time for taking what is in the ring at the end.
const DRAIN: Duration = Duration::from_secs(3);
/// Longest sleep meanwhile.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// A worker.
#[derive(Debug)]
pub(super) struct Worker<'a> {
    plan: &'a Plan,
    filter: &'a Filter,
    shared: &'a Shared,
    stream: Intake,
    file: Option<StreamFile>,
    counters: &'a Counters,
    /// The sent frames, if repeated ones are to be named.
    sent: Option<RepeatTable>,
    /// Lost frames that the file knows of.
    lost_told: u64,
    cpu_changes: u32,
}

impl<'a> Worker<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        filter: &'a Filter,
        shared: &'a Shared,
        stream: Intake,
        file: Option<StreamFile>,
        counters: &'a Counters,
        link_type: u32,
    ) -> Self {
        Self {
            plan,
            filter,
            shared,
            stream,
            file,
            counters,
            sent: plan.repeats.map(|_| RepeatTable::new(link_type)),
            lost_told: 0,
            cpu_changes: 0,
        }
    }

    /// Number of the stream.
    pub(super) fn number(&self) -> u32 {
        self.stream.number()
    }

    /// Works until a stop is requested. A worker that fails requests the stop itself. Returns the frames that were sent
    /// repeatedly, and why the worker failed, if it did.
    pub(super) fn run(mut self) -> (Vec<Repeat>, Result<(), Failure>) {
        self.pin();
        if self.plan.verbose {
            let (number, cpu) = (self.number(), nix::sched::sched_getcpu().unwrap_or(0));
            say(format_args!(
                "Worker handling ring '{number}' running on cpu '{cpu}'."
            ));
        }
        let done = self.work();
        self.shared.stop.request();
        let result = match done {
            Err(WriteFailure::ReaderGone) | Ok(()) => Ok(()),
            Err(WriteFailure::ReaderSlow) => {
                self.count_the_rest();
                Err(Failure::known(
                    "error writing to savefile '-': its reader reads nothing",
                ))
            }
            Err(WriteFailure::Failed(failure)) => {
                self.count_the_rest();
                Err(failure)
            }
        };
        self.counters.set_lost(self.stream.lost());
        self.shared.stop.request();
        let times = self.plan.repeats.unwrap_or(u64::MAX);
        let repeats = self.sent.map(|sent| sent.into_repeats(times));
        (repeats.unwrap_or_default(), result)
    }

    fn work(&mut self) -> Result<(), WriteFailure> {
        while !self.shared.stop.is_requested() {
            if self.turn()? {
                continue;
            }
            let mut sleep = SLEEP;
            if let Some(file) = &mut self.file {
                file.flush_if_due()?;
                sleep = file.flush_in().map_or(SLEEP, |time| time.min(SLEEP));
            }
            let stop = self.shared.stop.as_fd();
            self.stream.wait(sleep, Some(stop)).map_err(Failure::from)?;
            self.pin_again();
        }
        self.drain()?;
        match &mut self.file {
            Some(file) => file.finish(),
            None => Ok(()),
        }
    }

    /// Counts what the ring has after writing has failed, and what was not written.
    fn count_the_rest(&mut self) {
        let delivered = self.file.take().map(|file| file.delivered());
        // The first failure is the one that is reported.
        let _ = self.drain();
        if let Some(delivered) = delivered {
            self.counters.set_delivered(delivered);
        }
    }

    /// Takes what the ring had when the capture ended.
    fn drain(&mut self) -> Result<(), WriteFailure> {
        self.stream.close_intake().map_err(Failure::from)?;
        let start = Instant::now();
        while start.elapsed() < DRAIN && !self.shared.budget.is_spent() {
            if self.turn()? {
                continue;
            }
            if self.stream.is_drained() {
                break;
            }
            // The kernel hands over the block that it was filling when the frames in it have waited for their time.
            self.stream.wait(DRAIN_LOOK, None).map_err(Failure::from)?;
        }
        Ok(())
    }

    /// Takes a batch. Returns whether there were frames.
    fn turn(&mut self) -> Result<bool, WriteFailure> {
        let Self {
            plan,
            filter,
            shared,
            stream,
            file,
            counters,
            sent,
            lost_told,
            ..
        } = self;
        while let Some(event) = stream.next_event() {
            say(format_args!("{}", event.display(&plan.interface.name)));
        }
        let harvest = stream.harvest().map_err(Failure::from)?;
        let lost = harvest.lost();
        counters.set_lost(lost);
        if let Some(file) = file {
            file.replace_if_removed()?;
            if lost > *lost_told {
                file.lost(lost - *lost_told);
                *lost_told = lost;
            }
        }
        let caplen = match plan.caplen {
            0 => usize::MAX,
            caplen => caplen as usize,
        };
        let mut batch = Batch::default();
        let mut result = Ok(());
        for frame in harvest.frames() {
            if !frame.filtered && !filter.matches(frame.data, frame.len) {
                continue;
            }
            if !shared.budget.spend() {
                break;
            }
            match frame.outgoing {
                true => batch.sent += 1,
                false => batch.received += 1,
            }
            batch.bytes += u64::from(frame.len);
            if let Some(sent) = sent
                && frame.outgoing
            {
                sent.add(frame.time, frame.len, frame.data);
            }
            // The rest of the batch is counted after a failure, too.
            if let Some(file) = file
                && result.is_ok()
            {
                let data = &frame.data[..frame.data.len().min(caplen)];
                result = file.frame(&frame, data);
                if result.is_ok() && plan.packet_buffered {
                    result = file.flush();
                }
            }
        }
        counters.add(batch);
        if shared.budget.is_spent() {
            shared.stop.request();
        }
        result.map(|()| !harvest.is_empty())
    }

    /// Runs on the CPUs whose frames the stream has, so that a frame is read where it was handled.
    fn pin(&self) {
        let cpus = self.plan.subject.cpus_of(self.number());
        if let Some(cpus) = cpus.filter(|cpus: &CpuSet| !cpus.is_empty())
            && let Err(error) = run_on_cpus(&cpus)
            && self.plan.verbose
        {
            say(format_args!("{error}"));
        }
    }

    fn pin_again(&mut self) {
        let changes = self.shared.cpu_changes.load(Ordering::Relaxed);
        if changes != self.cpu_changes {
            self.cpu_changes = changes;
            self.pin();
        }
    }
}
