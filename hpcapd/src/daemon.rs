//! The daemon: opens the sources, serves their queues, and ends them.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;

use hpcap::cancellable::{self, Notice};
use hpcap::error::Context;
use hpcap::visible::{visible, visible_json};
use hpcap::{Error, Kind, QueueName, Result, message};
use hpcap_ipc::folder::Folder;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::Gid;

use hpcap_engine::{Engine, EngineConfig, Events};
use hpcap_host::Interface;
use hpcap_service::{Service, Signals};

use crate::cli::Cli;
use crate::reporter::{LimitedReporter, QueueMessage, Reporter, notice};
use crate::server::{Server, message_of};
use crate::socket::{self, SocketListener};

/// Longest wait for clients and signals, in ms. After it, the daemon checks whether its sources
/// have ended.
const POLL_MS: u16 = 100;

/// What signals ask the daemon for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Stop,
    Statistics,
}

/// Does what the command line `cli` asks for, and returns the exit code.
#[must_use]
pub fn run(mut cli: Cli) -> ExitCode {
    cli.sources.append(&mut cli.interfaces);
    if cli.list_interfaces {
        return list();
    }
    message::run("hpcapd", notice(cli.json), |messages| {
        capture(&cli, &Reporter::new(messages, cli.json, cli.quiet))
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

fn capture(cli: &Cli, reporter: &Reporter) -> Result<()> {
    // Signals come first, so that a signal during the start stops the daemon cleanly, too.
    let signals = Signals::install(&[
        (Signal::SIGINT as i32, Request::Stop),
        (Signal::SIGTERM as i32, Request::Stop),
        // A daemon whose terminal closes leaves no socket behind.
        (Signal::SIGHUP as i32, Request::Stop),
        (Signal::SIGUSR1 as i32, Request::Statistics),
    ])
    .context(|| "prepare for signals")?;
    let Some(mut servers) = start(cli, reporter, &signals)? else {
        return Ok(());
    };
    for server in &servers {
        let socket = server.listener.path().display().to_string();
        reporter.serving(server.engine.queue(), &socket);
    }
    let mut service = Service::from_environment();
    service.set_ready(&status_of(&servers));
    let served = serve(&mut servers, &signals, cli, reporter, &mut service);
    service.set_stopping("ending the queues");
    // All queues are stopped before the first failure is returned.
    let stopped: Vec<Result<()>> = servers.into_iter().map(|s| s.finish(reporter)).collect();
    served?;
    stopped.into_iter().collect()
}

/// Describes the queues for the service manager, in one line.
fn status_of(servers: &[Server]) -> String {
    let queues: Vec<String> = servers
        .iter()
        .map(|server| {
            let info = server.engine.queue().info();
            format!("{} from {}", info.name, visible(&info.source))
        })
        .collect();
    format!("serving {}", queues.join(", "))
}

/// Opens all sources and sockets. Returns `None` if a signal arrives first.
fn start(
    cli: &Cli,
    reporter: &Reporter,
    signals: &Signals<Request>,
) -> Result<Option<Vec<Server>>> {
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
    // `run_dir` may create the folder, so the checks of the command line come first.
    let dir = Arc::new(socket::run_dir(cli.run_dir.as_deref())?);
    let mut servers = Vec::new();
    for (i, served) in cli.sources.iter().enumerate() {
        // The socket is opened first, so that a daemon that may not serve the name opens no
        // interface.
        let (name, listener) = open_listener(&dir, group, served.name, &given)?;
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
        let Some((engine, events)) = start_engine(config, name, reporter, signals)? else {
            return Ok(None);
        };
        servers.push(Server::new(name, engine, events, listener));
    }
    Ok(Some(servers))
}

/// Starts an engine, whose source may wait for the writer of a pipe. Returns `None` if a signal
/// arrives first.
fn start_engine(
    config: EngineConfig,
    name: QueueName,
    reporter: &Reporter,
    signals: &Signals<Request>,
) -> Result<Option<(Engine, Events)>> {
    let source = config.source.to_string();
    let mut notice = Notice::default();
    cancellable::run(
        |waited| {
            if notice.is_due(waited) {
                let text = format!("waiting for {source} to begin");
                reporter.print_message(&QueueMessage::info(name, text));
            }
            signals.is_requested(Request::Stop)
        },
        move || Engine::start(&config),
    )
}

/// Opens the socket of the given name, or of the first `hpcapN` that is neither given to another
/// source nor served by another daemon.
fn open_listener(
    dir: &Arc<Folder>,
    group: Option<Gid>,
    name: Option<QueueName>,
    given: &[QueueName],
) -> Result<(QueueName, SocketListener)> {
    if let Some(name) = name {
        return Ok((name, SocketListener::open(dir, name, group)?));
    }
    let mut busy = None;
    for name in (0..=u32::from(u16::MAX)).map(|n| QueueName::new(n, 0)) {
        if given.contains(&name) {
            continue;
        }
        match SocketListener::open(dir, name, group) {
            Ok(listener) => return Ok((name, listener)),
            Err(e) if e.kind() == Kind::Busy => busy = Some(e),
            Err(e) => return Err(e),
        }
    }
    Err(busy.unwrap_or_else(|| Error::usage("queue name", "all of them are taken")))
}

/// Accepts clients until a signal arrives, or until all sources have ended and no listener is left.
fn serve(
    servers: &mut [Server],
    signals: &Signals<Request>,
    cli: &Cli,
    reporter: &Reporter,
    service: &mut Service,
) -> Result<()> {
    let mut limited = LimitedReporter::new(reporter);
    loop {
        let mut fds = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        fds.extend(
            servers
                .iter()
                .map(|s| PollFd::new(s.listener.as_fd(), s.listener.events())),
        );
        match poll(&mut fds, PollTimeout::from(POLL_MS)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(e) => return Err(Error::io("wait for clients", e.into())),
        }
        if signals.is_requested(Request::Stop) {
            limited.tell_rest();
            return Ok(());
        }
        let beats: Vec<_> = servers.iter().map(Server::heartbeat).collect();
        service.watch(&beats);
        if signals.take(Request::Statistics) {
            for server in servers.iter() {
                reporter.statistics(server.name, &server.engine.queue().ledger());
            }
        }
        for server in servers.iter() {
            // The limit keeps an endless stream of clients from delaying signals.
            for client in std::iter::from_fn(|| server.listener.accept()).take(socket::BACKLOG) {
                if let Err(e) = server.engine.serve(client) {
                    let message = QueueMessage::warning(server.name, e.to_string());
                    limited.print_kind("client", message);
                }
            }
        }
        limited.tell_due();
        let mut running = false;
        for server in servers.iter_mut() {
            for event in server.events.take() {
                limited.print_message(message_of(server.name, &event));
            }
            server.tell(reporter);
            running |= server.is_wanted(cli.no_linger);
        }
        if !running {
            limited.tell_rest();
            return Ok(());
        }
    }
}

fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    let text = visible_json(text);
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // The reader of the pipe has exited, which is no failure of this program.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context(|| "write to standard output"),
    }
}
