//! The poll thread: takes frames from a source and puts them into the ring, for ever.
//!
//! No other thread touches the producer. Requests of other threads (attach, detach or kill a
//! listener, change settings) arrive as a [`Command`], which the poll thread carries out between two
//! batches.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};

use hpcap::abi::{self, hpcap_listener};
use hpcap::memory::Mapping;
use hpcap::queue::QueueEnd;
use hpcap::{Error, Kind, Result, Start, Timestamp};
use nix::time::{ClockId, clock_gettime};

use crate::event::EventSender;
use crate::ring::Producer;
use crate::stages::filter::Program;
use crate::stages::{Dedup, start_batch};
use hpcap_source::{Source, State};

/// Longest sleep of an idle poll thread, and so the longest wait of a listener that attaches.
const IDLE: Duration = Duration::from_millis(10);

/// Longest wait for room when the source can wait.
const FULL: Duration = Duration::from_micros(50);

/// How long a listener may wait for its file to start.
const START_LIMIT: Duration = Duration::from_secs(5);

/// A request to the poll thread.
pub(crate) enum Command {
    /// A new listener.
    Attach {
        /// The producer's mapping of its slot.
        slot: Mapping,
        /// The listener's name, process and contract.
        listener: Box<hpcap_listener>,
        /// Where the listener starts to read.
        start: Start,
        /// Receives the index of the slot once the listener is active.
        reply: Sender<Result<usize>>,
    },
    /// The listener with this id has gone. A listener that was killed is unknown by then.
    Detach(u64),
    /// The listener with this id gets nothing more, sees so, and its slot is free.
    Kill {
        /// Its id.
        id: u64,
        /// Receives the outcome: an error where there is no such listener.
        reply: Sender<Result<()>>,
    },
    /// Keep at most this many bytes of each frame; 0 = all.
    Caplen(u32),
    /// Remove duplicates with this window; `None` stops the removal.
    Dedup(Option<Box<Dedup>>),
    /// End the queue and the thread.
    Stop,
}

/// A listener that waits for its file.
struct Starting {
    slot: usize,
    since: Instant,
    reply: Sender<Result<usize>>,
}

/// What frames pass before the ring.
#[derive(Default)]
pub(crate) struct Stages {
    pub(crate) filter: Option<Program>,
    pub(crate) dedup: Option<Dedup>,
}

/// The producer with its commands: all of the poll thread but the source.
pub(crate) struct Poll {
    producer: Producer,
    commands: Receiver<Command>,
    starting: Vec<Starting>,
    /// The ids of the listeners in the slots; 0 = none.
    ids: [u64; abi::HPCAP_SLOTS],
    stop: bool,
    look_back: bool,
    /// The source starts with the first listener.
    start_on_attach: bool,
    stages: Stages,
    /// Of the frames of a batch: which are duplicates.
    marks: Vec<u8>,
    events: EventSender,
}

/// CLOCK_MONOTONIC in ns. It cannot fail for this clock.
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
        events: EventSender,
    ) -> Self {
        Self {
            producer,
            commands,
            starting: Vec::new(),
            ids: [0; abi::HPCAP_SLOTS],
            stop: false,
            look_back,
            start_on_attach,
            stages,
            marks: Vec::new(),
            events,
        }
    }

    /// Runs until [`Command::Stop`]. The queue ends with the source or with the command; a panic ends
    /// the queue as failed.
    ///
    /// # Errors
    /// What ended the source, after the queue was ended properly.
    pub(crate) fn run(mut self, source: Box<dyn Source>) -> Result<()> {
        // The source goes with the closure: the NIC's last counts, and the source's resources,
        // before the ledger is final.
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
        // Listeners come and go until the engine is told to stop.
        while !self.stop {
            self.idle();
        }
        for waiting in self.starting.drain(..) {
            let _ = waiting.reply.send(Err(stopping()));
        }
        self.service();
        outcome
    }

    /// Captures until the source ends, or until [`Command::Stop`].
    fn capture(&mut self, source: &mut dyn Source) -> Result<QueueEnd> {
        let waits = source.description().waits;
        while !self.stop {
            if (waits || self.start_on_attach) && !self.look_back && self.producer.listeners() == 0
            {
                // A file is read only while there is a listener for its frames.
                self.idle();
                continue;
            }
            self.start_on_attach = false;
            match self.batch(source, waits)? {
                State::Busy => self.service(),
                State::Idle => {
                    self.service();
                    source.wait(self.producer.service_in(IDLE))?;
                }
                State::Ended => return Ok(QueueEnd::Ended),
            }
            while let Some(event) = source.next_event() {
                self.events.send(event);
            }
        }
        Ok(QueueEnd::Stopped)
    }

    /// One harvest into the ring.
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
            // Listeners free room only after they have read what is published here.
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

    /// Sleeps until a command comes or the ring needs service, [`IDLE`] at most.
    fn idle(&mut self) {
        let timeout = self.producer.service_in(IDLE);
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
        if !self.starting.is_empty() {
            self.answer_started();
        }
    }

    fn handle_command(&mut self, command: Command) {
        match command {
            Command::Attach {
                slot,
                listener,
                start,
                reply,
            } => match self.producer.attach(slot, &listener, start) {
                Ok(slot) => {
                    self.ids[slot] = listener.id;
                    self.starting.push(Starting {
                        slot,
                        since: Instant::now(),
                        reply,
                    });
                }
                Err(e) => {
                    let _ = reply.send(Err(e));
                }
            },
            Command::Detach(id) => {
                if let Some(slot) = self.slot_of(id) {
                    self.detach(slot);
                }
            }
            Command::Kill { id, reply } => {
                let _ = reply.send(self.kill(id));
            }
            Command::Caplen(caplen) => self.producer.set_caplen(caplen),
            Command::Dedup(dedup) => self.set_dedup(dedup),
            Command::Stop => self.stop = true,
        }
    }

    fn slot_of(&self, id: u64) -> Option<usize> {
        self.ids.iter().position(|other| id != 0 && *other == id)
    }

    fn detach(&mut self, slot: usize) {
        self.ids[slot] = 0;
        self.producer.detach(slot);
    }

    fn kill(&mut self, id: u64) -> Result<()> {
        let tried = || format!("kill listener {id}");
        let slot = self
            .slot_of(id)
            .ok_or_else(|| Error::new(Kind::NotFound, tried(), "there is no such listener"))?;
        self.producer.kill(slot);
        self.detach(slot);
        self.starting.retain(|waiting| {
            if waiting.slot == slot {
                let killed = Error::new(Kind::Killed, "attach", "the listener was killed");
                let _ = waiting.reply.send(Err(killed));
            }
            waiting.slot != slot
        });
        Ok(())
    }

    /// Answers the listeners that wait for their start: they are active, or their time is over.
    fn answer_started(&mut self) {
        let (producer, ids) = (&mut self.producer, &mut self.ids);
        self.starting.retain(|waiting| {
            if producer.is_active(waiting.slot) {
                // The client has hung up meanwhile: its slot is free again.
                if waiting.reply.send(Ok(waiting.slot)).is_err() {
                    ids[waiting.slot] = 0;
                    producer.detach(waiting.slot);
                }
                return false;
            }
            if waiting.since.elapsed() < START_LIMIT {
                return true;
            }
            ids[waiting.slot] = 0;
            producer.detach(waiting.slot);
            let _ = waiting.reply.send(Err(Error::new(
                Kind::Timeout,
                "start a file",
                format!(
                    "the ring stayed full for {} s: a lossless listener does not read",
                    START_LIMIT.as_secs()
                ),
            )
            .advise("`hpcapctl status` shows its pid and lag; `hpcapctl kill QUEUE ID` ends it")));
            false
        });
    }
}

