//! A machine that runs: commands, their output, and the end.

use std::collections::HashMap;
use std::io::{BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::qemu::{Files, MOST_NICS, Qemu};
use super::watch::Watch;
use super::{Machine, Trouble, disk, initramfs};
use crate::channel::{Command, Kind, Message};
use crate::control::{Handler, Request};
use crate::guest::Setup;
use crate::kernel::{build_folder, programs_folder};
use crate::pci::proxy;

/// How long a machine may take to switch itself off, and a killed command to end.
const END: Duration = Duration::from_secs(20);

/// A machine that runs and takes commands. It is ended at the latest when this is dropped.
#[derive(Debug)]
pub struct Guest {
    qemu: Qemu,
    watch: Arc<Watch>,
    host: Arc<Host>,
    threads: Vec<JoinHandle<()>>,
    next: Mutex<u32>,
}

/// What a command wrote, and how it ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// The exit code; 128 and the signal when one ended it.
    pub code: i32,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

/// A command that runs in a guest. It runs on when this is dropped.
#[derive(Debug)]
pub struct Running {
    host: Arc<Host>,
    watch: Arc<Watch>,
    id: u32,
    events: Receiver<Event>,
}

#[derive(Debug)]
pub(super) enum Event {
    Output(Vec<u8>),
    Errors(Vec<u8>),
    Ended(i32),
}

/// Our end of the channel.
struct Host {
    writing: Mutex<UnixStream>,
    /// Who listens to which command; none when the channel is closed.
    commands: Mutex<Option<HashMap<u32, Sender<Event>>>>,
    handler: Arc<dyn Handler>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

/// Starts a machine and waits until it takes commands.
pub(super) fn boot(machine: Machine) -> Result<Guest, Trouble> {
    let os = |e: std::io::Error| Trouble::host(format!("starting a machine: {e}"));
    check(&machine)?;
    let tree = machine.module_tree()?;
    let first = programs_folder()?.join("lab");
    if !first.exists() {
        let message = format!(
            "{} is not built\n  Build it: cargo build -p vmlab",
            first.display()
        );
        return Err(Trouble::Missing(message));
    }
    let setup = Setup {
        modules: Vec::new(),
        module_tree: Some(tree.folder.clone()),
        programs: Some(machine.programs_folder()?),
        out: machine.out.is_some(),
        disk: machine.disk.is_some(),
        hugepages: machine.hugepages.iter().map(|pages| pages.size).collect(),
    };
    let disks = || build_folder().map(|target| target.join("vmlab"));
    let disk = machine
        .disk
        .map(|bytes| disk::make(bytes, &disks()?))
        .transpose()?;
    let (ours, theirs) = UnixStream::pair().map_err(os)?;
    let mut proxies = Vec::new();
    let mut nics = Vec::new();
    for nic in &machine.nics {
        let (ours, theirs) = UnixStream::pair().map_err(os)?;
        proxies.push((Arc::clone(nic), ours));
        nics.push(theirs.into());
    }
    let files = Files {
        initramfs: initramfs::make(&first, &tree, setup)?,
        disk,
        channel: theirs.into(),
        interrupts: machine.interrupts.1.try_clone().map_err(os)?.into(),
        nics,
    };
    let watch = Arc::new(Watch::new(&machine)?);
    let (qemu, console, errors) = Qemu::start(&machine, files)?;
    // Only QEMU holds the other ends now, so that its end is seen.
    let Machine {
        interrupts,
        handler,
        limit,
        ..
    } = machine;
    drop(interrupts);
    let mut threads = watch
        .start(qemu.life(), console, errors, limit)
        .map_err(os)?;
    for (nic, socket) in proxies {
        // What the device cannot serve, the machine shows by itself.
        let serve = move || drop(proxy::serve(&nic, socket));
        threads.push(spawn("nic", serve).map_err(os)?);
    }
    let host = Arc::new(Host {
        writing: Mutex::new(ours.try_clone().map_err(os)?),
        commands: Mutex::new(Some(HashMap::new())),
        handler,
    });
    let (ready, is_ready) = channel();
    let listening = (Arc::clone(&host), Arc::clone(&watch));
    let listen = move || listening.0.listen(ours, &ready, &listening.1);
    threads.push(spawn("channel", listen).map_err(os)?);
    let next = Mutex::new(0);
    let mut guest = Guest {
        qemu,
        watch,
        host,
        threads,
        next,
    };
    match is_ready.recv() {
        Ok(()) => Ok(guest),
        Err(_) => Err(guest.explain()),
    }
}

fn check(machine: &Machine) -> Result<(), Trouble> {
    if !machine.nics.is_empty() && machine.cpus != 1 {
        let why = "QEMU lets no second processor reach a NIC of the lab while one waits for it";
        return Err(Trouble::host(format!(
            "a machine with NICs has one processor: {why}"
        )));
    }
    if machine.nics.len() > MOST_NICS {
        return Err(Trouble::host(format!(
            "a machine has at most {MOST_NICS} NICs"
        )));
    }
    Ok(())
}

pub(super) fn spawn(
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(run)
}

impl Host {
    /// Takes messages until the machine ends.
    fn listen(self: &Arc<Self>, from: UnixStream, ready: &Sender<()>, watch: &Watch) {
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
        // Whoever waits for a command hears of the end.
        self.commands().take();
    }

    fn tell(&self, id: u32, event: Event) {
        if let Some(listener) = self.commands().as_ref().and_then(|all| all.get(&id)) {
            let _ = listener.send(event);
        }
    }

    fn commands(&self) -> MutexGuard<'_, Option<HashMap<u32, Sender<Event>>>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a question answered, on a thread of its own: some answers take long.
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
        // Without a thread there is no answer, and the machine's limit ends the wait.
        drop(spawn("answer", answer));
    }

    fn send(&self, kind: Kind, id: u32, body: &[u8]) -> std::io::Result<()> {
        let mut stream = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        Message::write(kind, id, body, &mut *stream)
    }
}

impl Guest {
    /// Runs a command to its end and collects what it writes. It runs in the folder of this
    /// program, with those of its environment variables that begin with `HPCAP_` or `RUST_`.
    ///
    /// # Errors
    /// The machine's trouble, or [`Trouble::TimeLimit`] when the command takes longer than `limit`;
    /// it is killed then, and the machine goes on. An exit code is no error.
    pub fn run(&self, args: &[&str], limit: Duration) -> Result<Output, Trouble> {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let mut output = Output::default();
        let running = self.start(&command(args))?;
        output.code = running.finish(Some(limit), &mut output.stdout, &mut output.stderr)?;
        Ok(output)
    }

    /// Starts a command.
    ///
    /// # Errors
    /// The machine's trouble.
    pub fn start(&self, command: &Command) -> Result<Running, Trouble> {
        let body = serde_json::to_vec(command).map_err(|e| Trouble::host(e.to_string()))?;
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next += 1;
        let id = *next;
        drop(next);
        let (send, events) = channel();
        match self.host.commands().as_mut() {
            Some(commands) => commands.insert(id, send),
            None => return Err(self.watch.explain()),
        };
        match self.host.send(Kind::Run, id, &body) {
            Ok(()) => Ok(Running {
                host: Arc::clone(&self.host),
                watch: Arc::clone(&self.watch),
                id,
                events,
            }),
            Err(_) => Err(self.watch.explain()),
        }
    }

    /// Bytes typed on a command's terminal.
    pub(super) fn input(&self, id: u32, bytes: &[u8]) -> std::io::Result<()> {
        self.host.send(Kind::Input, id, bytes)
    }

    /// What the kernel has said so far.
    #[must_use]
    pub fn console(&self) -> String {
        self.watch.text()
    }

    /// Switches the machine off.
    ///
    /// # Errors
    /// What the kernel complained of at any time, or that it does not end.
    pub fn shutdown(mut self) -> Result<(), Trouble> {
        let asked = Instant::now();
        let _ = self.host.send(Kind::Stop, 0, &[]);
        while !self.qemu.has_ended() {
            if asked.elapsed() > END {
                return Err(self.watch.took_too_long("switching off", END));
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.finish();
        self.watch.verdict()
    }

    /// Why the machine does not answer any more.
    fn explain(&mut self) -> Trouble {
        // A panic is still being written when the channel is closed.
        let seen = Instant::now();
        while !self.qemu.has_ended() && seen.elapsed() < END {
            thread::sleep(Duration::from_millis(5));
        }
        self.qemu.life().end();
        self.finish();
        self.watch.explain()
    }

    /// Waits for QEMU and for all that it said.
    fn finish(&mut self) {
        self.qemu.wait();
        self.watch.ended();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.qemu.life().end();
        self.finish();
    }
}

/// A command as this program would run it.
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
    /// Hands the output on until the command ends; returns its exit code.
    ///
    /// # Errors
    /// As those of [`Guest::run`].
    pub fn finish(
        self,
        limit: Option<Duration>,
        stdout: &mut dyn Write,
        stderr: &mut dyn Write,
    ) -> Result<i32, Trouble> {
        self.follow(limit, stdout, stderr)
    }

    pub(super) fn follow(
        &self,
        limit: Option<Duration>,
        stdout: &mut dyn Write,
        stderr: &mut dyn Write,
    ) -> Result<i32, Trouble> {
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
            // Whoever reads our output may be gone; the command goes on as it would on a host.
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
