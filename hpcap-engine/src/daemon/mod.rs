//! `hpcapd`: engines behind sockets, from start to a clean stop.

mod cli;
mod socket;

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;

use hpcap::error::Context;
use hpcap::queue::folder::Folder;
use hpcap::queue::status::print_ledger;
use hpcap::units::Bytes;
use hpcap::visible::{visible, visible_json, visible_lines};
use hpcap::{Error, Kind, QueueName, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Gid;
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::engine::{Engine, EngineConfig};
use crate::source::interface::Interface;
use cli::Cli;
use socket::Doorway;

/// How often the daemon looks whether its sources have ended, in ms.
const LOOK: u16 = 100;

/// A queue that is served.
struct Server {
    name: QueueName,
    engine: Engine,
    doorway: Doorway,
    said_ended: bool,
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let mut cli: Cli = hpcap_cli::parse(cli::HINTS);
    cli.sources.append(&mut cli.interfaces);
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("hpcapd: {e}");
            ExitCode::from(e.exit_code())
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    if cli.list_interfaces {
        return print(&Interface::list()?);
    }
    // Before anything is opened: a signal from now on stops the daemon cleanly.
    let stop = stop_signals()?;
    let mut servers = start(cli)?;
    if !cli.quiet {
        for server in &servers {
            announce(server, cli.json)?;
        }
    }
    let served = serve(&mut servers, &stop, cli);
    // Stop all of them before the first failure is reported.
    let stopped: Vec<Result<()>> = servers.into_iter().map(|s| finish(s, cli)).collect();
    served?;
    stopped.into_iter().collect()
}

/// A stream that becomes readable at the first SIGINT or SIGTERM.
fn stop_signals() -> Result<UnixStream> {
    let tried = || "prepare for signals";
    let (stop, signalled) = UnixStream::pair().context(tried)?;
    for signal in [SIGINT, SIGTERM] {
        let end = signalled.try_clone().context(tried)?;
        signal_hook::low_level::pipe::register(signal, end).context(tried)?;
    }
    Ok(stop)
}

fn start(cli: &Cli) -> Result<Vec<Server>> {
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
        let json = cli.json;
        let engine = Engine::start(&config, move |event| say(json, name, event))?;
        servers.push(Server {
            name,
            engine,
            doorway,
            said_ended: false,
        });
    }
    Ok(servers)
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
fn serve(servers: &mut [Server], stop: &UnixStream, cli: &Cli) -> Result<()> {
    loop {
        let mut fds = vec![PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
        fds.extend(
            servers
                .iter()
                .map(|s| PollFd::new(s.doorway.as_fd(), s.doorway.events())),
        );
        match poll(&mut fds, PollTimeout::from(LOOK)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(e) => return Err(Error::io("wait for clients", e.into())),
        }
        if fds[0].any().unwrap_or(false) {
            return Ok(());
        }
        for server in servers.iter() {
            while let Some(client) = server.doorway.accept() {
                if let Err(e) = server.engine.serve(client) {
                    say(cli.json, server.name, &e.to_string());
                }
            }
        }
        let mut running = false;
        for server in servers.iter_mut() {
            let ended = server.engine.source_ended();
            if ended && !server.said_ended {
                server.said_ended = true;
                say(cli.json, server.name, "the source has ended");
            }
            let listened = !server.engine.queue().listeners().is_empty();
            running |= !ended || (listened && !cli.no_linger);
        }
        if !running {
            return Ok(());
        }
    }
}

/// Ends a queue and prints what became of its frames.
fn finish(server: Server, cli: &Cli) -> Result<()> {
    let queue = std::sync::Arc::clone(server.engine.queue());
    let outcome = server.engine.stop();
    // Nobody finds the queue any more; whoever is attached can still read what is there.
    drop(server.doorway);
    if cli.quiet {
        return outcome;
    }
    let ledger = queue.ledger();
    if cli.json {
        let line = json!({
            "event": "ended",
            "queue": server.name.to_string(),
            "ledger": ledger.ledger,
            "on_the_wire": ledger.ledger.on_the_wire(),
            "frames_cut": ledger.frames_cut,
            "times_adjusted": ledger.times_adjusted,
        });
        print(&format!("{line}\n"))?;
    } else {
        let mut text = format!("{}: ended\n", server.name);
        print_ledger(&mut text, &ledger.ledger);
        print(&text)?;
    }
    outcome
}

fn announce(server: &Server, json: bool) -> Result<()> {
    let info = server.engine.queue().info();
    let socket = server.doorway.path().display();
    if json {
        let line = json!({
            "event": "serving",
            "queue": server.name.to_string(),
            "source": info.source,
            "ring_bytes": info.ring_bytes,
            "page_bytes": info.page_bytes,
            "block_bytes": info.block_bytes,
            "socket": socket.to_string(),
        });
        return print(&format!("{line}\n"));
    }
    print(&format!(
        "{}: {}, ring {} in pages of {}, socket {socket}\n",
        server.name,
        visible(&info.source),
        Bytes(info.ring_bytes),
        Bytes(info.page_bytes),
    ))
}

/// Something to read about queue `name`.
fn say(json: bool, name: QueueName, text: &str) {
    if json {
        let line = json!({"event": "message", "queue": name.to_string(), "message": text});
        let _ = print(&format!("{line}\n"));
    } else {
        eprintln!("hpcapd: {name}: {}", visible_lines(text));
    }
}

fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    let text = visible_json(text);
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Nobody reads any more: not a reason to stop capturing.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context(|| "write to standard output"),
    }
}
