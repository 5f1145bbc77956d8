//! Where the frames come from: a queue of another process, or an engine in this one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hpcap::listener::Moment;
use hpcap::queue::{ListenerInfo, Queue, QueueEnd, QueueInfo};
use hpcap::{Contract, Kind, Ledger, Listener, QueueName, Request, Result, Start};
use hpcap_engine::{Engine, EngineConfig, Events};

use crate::report::event::{Notice, SourceSummary};

/// Name of this program in the list of a queue's listeners.
const PROGRAM: &str = "hpcapdd";

/// Longest wait for the producer to fix the end of a listener. A working producer looks for such a
/// request at least once a second.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// A listener, and the engine that feeds the listener if it runs in this process.
#[derive(Debug)]
pub struct Input {
    /// Listener on the queue, or on the first source of this process.
    pub listener: Listener,
    engine: Option<Engine>,
    events: Option<Events>,
    /// Further sources of this process, whose listeners belong to the sink.
    companions: Vec<Companion>,
}

/// A source of this process besides the first.
#[derive(Debug)]
struct Companion {
    queue: Arc<Queue>,
    engine: Option<Engine>,
    events: Events,
}

/// The last heartbeat of a source's producer.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    /// Name of the source or queue, for messages.
    pub name: String,
    /// Process id of the producer.
    pub producer_pid: u32,
    /// Time of the heartbeat by the producer's clock, in nanoseconds.
    pub time_ns: u64,
    /// Whether the queue has ended.
    pub ended: bool,
}

fn request(contract: Contract, start: Start) -> Request {
    Request {
        contract,
        start,
        program: PROGRAM.to_owned(),
    }
}

impl Input {
    /// Listens to queue `name`.
    ///
    /// # Errors
    /// Errors of opening the queue and of attaching to it.
    pub fn queue(name: QueueName, contract: Contract, start: Start) -> Result<Self> {
        let queue = Queue::open(name)?;
        Ok(Self {
            listener: queue.attach(&request(contract, start))?,
            engine: None,
            events: None,
            companions: Vec::new(),
        })
    }

    /// Starts an engine inside this process and listens to it.
    ///
    /// # Errors
    /// Errors of the source, the filter and the memory.
    pub fn source(config: &EngineConfig, contract: Contract, start: Start) -> Result<Self> {
        let (engine, events) = Engine::start(config)?;
        Ok(Self {
            listener: engine.attach(&request(contract, start))?,
            engine: Some(engine),
            events: Some(events),
            companions: Vec::new(),
        })
    }

    /// Captures from a further source inside this process. Returns its listener.
    ///
    /// # Errors
    /// The errors of [`Input::source`].
    pub fn add(
        &mut self,
        config: &EngineConfig,
        contract: Contract,
        start: Start,
    ) -> Result<Listener> {
        let (engine, events) = Engine::start(config)?;
        let listener = engine.attach(&request(contract, start))?;
        self.companions.push(Companion {
            queue: Arc::clone(engine.queue()),
            engine: Some(engine),
            events,
        });
        Ok(listener)
    }

