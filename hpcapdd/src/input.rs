//! Where the frames come from: a queue of another process, or an engine in this one.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use hpcap::listener::Moment;
use hpcap::queue::Queue;
use hpcap::{Contract, Kind, Listener, QueueName, Request, Result, Start};
use hpcap_engine::{Engine, EngineConfig};

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
        Ok(Self {
            listener: queue.attach(&request(contract, start))?,
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
