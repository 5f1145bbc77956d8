//! Commands of the host: they are started, their output is passed on, and they are ended.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::children::Children;
use super::port::Port;
use super::{HOME, PATH};
use crate::channel::{Command, Kind};

/// Longest output in one message, in bytes.
const PIECE: usize = 64 << 10;

/// Exit code of a command that could not be started, as in a shell.
const NOT_STARTED: i32 = 127;

/// The running commands.
#[derive(Debug)]
pub(super) struct Commands {
    port: Arc<Port>,
    children: Arc<Children>,
    running: Arc<Mutex<HashMap<u32, Running>>>,
}

#[derive(Debug)]
struct Running {
    group: Pid,
    /// The master side of the command's terminal.
    terminal: Option<File>,
}

impl Commands {
    pub(super) fn new(port: Arc<Port>, children: Arc<Children>) -> Self {
        let running = Arc::default();
        Self {
            port,
            children,
            running,
        }
    }

    /// Starts a command. A failure to start is reported on the command's standard error.
    pub(super) fn run(&self, id: u32, body: &[u8]) {
        if let Err(e) = self.start(id, body) {
            let message = format!("vmlab: {e}\n");
            let _ = self.port.send(Kind::Errors, id, message.as_bytes());
            let _ = self.port.send(Kind::Ended, id, &NOT_STARTED.to_le_bytes());
        }
    }

    fn start(&self, id: u32, body: &[u8]) -> io::Result<()> {
        let command: Command = serde_json::from_slice(body)?;
        let program = command.args.first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut start = process::Command::new(program);
        start.args(&command.args[1..]).env_clear();
        start.env("PATH", PATH).env("HOME", HOME);
        start.envs(command.env.iter().map(|(name, value)| (name, value)));
        start.current_dir(if command.folder.is_dir() {
            &command.folder
        } else {
            Path::new("/")
        });
        let terminal = match command.terminal {
            Some(size) => Some(give_terminal(&mut start, size)?),
            None => {
                start
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped());
                start.process_group(0);
                None
            }
        };
        let spawned = self.children.spawn(&mut start);
        let (mut child, ended) =
            spawned.map_err(|e| io::Error::new(e.kind(), format!("{program}: {e}")))?;
        // Dropping this closes the slave side of the terminal here, so that only the command has it
        // open and its closing is noticed.
        drop(start);
        let streams = [
            (
                Kind::Output,
                terminal
                    .as_ref()
                    .map(|t| t.try_clone())
                    .transpose()?
                    .map(OwnedFd::from),
            ),
            (Kind::Output, child.stdout.take().map(OwnedFd::from)),
            (Kind::Errors, child.stderr.take().map(OwnedFd::from)),
        ];
        let streams = streams
            .into_iter()
            .filter_map(|(kind, fd)| Some((kind, File::from(fd?))));
        let group = Pid::from_raw(child.id().cast_signed());
        self.lock().insert(id, Running { group, terminal });
        let (port, running) = (Arc::clone(&self.port), Arc::clone(&self.running));
        let mut output = Output {
            port,
            id,
            streams: streams.collect(),
        };
        let follow = move || {
            let port = Arc::clone(&output.port);
            let code = output.until_ended(&ended);
            running
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&id);
            let _ = port.send(Kind::Ended, id, &code.to_le_bytes());
            // Processes that the command left behind may still write output.
            while output.hand_on(None, PollTimeout::NONE).1 {}
        };
        thread::Builder::new()
            .name("output".to_owned())
            .spawn(follow)?;
        Ok(())
    }

    /// Writes typed bytes to the terminal of a command.
    pub(super) fn input(&self, id: u32, bytes: Vec<u8>) {
        let terminal = self
            .lock()
            .get(&id)
            .and_then(|running| running.terminal.as_ref()?.try_clone().ok());
        if let Some(mut terminal) = terminal {
            let _ = terminal.write_all(&bytes);
        }
    }

    /// Ends a command and its children.
    pub(super) fn kill(&self, id: u32) {
        if let Some(running) = self.lock().get(&id) {
            let _ = killpg(running.group, Signal::SIGKILL);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the command run on a new terminal. Returns the master side of the terminal.
fn give_terminal(start: &mut process::Command, (columns, rows): (u16, u16)) -> io::Result<File> {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let OpenptyResult { master, slave } = openpty(Some(&size), None)?;
    let own = |fd: &OwnedFd| fd.try_clone().map(Stdio::from);
    start
        .stdin(own(&slave)?)
        .stdout(own(&slave)?)
        .stderr(Stdio::from(slave));
    let session = || {
        nix::unistd::setsid()?;
        // SAFETY: standard input is the terminal, and the call takes no pointer.
        match unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: the closure only makes two system calls, both of which are allowed between fork and
    // exec.
    unsafe { start.pre_exec(session) };
    Ok(File::from(master))
}

/// The outputs of a command.
struct Output {
    port: Arc<Port>,
    id: u32,
    streams: Vec<(Kind, File)>,
}

impl Output {
    /// Passes output on until the command has ended and everything that it wrote has been sent.
    /// Returns the exit code.
    fn until_ended(&mut self, mut ended: &UnixStream) -> i32 {
        while !self.hand_on(Some(ended), PollTimeout::NONE).0 {}
        // The pipes still hold output from before the end. Children may continue to write.
        while self.hand_on(None, PollTimeout::ZERO).1 {}
        let mut code = [0; 4];
        match ended.read_exact(&mut code) {
            Ok(()) => i32::from_le_bytes(code),
            Err(_) => NOT_STARTED,
        }
    }

    /// Passes on the available output, after waiting for at most `wait`. Returns whether the
    /// command has ended, and whether any file was ready.
    fn hand_on(&mut self, ended: Option<&UnixStream>, wait: PollTimeout) -> (bool, bool) {
        let files = self.streams.iter().map(|(_, file)| file.as_fd());
        let all = files.chain(ended.map(AsFd::as_fd));
        let mut polled: Vec<_> = all.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        if polled.is_empty() || !matches!(poll(&mut polled, wait), Ok(1..)) {
            return (false, false);
        }
        let ready: Vec<_> = polled.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        let (streams, end) = ready.split_at(self.streams.len());
        let mut streams = streams.iter();
        let (port, id) = (&self.port, self.id);
        let mut piece = vec![0; PIECE];
        self.streams.retain_mut(|(kind, file)| {
            if !streams.next().is_some_and(|ready| *ready) {
                return true;
            }
            match file.read(&mut piece) {
                // Reading from a terminal fails after the other side was closed.
                Ok(0) | Err(_) => false,
                Ok(n) => port.send(*kind, id, &piece[..n]).is_ok(),
            }
        });
        (end.contains(&true), ready.contains(&true))
    }
}