    /// Whether nothing more comes: all sources have ended, or one of them has failed.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.further_failed()
            || self.listener.ended()
                && (self.listener.queue_end() == Some(QueueEnd::Failed)
                    || self.companions.iter().all(|c| c.queue.page().ended()))
    }

    /// Whether a further source has failed.
    #[must_use]
    pub fn further_failed(&self) -> bool {
        self.companions
            .iter()
            .any(|c| c.queue.page().end() == Some(QueueEnd::Failed))
    }

    /// Sum of the ledgers of the further sources, which began with the recording.
    #[must_use]
    pub fn further(&self) -> Ledger {
        let mut all = Ledger::default();
        for companion in &self.companions {
            all += &companion.queue.ledger().ledger;
        }
        all
    }

    /// The counts of each source. `first` is the ledger of the first source's queue.
    #[must_use]
    pub fn by_source(&self, first: &Ledger) -> Vec<SourceSummary> {
        let summary = |info: &QueueInfo, ledger: Ledger| SourceSummary {
            source: info.source.clone(),
            interface: info.interface.clone(),
            ledger,
        };
        let before = &self.listener.start().ledger;
        let mut summaries = vec![summary(self.listener.info(), first.since(before))];
        for companion in &self.companions {
            let queue = &companion.queue;
            summaries.push(summary(queue.info(), queue.ledger().ledger));
        }
        summaries
    }

    /// The listeners on the queue of source `number`, counted from 0. Empty if there is no such
    /// source.
    #[must_use]
    pub fn listeners_of(&self, number: usize) -> Vec<ListenerInfo> {
        match number.checked_sub(1) {
            None => self.listener.page().listeners(),
            Some(further) => self
                .companions
                .get(further)
                .map(|c| c.queue.page().listeners())
                .unwrap_or_default(),
        }
    }

    /// The last heartbeat of each source's producer.
    #[must_use]
    pub fn heartbeats(&self) -> Vec<Heartbeat> {
        let info = self.listener.info();
        let mut beats = vec![Heartbeat {
            // With several sources, a queue's name says nothing to the user.
            name: match self.is_several() {
                true => info.source.clone(),
                false => info.name.to_string(),
            },
            producer_pid: info.producer_pid,
            time_ns: self.listener.page().heartbeat_ns(),
            ended: self.listener.ended(),
        }];
        for Companion { queue, .. } in &self.companions {
            beats.push(Heartbeat {
                name: queue.info().source.clone(),
                producer_pid: queue.info().producer_pid,
                time_ns: queue.page().heartbeat_ns(),
                ended: queue.page().ended(),
            });
        }
        beats
    }

    /// Whether the frames come from sources in this process.
    #[must_use]
    pub fn captures_itself(&self) -> bool {
        self.engine.is_some()
    }

    /// Whether there is more than one source.
    #[must_use]
    pub fn is_several(&self) -> bool {
        !self.companions.is_empty()
    }

    /// The queues of further sources.
    #[must_use]
    pub fn further_queues(&self) -> Vec<Arc<Queue>> {
        self.companions
            .iter()
            .map(|c| Arc::clone(&c.queue))
            .collect()
    }

    /// Whether the frames are captured inside this process.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.events.is_some()
    }

    /// Takes the notices of the sources of this process since the last call.
    pub fn take_notices(&self) -> impl Iterator<Item = Notice> + '_ {
        let further = self.companions.iter().map(|c| &c.events);
        self.events
            .iter()
            .chain(further)
            .flat_map(Events::take)
            .map(|event| Notice::warning(event.to_string()))
    }

    /// Ends the sources of this process. They publish nothing afterwards.
    ///
    /// # Errors
    /// The failure that had ended a source before.
    pub fn end_source(&mut self) -> Result<()> {
        let further = self.companions.iter().map(|c| &c.engine);
        for engine in std::iter::once(&self.engine).chain(further).flatten() {
            engine.request_stop();
        }
        let further = self.companions.iter_mut().map(|c| &mut c.engine);
        std::iter::once(&mut self.engine)
            .chain(further)
            .filter_map(Option::take)
            .map(Engine::stop)
            // Every source ends, even if the first one fails to.
            .fold(Ok(()), Result::and)
    }

    /// Returns the stream offset where the listener ends, with the ledger there. The producer fixes
    /// this end on request. If it does not answer, everything that is published counts.
    #[must_use]
    pub fn end(&self) -> Moment {
        self.listener.request_end();
        let asked = Instant::now();
        loop {
            if let Some(end) = self.listener.end() {
                return end.at;
            }
            let gone = self.listener.ended();
            if gone || asked.elapsed() >= ANSWER_LIMIT {
                // The producer may have answered before it went.
                return self
                    .listener
                    .end()
                    .map_or_else(|| self.published(), |end| end.at);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The ledger of everything that is published.
    fn published(&self) -> Moment {
        let published = self.listener.published();
        let mut now = Moment::from(&self.listener.ledger());
        if now.off < published {
            // The producer publishes frames first and writes the ledger right afterwards, so the
            // ledger may lag for a moment.
            std::thread::sleep(Duration::from_millis(1));
            now = Moment::from(&self.listener.ledger());
        }
        now.off = published;
        now
    }
}

/// Whether an error of the listener says that the listener has ended, and not that the recorder
/// failed.
#[must_use]
pub fn is_end_of_listening(error: &hpcap::Error) -> bool {
    matches!(error.kind(), Kind::Killed | Kind::Gone)
}
