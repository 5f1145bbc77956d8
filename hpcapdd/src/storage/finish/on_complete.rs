//! `--on-complete`: runs a command for each finished file.

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel, sync_channel,
};
use std::thread::JoinHandle;
use std::time::Duration;

use hpcap::error::Context;
use hpcap::{Error, Result};

/// Largest number of commands that run at the same time.
const RUNNING_MAX: usize = 4;

/// Largest number of files that wait for their command. If more would wait, commands take longer
/// than files do.
const WAITING_MAX: usize = 256;

/// Time between two looks at the running commands.
const LOOK: Duration = Duration::from_millis(50);

/// Environment variable that holds the path of the file.
const VARIABLE: &str = "HPCAP_FILE";

/// A command line, split into the program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    program: OsString,
    arguments: Vec<OsString>,
}

impl CommandLine {
    /// Splits `line` into words as a shell would, without anything else that a shell does, and
    /// checks that the program exists.
    ///
    /// # Errors
    /// [`Kind::Usage`](hpcap::Kind::Usage) for a quote that is not closed, an empty line, and a
    /// program that does not exist.
    pub fn parse(line: impl AsRef<OsStr>) -> Result<Self> {
        let line = line.as_ref();
        let tried = || format!("--on-complete {line:?}");
        let words = shlex::bytes::split(line.as_bytes())
            .ok_or_else(|| Error::usage(tried(), "a quote in it is not closed"))?;
        let mut words = words.into_iter().map(OsString::from_vec);
        let Some(program) = words.next() else {
            return Err(Error::usage(tried(), "expected a command"));
        };
        if !is_there(Path::new(&program)) {
            return Err(Error::usage(
                tried(),
                format!("there is no program {}", Path::new(&program).display()),
            )
            .advise(
                "it is run as it stands, with the path of the file as its last argument; \
                 what needs a shell goes into a script",
            ));
        }
        Ok(Self {
            program,
            arguments: words.collect(),
        })
    }

    fn spawn(&self, path: &Path) -> std::io::Result<Child> {
        // The output of the command goes to stderr, because stdout is for the reader of events or
        // frames.
        let stderr = std::io::stderr().as_fd().try_clone_to_owned()?;
        Command::new(&self.program)
            .args(&self.arguments)
            .arg(path)
            .env(VARIABLE, path)
            .stdin(Stdio::null())
            .stdout(stderr)
            // An interrupt from the terminal ends the recording, but not the commands.
            .process_group(0)
            .spawn()
    }
}

/// Whether `program` exists, looked up as execvp(3) does it.
fn is_there(program: &Path) -> bool {
    let runs = |path: &Path| {
        path.is_file() && nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok()
    };
    if program.components().count() > 1 {
        return runs(program);
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| runs(&folder.join(program)))
}

/// Runs a few commands at a time in a thread of its own, so that the thread that stores frames
/// never waits for them.
#[derive(Debug)]
pub struct Commands {
    files: SyncSender<PathBuf>,
    told: Receiver<String>,
    thread: JoinHandle<()>,
    /// Files whose command was not run, because too many wait.
    left_out: u64,
}

impl Commands {
    /// Starts the thread that runs the commands.
    ///
    /// # Errors
    /// An error if the thread cannot be started.
    pub fn start(words: CommandLine) -> Result<Self> {
        let (files, waiting) = sync_channel(WAITING_MAX);
        let (tell, told) = channel();
        let thread = std::thread::Builder::new()
            .name("hpcapdd-command".into())
            .spawn(move || run(&words, &waiting, &tell))
            .context(|| "start a thread")?;
        Ok(Self {
            files,
            told,
            thread,
            left_out: 0,
        })
    }

    /// Queues the command for the file `path`.
    pub fn file(&mut self, path: &Path) {
        if let Err(TrySendError::Full(_)) = self.files.try_send(path.to_owned()) {
            self.left_out += 1;
        }
    }

