//! The poll thread, which moves frames from a source into the ring until the engine stops.
//!
//! No other thread touches the producer. Requests of other threads (attach, detach or kill a
//! listener, change settings) arrive as a [`Command`], which the poll thread carries out between two
//! batches.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};

use hpcap::abi::{self, hpcap_listener};
use hpcap::queue::QueueEnd;
use hpcap::{Error, Kind, Result, Start, Timestamp};
use hpcap_ipc::memory::Mapping;
use nix::time::{ClockId, clock_gettime};

use crate::event::EventSender;
use crate::ring::Producer;
use crate::server::WakeupSocket;
use crate::stages::filter::Program;
use crate::stages::{Dedup, start_batch};
use hpcap_source::{Source, State};

/// Longest sleep of an idle poll thread, and so the longest wait of a listener that attaches.
const IDLE: Duration = Duration::from_millis(10);

/// Longest sleep between two attempts to put frames into a full ring, for a source that can wait.
const FULL: Duration = Duration::from_micros(50);

/// Longest time that a listener waits for its first file to start.
const START_LIMIT: Duration = Duration::from_secs(5);

/// A request to the poll thread.
pub(crate) enum Command {
    /// Attach a new listener.
    Attach {
        /// The producer's mapping of the listener's slot.
        slot: Mapping,
        /// The listener's name, process and contract.
        listener: Box<hpcap_listener>,
        /// Where the listener starts to read.
        start: Start,
        /// Receives the index of the slot once the listener is active.
        reply: Sender<Result<usize>>,
    },
    /// Detach the listener with this id. The id of a listener that was killed is unknown by then.
    Detach(u64),
    /// Kill the listener with this id: it gets no more frames but an error, and its slot becomes
    /// free.
    Kill {
        /// The listener's id.
        id: u64,
        /// Receives the outcome: an error if there is no such listener.
        reply: Sender<Result<()>>,
    },
    /// Wake the listener with this id over a socket, too.
    Wakeup {
        /// The listener's id.
        id: u64,
        /// The producer's end of the socket.
        socket: WakeupSocket,
        /// Receives the outcome: an error if there is no such listener.
        reply: Sender<Result<()>>,
    },
    /// Keep at most this many bytes of each frame; 0 keeps whole frames.
    Caplen(u32),
    /// Find duplicates with this window; `None` turns the duplicate filter off.
    Dedup(Option<Box<Dedup>>),
    /// End the queue and the thread.
    Stop,
}

/// A listener that waits for its first file to start.
struct Starting {
    slot: usize,
    since: Instant,
    reply: Sender<Result<usize>>,
}

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
    starting: Vec<Starting>,
    /// The ids of the listeners, by slot; 0 is a free slot.
    ids: [u64; abi::HPCAP_SLOTS],
    stop: bool,
    look_back: bool,
    /// Takes nothing from the source before the first listener has attached.
    start_on_attach: bool,
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
                // A source that waits, such as a file, is read only while some listener gets its
                // frames.
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

    /// Sleeps until a command arrives or the ring needs service, at most [`IDLE`].
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
            Command::Wakeup { id, socket, reply } => {
                let set = self.slot_of(id).map(|slot| {
                    self.producer.set_wakeup(slot, socket);
                });
                let _ = reply.send(set.ok_or_else(|| no_listener("wake", id)));
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
        let slot = self.slot_of(id).ok_or_else(|| no_listener("kill", id))?;
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

    /// Replies to the waiting listeners that have become active or have waited too long.
    fn answer_started(&mut self) {
        let (producer, ids) = (&mut self.producer, &mut self.ids);
        self.starting.retain(|waiting| {
            if producer.is_active(waiting.slot) {
                // The client has closed its connection meanwhile, so its slot is freed.
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

fn no_listener(verb: &str, id: u64) -> Error {
    let tried = format!("{verb} listener {id}");
    Error::new(Kind::NotFound, tried, "there is no such listener")
}

fn stopping() -> Error {
    Error::new(
        Kind::Gone,
        "attach to the queue",
        "the producer is stopping",
    )
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use hpcap::abi::hpcap_queue;
    use hpcap::queue::page::QueuePage;

    use super::*;
    use crate::event::event_queue;
    use crate::ring::memory::{Pages, QueueMemory};
    use hpcap_source::{Description, Harvest};

    /// How the test's source behaves when it is harvested.
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

    /// Runs a poll thread with a source that behaves as `act`. Returns how the queue ended, and the
    /// thread's result.
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
