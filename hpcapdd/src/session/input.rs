//! Where the frames come from: a queue of another process, or an engine in this one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hpcap::listener::Moment;
use hpcap::queue::{Queue, QueueEnd, QueueInfo};
use hpcap::{Contract, Kind, Ledger, Listener, QueueName, Request, Result, Start};
use hpcap_engine::{Engine, EngineConfig, Events};

use crate::report::event::{Event, SourceSummary};

/// The name under which this program is listed.
const PROGRAM: &str = "hpcapdd";

/// How long the producer may take to fix the end of a listener: it looks at least every 10 ms.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// A listener, and what feeds it where that is ours.
#[derive(Debug)]
pub struct Input {
    /// The listener.
    pub listener: Listener,
    engine: Option<Engine>,
    events: Option<Events>,
    /// Further sources of this process, whose listeners belong to the sink.
    companions: Vec<Companion>,
}

/// A further source.
#[derive(Debug)]
struct Companion {
    queue: Arc<Queue>,
    engine: Option<Engine>,
    events: Events,
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
    /// Those of opening and attaching.
    pub fn queue(name: QueueName, contract: Contract, start: Start) -> Result<Self> {
        let queue = Queue::open(name)?;
        Ok(Self {
            listener: queue.attach(&request(contract, start))?,
            engine: None,
            events: None,
            companions: Vec::new(),
        })
    }

    /// Captures inside this process.
    ///
    /// # Errors
    /// Those of the source, the filter and the memory.
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
    /// As [`Input::source`].
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

    /// The ledger of further sources, which began with the recording.
    #[must_use]
    pub fn further(&self) -> Ledger {
        let mut all = Ledger::default();
        for companion in &self.companions {
            all += &companion.queue.ledger().ledger;
        }
        all
    }

    /// Of several sources, what each did; `first` is the ledger of the first one's queue.
    #[must_use]
    pub fn by_source(&self, first: &Ledger) -> Vec<Event> {
        if self.companions.is_empty() {
            return Vec::new();
        }
        let event = |info: &QueueInfo, ledger: Ledger| {
            Event::Source(SourceSummary {
                source: info.source.clone(),
                interface: info.interface.clone(),
                ledger,
            })
        };
        let mut events = vec![event(
            self.listener.info(),
            first.since(&self.listener.start().ledger),
        )];
        for companion in &self.companions {
            events.push(event(
                companion.queue.info(),
                companion.queue.ledger().ledger,
            ));
        }
        events
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

    /// Whether the frames come from inside this process.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.events.is_some()
    }

    /// What the source has to say since the last call.
    pub fn messages(&self) -> impl Iterator<Item = String> + '_ {
        let further = self.companions.iter().map(|c| &c.events);
        self.events
            .iter()
            .chain(further)
            .flat_map(Events::take)
            .map(|event| event.to_string())
    }

    /// Ends a source of our own: nothing more is published afterwards.
    ///
    /// # Errors
    /// What had ended the source before.
    pub fn end_source(&mut self) -> Result<()> {
        let further = self.companions.iter_mut().map(|c| &mut c.engine);
        std::iter::once(&mut self.engine)
            .chain(further)
            .filter_map(Option::take)
            .map(Engine::stop)
            // All of them end, whatever becomes of the first.
            .fold(Ok(()), Result::and)
    }

    /// Where the listener ends, and everything that was counted until then. The producer fixes
    /// that when it is asked; where it does not answer, what is published counts.
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
                // It may have answered before it went.
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
            // The producer publishes first and writes the ledger at once afterwards: it died in
            // between.
            std::thread::sleep(Duration::from_millis(1));
            now = Moment::from(&self.listener.ledger());
        }
        now.off = published;
        now
    }
}

/// Whether an error of the listener says that it is at an end, and not the recorder.
#[must_use]
pub fn is_end_of_listening(error: &hpcap::Error) -> bool {
    matches!(error.kind(), Kind::Killed | Kind::Gone)
}
