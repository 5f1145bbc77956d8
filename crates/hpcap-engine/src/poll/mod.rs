//! The poll thread, which moves frames from a source into the ring until the engine stops.
//!
//! No other thread touches the producer. Requests of other threads (attach, detach or kill a
//! listener, change settings) arrive as a [`Command`], which the poll thread carries out between two
//! batches.

mod command;
mod listeners;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use hpcap::queue::QueueEnd;
use hpcap::{Error, Kind, Result, Timestamp};
use nix::time::{ClockId, clock_gettime};

use crate::event::EventSender;
use crate::ring::Producer;
use crate::stages::filter::Program;
use crate::stages::{Dedup, start_batch};
use hpcap_source::{Source, State};
use listeners::Listeners;

pub(crate) use command::Command;

/// Longest sleep of an idle poll thread, and so the longest wait of a listener that attaches, unless frames may wait
/// longer. Frames end the sleep; a shorter one would only wake the thread in vain.
const IDLE: Duration = Duration::from_millis(50);

/// Longest time for taking the frames that had arrived before the engine stopped. The kernel hands them over within a
/// second.
const REST: Duration = Duration::from_secs(3);

/// Longest sleep between two attempts to put frames into a full ring, for a source that can wait.
const FULL: Duration = Duration::from_micros(50);

/// The filters that frames pass before they reach the ring.
#[derive(Default)]
pub(crate) struct Stages {
    pub(crate) filter: Option<Program>,
    pub(crate) dedup: Option<Dedup>,
}

/// All state of the poll thread except the source.
pub(crate) struct Poll {
    producer: Producer,
    commands: Receiver<Command>,
    listeners: Listeners,
    stop: bool,
    look_back: bool,
    /// Takes nothing from the source before the first listener has attached.
    start_on_attach: bool,
    /// Longest sleep while nothing arrives.
    idle: Duration,
    stages: Stages,
    /// One byte for each frame of a batch: not 0 for a duplicate.
    marks: Vec<u8>,
    events: EventSender,
}

/// Returns CLOCK_MONOTONIC in ns. Reading this clock cannot fail.
fn clock_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

impl Poll {
    pub(crate) fn new(
        producer: Producer,
        commands: Receiver<Command>,
        stages: Stages,
        look_back: bool,
        start_on_attach: bool,
        delay: Duration,
        events: EventSender,
    ) -> Self {
        Self {
            producer,
            commands,
            listeners: Listeners::default(),
            stop: false,
            look_back,
            start_on_attach,
            idle: delay.max(IDLE),
            stages,
            marks: Vec::new(),
            events,
        }
    }

    /// Runs until [`Command::Stop`]. The queue ends when the source ends or the command arrives;
    /// after a panic, the queue ends as failed.
    ///
    /// # Errors
    /// The error that ended the source; the queue has been ended properly before it is returned.
    pub(crate) fn run(mut self, source: Box<dyn Source>) -> Result<()> {
        // The closure drops the source, so that its last losses are counted and its resources are
        // free before the queue ends and its ledger is final.
        let captured = catch_unwind(AssertUnwindSafe(|| {
            let mut source = source;
            self.capture(source.as_mut())
        }));
        let (end, outcome) = match captured {
            Ok(Ok(end)) => (end, Ok(())),
            Ok(Err(e)) => (QueueEnd::Failed, Err(e)),
            Err(panic) => (QueueEnd::Failed, Err(panicked(panic.as_ref()))),
        };
        self.service();
        self.producer.end(end);
        // After the end of the source, listeners may still attach and detach until the engine
        // stops.
        while !self.stop {
            self.idle();
        }
        self.listeners.refuse_starting();
        self.service();
        outcome
    }

