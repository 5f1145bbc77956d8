//! Running the command of a sender.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hpcap_base::error::Context;
use hpcap_base::{Error, Kind, Result};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::{Load, Program, Template};

/// The time that a sender may take beside that of its frames: to log in, to start, and to bring its link up.
const PREPARATION: Duration = Duration::from_secs(120);

/// The bytes that are kept of an output: its end.
const KEPT_BYTES: usize = 1 << 20;

/// Lines of a sender's output in an error.
const QUOTED_LINES: usize = 5;

/// A program that sends traffic, and the command that starts it.
#[derive(Debug, Clone)]
pub struct Sender {
    program: Program,
    template: Template,
    preparation: Duration,
}

impl Sender {
    /// A sender. Nothing is started yet.
    #[must_use]
    pub fn new(program: Program, template: Template) -> Self {
        Self {
            program,
            template,
            preparation: PREPARATION,
        }
    }

    /// Sends, and returns the number of frames that the program says it has sent.
    ///
    /// The command runs in a process group of its own, which is killed when the command takes two minutes longer than
    /// four times the time of the frames at their rate.
    ///
    /// # Errors
    /// The command cannot be started, fails, does not end in its time, or does not say at its end how many frames it has
    /// sent. The error has the last lines of its output.
    pub fn send(&self, load: Load) -> Result<u64> {
        let command = self.template.command(&load);
        let tried = format!("send with `{command}`");
        let child = Command::new("sh")
            .args(["-c", &command])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .context(|| tried.clone())?;
        let limit = load.duration() * 4 + self.preparation;
        let mut running = Running::new(child);
        let ended = running
            .wait(limit)
            .map_err(io::Error::from)
            .context(|| tried.clone())?;
        let (status, output) = running.end().context(|| tried.clone())?;
        if !ended {
            let why = format!("it has not ended after {limit:?}");
            return Err(Error::new(Kind::Timeout, tried, quote(why, &output)));
        }
        if !status.success() {
            let why = format!("it failed ({status})");
            return Err(Error::new(Kind::Io, tried, quote(why, &output)));
        }
        self.program.sent(&output.stdout).ok_or_else(|| {
            let why = format!(
                "its output does not say how many frames it has sent: {} was expected",
                self.program.prints()
            );
            Error::new(Kind::Format, tried, quote(why, &output))
        })
    }
}

/// The end of what a command has printed.
#[derive(Debug, Default)]
struct Output {
    stdout: String,
    stderr: String,
}

/// A command that runs. Dropping this value kills its process group.
#[derive(Debug)]
struct Running {
    child: Child,
    readers: Option<[JoinHandle<String>; 2]>,
}

impl Running {
    fn new(mut child: Child) -> Self {
        let readers = [read_end(child.stdout.take()), read_end(child.stderr.take())];
        Self {
            child,
            readers: Some(readers),
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Waits for the end of the command, at most for `limit`. Returns whether it has ended; its process stays a zombie,
    /// so that the number of its group cannot be given to another group yet.
    fn wait(&self, limit: Duration) -> nix::Result<bool> {
        let end = Instant::now() + limit;
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        loop {
            if waitid(Id::Pid(self.pid()), look)? != WaitStatus::StillAlive {
                return Ok(true);
            }
            if Instant::now() >= end {
                return Ok(false);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills what is left of the process group, so that both outputs end, and returns them.
    fn end(&mut self) -> io::Result<(ExitStatus, Output)> {
        if let Some(readers) = self.readers.take() {
            let _ = killpg(self.pid(), Signal::SIGKILL);
            let status = self.child.wait()?;
            let [stdout, stderr] = readers.map(|reader| reader.join().unwrap_or_default());
            return Ok((status, Output { stdout, stderr }));
        }
        Ok((self.child.wait()?, Output::default()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Reads an output to its end, and keeps the last bytes.
fn read_end(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut kept = VecDeque::new();
        let mut piece = [0; 8192];
        let Some(mut pipe) = pipe else {
            return String::new();
        };
        while let Ok(read @ 1..) = pipe.read(&mut piece) {
            kept.extend(&piece[..read]);
            let surplus = kept.len().saturating_sub(KEPT_BYTES);
            kept.drain(..surplus);
        }
        String::from_utf8_lossy(kept.make_contiguous()).into_owned()
    })
}

/// Adds the last lines of an output to a reason.
fn quote(why: String, output: &Output) -> String {
    let lines: Vec<&str> = [&output.stdout, &output.stderr]
        .into_iter()
        .flat_map(|text| {
            let mut last: Vec<&str> = text.lines().rev().take(QUOTED_LINES).collect();
            last.reverse();
            last
        })
        .collect();
    match lines.is_empty() {
        true => format!("{why}; it has printed nothing"),
        false => format!("{why}; its last lines:\n  {}", lines.join("\n  ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: Load = Load {
        size: 60,
        frames: 10,
        pps: 1000,
    };

    fn send(command: &str, preparation: Duration) -> Result<u64> {
        let mut sender = Sender::new(Program::Other, command.parse()?);
        sender.preparation = preparation;
        sender.send(LOAD)
    }

    #[test]
    fn sender_that_fails_has_no_count() {
        let error = send("echo 10; echo no link >&2; exit 3", PREPARATION).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("exit status: 3"), "{text}");
        assert!(text.contains("no link"), "{text}");
    }

    #[test]
    fn sender_that_dies_has_no_count() {
        let error = send("echo 10; kill -9 $$", PREPARATION).unwrap_err();
        assert!(error.to_string().contains("signal: 9"), "{error}");
    }

    #[test]
    fn sender_that_says_nothing_has_no_count() {
        let error = send("true", PREPARATION).unwrap_err();
        assert!(
            error.to_string().contains("it has printed nothing"),
            "{error}"
        );
    }

    #[test]
    fn sender_that_never_ends_is_killed_with_its_children() {
        let started = Instant::now();
        let command = "sleep 1000 & echo $!; sleep 1000";
        let error = send(command, Duration::from_millis(300)).unwrap_err();
        assert_eq!(error.kind(), Kind::Timeout);
        assert!(started.elapsed() < Duration::from_secs(500));
        let text = error.to_string();
        let child = text.lines().last().unwrap().trim();
        let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(" Z "), "{state}");
    }

    #[test]
    fn end_of_an_endless_output_is_kept() {
        let command = "yes 0123456789 | head -c 5000000; echo; echo {frames}";
        assert_eq!(send(command, PREPARATION).unwrap(), 10);
    }

    #[test]
    fn background_process_that_holds_the_output_delays_nothing() {
        let started = Instant::now();
        assert_eq!(send("sleep 1000 & echo 10", PREPARATION).unwrap(), 10);
        assert!(started.elapsed() < Duration::from_secs(500));
    }
}
