//! `hpcapd`: serves the frames of network interfaces, files and generators to other programs.

mod cli;
mod signals;
mod socket;
mod voice;

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hpcap::error::Context;
use hpcap::loss::LossWatch;
use hpcap::message::kind_of;
use hpcap::queue::QueueEnd;
use hpcap::queue::folder::Folder;
use hpcap::visible::visible_json;
use hpcap::{Error, Kind, QueueName, Result, message, patience};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Gid;

use cli::Cli;
use hpcap_engine::{Engine, EngineConfig, Events};
use hpcap_source::interface::Interface;
use signals::Signals;
use socket::Doorway;
use voice::{Limited, Voice};

/// How often the daemon looks whether its sources have ended, in ms.
const LOOK: u16 = 100;

/// How often it looks for losses.
const LOOK_FOR_LOSS: Duration = Duration::from_secs(1);

/// How long a queue that has failed waits for its listeners.
const LINGER_FAILED: Duration = Duration::from_secs(2);

/// After so long, it says that a source does not begin.
const SAY_WAITING: Duration = Duration::from_secs(2);

/// A queue that is served.
struct Server {
    name: QueueName,
    engine: Engine,
    events: Events,
    doorway: Doorway,
    /// When it was seen that the queue has ended.
    ended_since: Option<Instant>,
    losses: LossWatch,
    looked: Instant,
}

fn main() -> ExitCode {
    let mut cli: Cli = hpcap_cli::parse(cli::HINTS);
    cli.sources.append(&mut cli.interfaces);
    if cli.list_interfaces {
        return list();
    }
    message::run("hpcapd", voice::notice(cli.json), |messages| {
        run(&cli, &Voice::new(messages, cli.json, cli.quiet))
    })
}

/// Prints the network interfaces.
fn list() -> ExitCode {
    match Interface::list().and_then(|text| print(&text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let _ = writeln!(io::stderr(), "hpcapd: {e}");
            ExitCode::from(e.exit_code())
        }
    }
}

fn run(cli: &Cli, voice: &Voice) -> Result<()> {
    // Before anything is opened: a signal from now on stops the daemon cleanly.
    let signals = Signals::install()?;
    let Some(mut servers) = start(cli, voice, &signals)? else {
        return Ok(());
    };
    for server in &servers {
        let socket = server.doorway.path().display().to_string();
        voice.serving(server.engine.queue(), &socket);
    }
    let served = serve(&mut servers, &signals, cli, voice);
    // Stop all of them before the first failure is reported.
    let stopped: Vec<Result<()>> = servers.into_iter().map(|s| finish(s, voice)).collect();
    served?;
    stopped.into_iter().collect()
}

/// Opens everything; `None` where a signal came first.
fn start(cli: &Cli, voice: &Voice, signals: &Signals) -> Result<Option<Vec<Server>>> {
    let group = socket::group(cli.group.as_deref())?;
    if cli.cpu.len() > cli.sources.len() {
        return Err(Error::usage(
            format!("--cpu with {} CPUs", cli.cpu.len()),
            format!("there are {} sources", cli.sources.len()),
        ));
    }
    let given: Vec<QueueName> = cli.sources.iter().filter_map(|s| s.name).collect();
    if let Some((_, twice)) = given
        .iter()
        .enumerate()
        .find(|(i, n)| given[..*i].contains(n))
    {
        return Err(Error::usage(
            format!("queue {twice}"),
            "it is named twice; give each source a name of its own",
        ));
    }
    // Makes the folder: not before it is clear that there is something to serve.
    let dir = Arc::new(socket::run_dir(cli.run_dir.as_deref())?);
    let mut servers = Vec::new();
    for (i, served) in cli.sources.iter().enumerate() {
        // The name first: a daemon that may not serve it opens no interface.
        let (name, doorway) = open_doorway(&dir, group, served.name, &given)?;
        let config = EngineConfig {
            ring_bytes: cli.ring,
            pages: cli.pages,
            caplen: cli.caplen,
            filter: cli.filter.clone(),
            dedup: cli.dedup,
            plain: cli.plain,
            look_back: cli.look_back,
            cpu: cli.cpu.get(i).copied(),
            ..EngineConfig::new(name, served.source.clone())
        };
        let Some((engine, events)) = start_engine(config, name, voice, signals)? else {
            return Ok(None);
        };
        let losses = LossWatch::new(engine.queue().ledger().ledger, Instant::now());
        servers.push(Server {
            name,
            engine,
            events,
            doorway,
            ended_since: None,
            losses,
            looked: Instant::now(),
        });
    }
    Ok(Some(servers))
}