    /// Captures until the source ends, or until [`Command::Stop`].
    fn capture(&mut self, source: &mut dyn Source) -> Result<QueueEnd> {
        let waits = source.description().waits;
        // When the source was last looked at, unless the thread has slept since, or the source waits and so loses nothing.
        let mut looked: Option<u64> = None;
        while !self.stop {
            if (waits || self.start_on_attach) && !self.look_back && self.producer.listeners() == 0
            {
                // A source that waits, such as a file, is read only while some listener gets its
                // frames.
                self.idle();
                looked = None;
                continue;
            }
            self.start_on_attach = false;
            if !waits {
                let now = clock_ns();
                if let Some(before) = looked.replace(now) {
                    self.producer.note_pause(now.saturating_sub(before));
                }
            }
            match self.batch(source, waits)? {
                State::Busy => self.service(),
                State::Idle => {
                    self.service();
                    source.wait(self.producer.service_in(self.idle))?;
                    looked = None;
                }
                State::Ended => return Ok(QueueEnd::Ended),
            }
            while let Some(event) = source.next_event() {
                self.events.send(event);
            }
        }
        self.take_the_rest(source, waits)?;
        Ok(QueueEnd::Stopped)
    }

    /// Takes the frames that had arrived when the engine was stopped, also those that still wait in the kernel.
    fn take_the_rest(&mut self, source: &mut dyn Source, waits: bool) -> Result<()> {
        if self.start_on_attach || !source.close()? {
            return Ok(());
        }
        let start = Instant::now();
        while start.elapsed() < REST {
            match self.batch(source, waits)? {
                State::Busy => self.service(),
                State::Idle => {
                    self.service();
                    source.wait(IDLE)?;
                }
                State::Ended => break,
            }
        }
        Ok(())
    }

    /// Puts the frames of one harvest into the ring.
    fn batch(&mut self, source: &mut dyn Source, waits: bool) -> Result<State> {
        let harvest = source.harvest()?;
        for (reason, count) in harvest.lost {
            self.producer.account(*reason, *count);
        }
        let mut marks = std::mem::take(&mut self.marks);
        let mut batch = start_batch(
            &mut self.producer,
            self.stages.filter.as_ref(),
            self.stages.dedup.as_mut(),
            harvest.frames,
            &mut marks,
        );
        while batch.push(self.producer.ring()) > 0 {
            if !waits || self.stop {
                batch.drop_left(self.producer.ring());
                break;
            }
            // Listeners free room only after they have read the frames that this call publishes.
            self.service();
            std::thread::sleep(FULL);
        }
        self.marks = marks;
        Ok(harvest.state)
    }

    fn set_dedup(&mut self, new: Option<Box<Dedup>>) {
        let same_window = match (&mut self.stages.dedup, &new) {
            (Some(now), Some(new)) => now.change(new.settings()),
            _ => false,
        };
        if !same_window {
            self.stages.dedup = new.map(|dedup| *dedup);
        }
    }

    /// Sleeps until a command arrives or the ring needs service, at most for its longest sleep.
    fn idle(&mut self) {
        let timeout = self.producer.service_in(self.idle);
        if let Ok(command) = self.commands.recv_timeout(timeout) {
            self.handle_command(command);
        }
        self.service();
    }

    fn service(&mut self) {
        loop {
            match self.commands.try_recv() {
                Ok(command) => self.handle_command(command),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.stop = true;
                    break;
                }
            }
        }
        self.producer.service(clock_ns(), Timestamp::now().as_ns());
        self.listeners.answer_started(&mut self.producer);
    }

    fn handle_command(&mut self, command: Command) {
        let (listeners, producer) = (&mut self.listeners, &mut self.producer);
        match command {
            Command::Attach {
                slot,
                listener,
                start,
                reply,
            } => listeners.attach(producer, slot, &listener, start, reply),
            Command::Detach(id) => listeners.detach(producer, id),
            Command::Kill { id, reply } => {
                let _ = reply.send(listeners.kill(producer, id));
            }
            Command::Wakeup { id, socket, reply } => {
                let _ = reply.send(listeners.set_wakeup(producer, id, socket));
            }
            Command::Caplen(caplen) => self.producer.set_caplen(caplen),
            Command::Dedup(dedup) => self.set_dedup(dedup),
            Command::Stop => self.stop = true,
        }
    }
}

/// Turns the payload of a panic of the poll thread into an error.
pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let said = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    Error::new(
        Kind::Gone,
        "go on capturing",
        format!(
            "the poll thread has met an internal error: {}",
            said.unwrap_or("it does not say which")
        ),
    )
    .advise("what was published is safe; please report this error")
}

#[cfg(test)]
mod tests;
