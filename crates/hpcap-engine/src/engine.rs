//! An engine: one queue with its source, its poll thread and its clients.
//!
//! An engine is dropped or stopped; both end its poll thread. [`Engine::stop`] also returns the error with which the
//! source or the poll thread ended. A listener of the same process attaches with [`Engine::attach`] or over
//! [`Engine::queue`]; `hpcapd` gives each connection of another process to [`Engine::serve`].
//!
//! ```
//! use hpcap::Kind;
//! use hpcap_engine::{Engine, EngineConfig};
//!
//! # fn main() -> hpcap::Result<()> {
//! // The ring is too small: the error says what the least size is.
//! let config = EngineConfig {
//!     ring_bytes: 4096,
//!     ..EngineConfig::new("hpcap0".parse()?, "gen:count=1".parse()?)
//! };
//! let error = Engine::start(&config).err().unwrap();
//! assert_eq!(error.kind(), Kind::Usage);
//! # Ok(())
//! # }
//! ```

use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hpcap::error::Context;
use hpcap::filter::Filter;
use hpcap::pcapfile::LINK_TYPE_ETHERNET;
use hpcap::queue::{Connect, QueueEnd};
use hpcap::{Error, Kind, Listener, Queue, Request, Result};
use hpcap_host::process::run_on_cpu;
use hpcap_ipc::connection::Connection;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use crate::config::EngineConfig;
use crate::description::describe;
use crate::event::{Event, Events, event_queue};
use crate::poll::{Command, Poll, Stages, panicked};
use crate::ring::Producer;
use crate::ring::memory::QueueMemory;
use crate::server::{Clients, QueueFds};
use crate::stages::Dedup;
use crate::stages::filter::Program;
use hpcap::dedup::{Action, DedupSettings};
use hpcap_source::Source;

/// Limits the advice on hugepages to one event per process: it is the same for all queues.
static ADVICE_ON_HUGEPAGES: Once = Once::new();

/// Longest time that [`Engine::stop`] waits for the poll thread. The thread looks for commands at
/// least once a second, unless its source hangs.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// A running queue, which stops when this value is dropped.
#[derive(Debug)]
pub struct Engine {
    queue: Arc<Queue>,
    clients: Arc<Clients>,
    commands: Sender<Command>,
    thread: Option<JoinHandle<Result<()>>>,
}

/// Connects to the queue from within the process, which serves the other end like any other client.
#[derive(Debug)]
struct InProcess(Arc<Clients>);

impl Connect for InProcess {
    fn connect(&self) -> Result<Connection> {
        let (ours, theirs): (OwnedFd, OwnedFd) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .context(|| "make a socket pair")?;
        Clients::serve(&self.0, theirs)?;
        Ok(Connection::from(ours))
    }
}

impl Engine {
    /// Opens the source, allocates the ring and starts the poll thread. The [`Events`] report what
    /// a person should read, such as an interface that goes down or missing hugepages.
    ///
    /// # Errors
    /// Returns the error of the source, the filter, the memory or the poll thread that could not
    /// start.
    pub fn start(config: &EngineConfig) -> Result<(Self, Events)> {
        let source = config.source.open_with_delay(config.delay)?;
        let filter = Filter::new(&config.filter, source.description().link_type)?;
        let filter = match filter.is_empty() {
            true => None,
            false => Some(Program::of(&filter)?),
        };
        let dedup = config
            .dedup
            .map(|settings| window(settings, source.description().link_type, config.plain))
            .transpose()?;
        let (mut memory, note) = QueueMemory::allocate(config.ring_bytes, config.pages)?;
        let mut first = None;
        if let Some(advice) = note
            && config.source.gains_from_hugepages()
        {
            ADVICE_ON_HUGEPAGES.call_once(|| first = Some(Event::OrdinaryPages { advice }));
        }
        let (sender, events) = event_queue(&source.description().interface, first);
        describe(&mut memory, config, source.as_ref())?;
        let fds = QueueFds::of(&memory)?;
        let producer = Producer::new(memory)?;

        let (commands, receiver) = channel();
        let clients = Arc::new(Clients::new(fds, commands.clone(), config.dedup));
        let poll = Poll::new(
            producer,
            receiver,
            Stages { filter, dedup },
            config.look_back,
            config.start_on_attach,
            config.delay,
            sender,
        );
        let cpu = config.cpu;
        let (started, start) = channel();
        let thread = thread::Builder::new()
            .name(format!("poll {}", config.name))
            .spawn(move || run(poll, source, cpu, &started))
            .context(|| "start the poll thread")?;
        // An engine whose poll thread cannot be pinned as requested has not started.
        match start.recv() {
            Ok(Ok(())) => {}
            Ok(Err(e)) => return Err(e),
            Err(_) => return Err(Error::new(Kind::Gone, "start the poll thread", "it ended")),
        }
        let queue = Queue::of(Arc::new(InProcess(Arc::clone(&clients))))?;
        let engine = Self {
            queue: Arc::new(queue),
            clients,
            commands,
            thread: Some(thread),
        };
        Ok((engine, events))
    }