/// Starts an engine, which may wait for whoever writes its pipe; `None` where a signal came first.
fn start_engine(
    config: EngineConfig,
    name: QueueName,
    voice: &Voice,
    signals: &Signals,
) -> Result<Option<(Engine, Events)>> {
    let source = config.source.to_string();
    let mut said = false;
    patience::unless(
        |waited| {
            if waited >= SAY_WAITING && !std::mem::replace(&mut said, true) {
                voice.say(name, &format!("waiting for {source} to begin"));
            }
            signals.stop()
        },
        move || Engine::start(&config),
    )
}

/// Serves under the name given, or the first `hpcapN` that is neither given to another
/// source nor served by another daemon.
fn open_doorway(
    dir: &Arc<Folder>,
    group: Option<Gid>,
    name: Option<QueueName>,
    given: &[QueueName],
) -> Result<(QueueName, Doorway)> {
    if let Some(name) = name {
        return Ok((name, Doorway::open(dir, name, group)?));
    }
    let mut busy = None;
    for name in (0..=u32::from(u16::MAX)).map(|n| QueueName::new(n, 0)) {
        if given.contains(&name) {
            continue;
        }
        match Doorway::open(dir, name, group) {
            Ok(doorway) => return Ok((name, doorway)),
            Err(e) if e.kind() == Kind::Busy => busy = Some(e),
            Err(e) => return Err(e),
        }
    }
    Err(busy.unwrap_or_else(|| Error::usage("queue name", "all of them are taken")))
}

/// Lets clients in until a signal comes, or all sources have ended and nobody listens.
fn serve(servers: &mut [Server], signals: &Signals, cli: &Cli, voice: &Voice) -> Result<()> {
    let mut limited = Limited::new(voice);
    loop {
        let mut fds = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        fds.extend(
            servers
                .iter()
                .map(|s| PollFd::new(s.doorway.as_fd(), s.doorway.events())),
        );
        match poll(&mut fds, PollTimeout::from(LOOK)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(e) => return Err(Error::io("wait for clients", e.into())),
        }
        if signals.stop() {
            limited.tell_rest();
            return Ok(());
        }
        if signals.take_statistics() {
            for server in servers.iter() {
                voice.statistics(server.name, &server.engine.queue().ledger());
            }
        }
        for server in servers.iter() {
            // No more at a time than may wait: clients without end must not keep it from signals.
            for client in std::iter::from_fn(|| server.doorway.accept()).take(socket::BACKLOG) {
                if let Err(e) = server.engine.serve(client) {
                    limited.say(server.name, "client", &e.to_string());
                }
            }
        }
        limited.tell_due();
        let mut running = false;
        for server in servers.iter_mut() {
            for event in server.events.take() {
                let text = event.to_string();
                limited.say(server.name, &kind_of(&text), &text);
            }
            server.tell(voice);
            running |= server.is_wanted(cli.no_linger);
        }
        if !running {
            limited.tell_rest();
            return Ok(());
        }
    }
}

impl Server {
    /// Tells how the queue is: that it has ended, that frames are lost.
    fn tell(&mut self, voice: &Voice) {
        let queue = self.engine.queue();
        if let (Some(end), None) = (queue.page().end(), self.ended_since) {
            self.ended_since = Some(Instant::now());
            let text = match end {
                QueueEnd::Failed => "capturing has failed: this queue gets no more frames",
                QueueEnd::Ended | QueueEnd::Stopped => "the source has ended",
            };
            voice.say(self.name, text);
        }
        if self.looked.elapsed() >= LOOK_FOR_LOSS {
            self.looked = Instant::now();
            let ledger = queue.ledger().ledger;
            for loss in self.losses.look(&ledger, self.looked, || queue.listeners()) {
                voice.loss(self.name, &loss);
            }
        }
    }

    /// Whether there is a reason to go on for this queue. One that has failed is none for long:
    /// whoever is attached can read the ring without the daemon, and the failure must show.
    fn is_wanted(&self, no_linger: bool) -> bool {
        let Some(since) = self.ended_since else {
            return true;
        };
        let lingers = !self.engine.has_failed() || since.elapsed() < LINGER_FAILED;
        lingers && !no_linger && !self.engine.queue().listeners().is_empty()
    }
}

/// Ends a queue and tells what became of its frames.
fn finish(mut server: Server, voice: &Voice) -> Result<()> {
    let queue = std::sync::Arc::clone(server.engine.queue());
    let listeners = queue.listeners();
    let outcome = server.engine.stop();
    for event in server.events.take() {
        voice.say(server.name, &event.to_string());
    }
    // Nobody finds the queue any more; whoever is attached can still read what is there.
    drop(server.doorway);
    let ledger = queue.ledger();
    let listeners = || listeners.clone();
    for loss in server.losses.end(&ledger.ledger, Instant::now(), listeners) {
        voice.loss(server.name, &loss);
    }
    voice.ended(server.name, &ledger);
    outcome
}

fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    let text = visible_json(text);
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Nobody reads any more.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context(|| "write to standard output"),
    }
}