/// The error that a panic of the poll thread is.
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

fn stopping() -> Error {
    Error::new(
        Kind::Gone,
        "attach to the queue",
        "the producer is stopping",
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::sync::mpsc::channel;

    use hpcap::abi::hpcap_queue;
    use hpcap::queue::page::QueuePage;

    use super::*;
    use crate::event::event_queue;
    use crate::ring::memory::{Pages, QueueMemory};
    use hpcap_source::{Description, Harvest};

    /// What a source does when it is harvested.
    #[derive(Clone, Copy)]
    enum Act {
        Panic,
        Fail,
        End,
    }

    struct Acting(Act);

    impl Source for Acting {
        fn description(&self) -> Description {
            Description {
                interface: "test".into(),
                link_type: 1,
                clock_source: "engine",
                waits: false,
            }
        }

        fn harvest(&mut self) -> Result<Harvest<'_>> {
            match self.0 {
                Act::Panic => panic!("this source panics"),
                Act::Fail => Err(Error::new(Kind::Io, "harvest", "this source fails")),
                Act::End => Ok(Harvest {
                    frames: &mut [],
                    lost: &[],
                    state: State::Ended,
                }),
            }
        }

        fn wait(&mut self, _: Duration) -> Result<()> {
            Ok(())
        }
    }

    /// How the queue of a source that acts so ends, and the outcome of its poll thread.
    fn end_of(act: Act) -> (QueueEnd, Result<()>) {
        let (mut memory, _) = QueueMemory::allocate(1 << 20, Pages::Ordinary).unwrap();
        memory.describe(|page: &mut hpcap_queue| page.file_bytes_max = page.block_bytes);
        let (commands, receiver) = channel();
        let producer = Producer::new(memory).unwrap();
        let page = QueuePage::map(producer.memory().queue_fd()).unwrap();
        let stages = Stages::default();
        let (events, _) = event_queue("test", None);
        let poll = Poll::new(producer, receiver, stages, true, false, events);
        let thread = std::thread::spawn(move || poll.run(Box::new(Acting(act))));
        let start = Instant::now();
        let end = loop {
            if let Some(end) = page.end() {
                break end;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "it does not end");
            std::thread::sleep(Duration::from_millis(1));
        };
        commands.send(Command::Stop).unwrap();
        (end, thread.join().unwrap())
    }

    #[test]
    fn panic_of_the_poll_thread_fails_the_queue() {
        let (end, outcome) = end_of(Act::Panic);
        assert_eq!(end, QueueEnd::Failed);
        assert!(outcome.unwrap_err().to_string().contains("source panics"));
    }

    #[test]
    fn failure_of_a_source_fails_the_queue() {
        let (end, outcome) = end_of(Act::Fail);
        assert_eq!(end, QueueEnd::Failed);
        assert!(outcome.is_err());
    }

    #[test]
    fn end_of_a_source_ends_the_queue() {
        let (end, outcome) = end_of(Act::End);
        assert_eq!(end, QueueEnd::Ended);
        outcome.unwrap();
    }
}
