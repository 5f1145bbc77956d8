//! Where the frames come from: a queue of another process, or an engine in this one.

use std::sync::mpsc::{Receiver, channel};

use hpcap::queue::{LedgerSnapshot, Queue};
use hpcap::{Contract, Kind, Ledger, Listener, QueueName, Request, Result, Start};
use hpcap_engine::{Engine, EngineConfig};

/// The name under which this program is listed.
const PROGRAM: &str = "hpcapdd";

/// A listener, and what feeds it where that is ours.
#[derive(Debug)]
pub struct Input {
    /// The listener.
    pub listener: Listener,
    /// The ledger before the recording.
    pub before: Ledger,
    engine: Option<Engine>,
    messages: Option<Receiver<String>>,
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
        let before = queue.ledger().ledger;
        Ok(Self {
            listener: queue.attach(&request(contract, start))?,
            before,
            engine: None,
            messages: None,
        })
    }

    /// Captures inside this process.
    ///
    /// # Errors
    /// Those of the source, the filter and the memory.
    pub fn source(config: &EngineConfig, contract: Contract, start: Start) -> Result<Self> {
        let (tell, messages) = channel();
        let engine = Engine::start(config, move |text| {
            let _ = tell.send(text.to_owned());
        })?;
        Ok(Self {
            listener: engine.attach(&request(contract, start))?,
            before: Ledger::default(),
            engine: Some(engine),
            messages: Some(messages),
        })
    }

    /// Whether the frames come from inside this process.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.messages.is_some()
    }

    /// What the source has to say since the last call.
    pub fn messages(&self) -> impl Iterator<Item = String> + '_ {
        self.messages.iter().flat_map(Receiver::try_iter)
    }

    /// Ends a source of our own: nothing more is published afterwards.
    ///
    /// # Errors
    /// What had ended the source before.
    pub fn end_source(&mut self) -> Result<()> {
        self.engine.take().map_or(Ok(()), Engine::stop)
    }

    /// The ledger that covers everything published at the time of the call; `published` is
    /// where that ends.
    #[must_use]
    pub fn snapshot(&self) -> LedgerSnapshot {
        let published = self.listener.published();
        for _ in 0..1000 {
            let snapshot = self.listener.ledger();
            if snapshot.published >= published {
                return snapshot;
            }
            // The producer publishes first and writes the ledger at once afterwards.
            std::thread::yield_now();
        }
        // It died in between.
        let mut snapshot = self.listener.ledger();
        snapshot.published = published;
        snapshot
    }
}

/// Whether an error of the listener says that it is at an end, and not the recorder.
#[must_use]
pub fn is_end_of_listening(error: &hpcap::Error) -> bool {
    matches!(error.kind(), Kind::Killed | Kind::Gone)
}
