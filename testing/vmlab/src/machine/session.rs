//! Commands in a guest: connects the messages of the guest with the threads of the host that wait for
//! them.

use std::collections::HashMap;
use std::io::{BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::MachineError;
use super::running::spawn;
use super::watch::Watch;
use crate::channel::{Command, Kind, Message};
use crate::control::{Handler, Request};

/// Longest time that a machine may take to end after its channel was closed.
const END: Duration = Duration::from_secs(20);

/// A running command in a guest. Dropping this value does not end the command.
#[derive(Debug)]
pub struct Running {
    host: Arc<Host>,
    watch: Arc<Watch>,
    id: u32,
    events: Receiver<Event>,
}

#[derive(Debug)]
enum Event {
    Output(Vec<u8>),
    Errors(Vec<u8>),
    Ended(i32),
}

/// The host's end of the channel.
pub(super) struct Host {
    writing: Mutex<UnixStream>,
    /// The receiver of each running command's output; `None` after the channel was closed.
    commands: Mutex<Option<HashMap<u32, Sender<Event>>>>,
    next: AtomicU32,
    handler: Arc<dyn Handler>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

impl Host {
    pub(super) fn new(stream: UnixStream, handler: Arc<dyn Handler>) -> Self {
        Self {
            writing: Mutex::new(stream),
            commands: Mutex::new(Some(HashMap::new())),
            next: AtomicU32::new(0),
            handler,
        }
    }

    /// Starts a command.
    pub(super) fn start(
        self: &Arc<Self>,
        command: &Command,
        watch: &Arc<Watch>,
    ) -> Result<Running, MachineError> {
        let body = serde_json::to_vec(command).map_err(|e| MachineError::host(e.to_string()))?;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (send, events) = channel();
        match self.commands().as_mut() {
            Some(commands) => commands.insert(id, send),
            None => return Err(watch.explain()),
        };
        match self.send(Kind::Run, id, &body) {
            Ok(()) => Ok(Running {
                host: Arc::clone(self),
                watch: Arc::clone(watch),
                id,
                events,
            }),
            Err(_) => Err(watch.explain()),
        }
    }

    /// Receives messages until the machine ends.
    pub(super) fn listen(self: &Arc<Self>, from: UnixStream, ready: &Sender<()>, watch: &Watch) {
        let mut from = BufReader::new(from);
        while let Ok(Message { kind, id, body }) = Message::read(&mut from) {
            match kind {
                Kind::Ready => drop(ready.send(())),
                Kind::Failed => watch.failed(String::from_utf8_lossy(&body).into_owned()),
                Kind::Output => self.tell(id, Event::Output(body)),
                Kind::Errors => self.tell(id, Event::Errors(body)),
                Kind::Ended => {
                    let code = body.try_into().map_or(-1, i32::from_le_bytes);
                    self.tell(id, Event::Ended(code));
                }
                Kind::Ask => self.ask(id, body),
                _ => {}
            }
        }
        // Dropping the senders tells every thread that waits for a command about the end.
        self.commands().take();
    }

    fn tell(&self, id: u32, event: Event) {
        let mut commands = self.commands();
        let Some(commands) = commands.as_mut() else {
            return;
        };
        let is_last = matches!(event, Event::Ended(_));
        if let Some(listener) = commands.get(&id) {
            // The waiting thread may have ended.
            let _ = listener.send(event);
        }
        if is_last {
            commands.remove(&id);
        }
    }

    fn commands(&self) -> MutexGuard<'_, Option<HashMap<u32, Sender<Event>>>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request in a new thread, because some answers take long.
    fn ask(self: &Arc<Self>, id: u32, body: Vec<u8>) {
        let host = Arc::clone(self);
        let answer = move || {
            let answer = match serde_json::from_slice::<Request>(&body) {
                Ok(request) => host.handler.handle(&request),
                Err(e) => Err(format!("no such question: {e}")),
            };
            let answer = serde_json::to_vec(&answer).unwrap_or_default();
            let _ = host.send(Kind::Answer, id, &answer);
        };
        // If no thread can be started, the request stays unanswered until the machine's time limit.
        drop(spawn("answer", answer));
    }

    pub(super) fn send(&self, kind: Kind, id: u32, body: &[u8]) -> std::io::Result<()> {
        let mut stream = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        Message::write(kind, id, body, &mut *stream)
    }
}

/// Builds a command with the folder and the environment of this program.
#[must_use]
pub fn command(args: Vec<String>) -> Command {
    let passed = |name: &str| name.starts_with("HPCAP_") || name.starts_with("RUST_");
    let env = std::env::vars_os().filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        passed(&name).then_some((name, value))
    });
    Command {
        args,
        folder: std::env::current_dir().unwrap_or_else(|_| "/".into()),
        env: env.collect(),
        terminal: None,
    }
}

impl Running {
    /// Passes output on until the command ends. Returns the exit code of the command.
    ///
    /// # Errors
    /// Fails as [`Guest::run`](super::Guest::run) does.
    pub fn finish(
        self,
        limit: Option<Duration>,
        stdout: &mut dyn Write,
        stderr: &mut dyn Write,
    ) -> Result<i32, MachineError> {
        self.follow(limit, stdout, stderr)
    }

    pub(super) fn follow(
        &self,
        limit: Option<Duration>,
        stdout: &mut dyn Write,
        stderr: &mut dyn Write,
    ) -> Result<i32, MachineError> {
        let until = limit.map(|limit| Instant::now() + limit);
        loop {
            let event = match until {
                None => self
                    .events
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected),
                Some(until) => self
                    .events
                    .recv_timeout(until.saturating_duration_since(Instant::now())),
            };
            // The reader of the output may be gone. The command continues, as it would on a host.
            match event {
                Ok(Event::Output(bytes)) => {
                    drop(stdout.write_all(&bytes).and_then(|()| stdout.flush()));
                }
                Ok(Event::Errors(bytes)) => {
                    drop(stderr.write_all(&bytes).and_then(|()| stderr.flush()));
                }
                Ok(Event::Ended(code)) => return Ok(code),
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.host.send(Kind::Kill, self.id, &[]);
                    let limit = limit.unwrap_or_default();
                    return Err(self.watch.took_too_long("the command", limit));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.watch.wait_for_end(END);
                    return Err(self.watch.explain());
                }
            }
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }
}