    /// Returns the queue, as any client sees it.
    #[must_use]
    pub fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    /// Attaches a listener in this process.
    ///
    /// # Errors
    /// As [`Queue::attach`].
    pub fn attach(&self, request: &Request) -> Result<Listener> {
        self.queue.attach(request)
    }

    /// Serves the client at the other end of `socket`.
    ///
    /// # Errors
    /// [`Kind::Full`] when there are too many clients.
    pub fn serve(&self, socket: OwnedFd) -> Result<()> {
        Clients::serve(&self.clients, socket)
    }

    /// Tells the client at the other end of `socket` that this process has no file descriptor left
    /// for it, and closes the connection.
    pub fn turn_away(socket: OwnedFd) {
        Clients::turn_away(socket);
    }

    /// Keeps at most `caplen` bytes of each later frame; 0 keeps whole frames.
    pub fn set_caplen(&self, caplen: u32) {
        let _ = self.commands.send(Command::Caplen(caplen));
    }

    /// Changes the settings of the duplicate filter; `None` turns it off. The filter keeps the
    /// frames that it remembers if window, compared bytes and ignored fields stay the same.
    ///
    /// # Errors
    /// [`Kind::Usage`] when a setting does not suit the queue, [`Kind::Full`] without enough
    /// memory.
    pub fn set_dedup(&self, settings: Option<DedupSettings>) -> Result<()> {
        let info = self.queue.info();
        let dedup = settings
            .map(|settings| window(settings, info.link_type, info.plain))
            .transpose()?;
        self.clients.set_dedup(dedup);
        Ok(())
    }

    /// Returns whether the source has ended.
    #[must_use]
    pub fn source_ended(&self) -> bool {
        self.queue.page().ended()
    }

    /// Returns whether the source or the poll thread has failed; [`Engine::stop`] returns the
    /// error.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.queue.page().end() == Some(QueueEnd::Failed)
    }

    /// Asks the poll thread to end the queue, as [`Engine::stop`] does, but does not wait for that: several engines
    /// then end side by side.
    pub fn request_stop(&self) {
        let _ = self.commands.send(Command::Stop);
    }

    /// Ends the queue. All frames that have arrived are published; listeners see the end and can still read
    /// what is in the ring.
    ///
    /// # Errors
    /// The error that ended the source earlier, or [`Kind::Timeout`] if the poll thread does not
    /// end.
    pub fn stop(mut self) -> Result<()> {
        self.join()
    }

    fn join(&mut self) -> Result<()> {
        self.request_stop();
        let outcome = match self.thread.take() {
            None => Ok(()),
            Some(thread) if !ends_in_time(&thread) => {
                let why = format!("it does not end within {} s", STOP_LIMIT.as_secs());
                Err(
                    Error::new(Kind::Timeout, "stop the poll thread", why).advise(
                        "its source does not answer; \
                         everything that was published before is in the ring",
                    ),
                )
            }
            Some(thread) => thread
                .join()
                .unwrap_or_else(|panic| Err(panicked(panic.as_ref()))),
        };
        self.clients.close();
        outcome
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.join();
    }
}

/// Waits until the poll thread has ended, at most [`STOP_LIMIT`]. Returns whether it has.
fn ends_in_time(thread: &JoinHandle<Result<()>>) -> bool {
    let start = Instant::now();
    while !thread.is_finished() {
        if start.elapsed() >= STOP_LIMIT {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
    true
}

/// Body of the poll thread: pins it, reports through `started` whether that worked, and captures.
fn run(
    poll: Poll,
    source: Box<dyn Source>,
    cpu: Option<usize>,
    started: &Sender<Result<()>>,
) -> Result<()> {
    let pinned = cpu.map_or(Ok(()), run_on_cpu);
    let failed = pinned.is_err();
    let _ = started.send(pinned);
    if failed { Ok(()) } else { poll.run(source) }
}

/// Creates the window of the duplicate filter for a queue of `link_type` that is `plain` or not.
fn window(settings: DedupSettings, link_type: u32, plain: bool) -> Result<Dedup> {
    let wrong = |why: &str| Err(Error::usage(format!("duplicates: {settings}"), why));
    if plain && settings.action == Action::Mark {
        return wrong("a plain stream has no tags that could mark them");
    }
    if !settings.ignore.is_empty() && link_type != LINK_TYPE_ETHERNET {
        return wrong("only Ethernet frames have fields that can be ignored");
    }
    Dedup::new(settings, link_type)
}

/// Locks `mutex` even if a holder has panicked: no holder leaves its data half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for the poll thread's reply. A thread that has ended, or exceeds `timeout`, is
/// [`Kind::Gone`].
pub(crate) fn answer<T>(reply: &Receiver<Result<T>>, timeout: Duration) -> Result<T> {
    reply.recv_timeout(timeout).unwrap_or_else(|_| {
        Err(Error::new(
            Kind::Gone,
            "ask the poll thread",
            "the queue has been stopped",
        ))
    })
}