    /// Returns messages about what failed since the last call.
    pub fn messages(&mut self) -> Vec<String> {
        let mut messages: Vec<String> = self.told.try_iter().collect();
        if self.left_out > 0 {
            messages.push(format!(
                "--on-complete was not run for {} files: {WAITING_MAX} wait already",
                std::mem::take(&mut self.left_out)
            ));
        }
        messages
    }

    /// Waits until all commands have ended or `give_up` returns true. Returns messages about what
    /// failed.
    pub fn finish(mut self, give_up: impl Fn() -> bool) -> Vec<String> {
        let mut messages = self.messages();
        drop(self.files);
        loop {
            match self.told.recv_timeout(LOOK) {
                Ok(message) => messages.push(message),
                Err(RecvTimeoutError::Disconnected) => {
                    let _ = self.thread.join();
                    return messages;
                }
                Err(RecvTimeoutError::Timeout) if give_up() => {
                    messages.push("commands of --on-complete still run, or were not run".into());
                    return messages;
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

/// Body of the thread: starts commands, and waits for all that it has started.
fn run(words: &CommandLine, waiting: &Receiver<PathBuf>, tell: &Sender<String>) {
    let mut running: Vec<(Child, PathBuf)> = Vec::new();
    let mut more = true;
    while more || !running.is_empty() {
        if more && running.len() < RUNNING_MAX {
            let timeout = if running.is_empty() { LOOK * 20 } else { LOOK };
            match waiting.recv_timeout(timeout) {
                Ok(path) => match words.spawn(&path) {
                    Ok(child) => running.push((child, path)),
                    Err(e) => {
                        let text = format!("cannot run --on-complete for {}: {e}", path.display());
                        let _ = tell.send(text);
                    }
                },
                Err(RecvTimeoutError::Disconnected) => more = false,
                Err(RecvTimeoutError::Timeout) => {}
            }
        } else {
            std::thread::sleep(LOOK);
        }
        running.retain_mut(|(child, path)| match child.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) if status.success() => false,
            Ok(Some(status)) => {
                let _ = tell.send(format!(
                    "--on-complete failed for {}: {status}",
                    path.display()
                ));
                false
            }
            Err(e) => {
                let _ = tell.send(format!("cannot wait for --on-complete: {e}"));
                false
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_is_split_like_a_shell_does() {
        let words = CommandLine::parse("sh -c 'a b' \"c d\"").unwrap();
        assert_eq!(words.program, "sh");
        assert_eq!(words.arguments, ["-c", "a b", "c d"].map(OsString::from));
        for line in [
            "",
            "  ",
            "sh 'open",
            "no-such-program-here -x",
            "/etc/passwd",
        ] {
            let error = CommandLine::parse(line).unwrap_err();
            assert_eq!(error.kind(), hpcap::Kind::Usage, "{line}");
        }
    }

    #[test]
    fn path_reaches_the_command_untouched() {
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join("a b;$(touch no)'\".pcapng");
        let out = dir.path().join("out");
        let line = format!(
            "sh -c 'printf %s \"$1|$HPCAP_FILE\" > {}' sh",
            out.display()
        );
        let mut commands = Commands::start(CommandLine::parse(&line).unwrap()).unwrap();
        commands.file(&odd);
        assert!(commands.finish(|| false).is_empty());
        let odd = odd.display();
        assert_eq!(
            std::fs::read_to_string(out).unwrap(),
            format!("{odd}|{odd}")
        );
    }

    #[test]
    fn failed_command_is_reported() {
        let mut commands = Commands::start(CommandLine::parse("false").unwrap()).unwrap();
        commands.file(Path::new("/d/f.pcap"));
        let messages = commands.finish(|| false);
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert!(messages[0].contains("/d/f.pcap") && messages[0].contains("exit status: 1"));
    }

    #[test]
    fn hanging_command_can_be_abandoned() {
        let mut commands = Commands::start(CommandLine::parse("sleep 5").unwrap()).unwrap();
        commands.file(Path::new("1"));
        assert_eq!(commands.finish(|| true).len(), 1);
    }
}
