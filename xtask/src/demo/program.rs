//! A program of the demonstration, and what it prints.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hpcap_bench::process::check_interrupted;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Error, Result, failed, show};

/// Longest time that the demonstration waits for a condition.
const TIME_LIMIT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Where the lines go that a program prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// They are shown as they come.
    Shown,
    /// They are kept until the demonstration shows them.
    Kept,
}

/// A running program. Dropping it ends the program with SIGTERM and waits for its end.
#[derive(Debug)]
pub(super) struct Program {
    name: String,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Program {
    /// Starts `command`. Standard output and standard error become one stream of lines.
    pub(super) fn start(mut command: Command, lines: Lines) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let started = (|| {
            let (output, input) = std::io::pipe()?;
            command
                .stdin(Stdio::null())
                .stdout(input.try_clone()?)
                .stderr(input);
            Ok((command.spawn()?, output))
        })();
        // The output ends when no process holds the end that writes, so this process closes its own copies.
        drop(command);
        let (child, output) =
            started.map_err(|e: std::io::Error| failed(format!("cannot run {name}: {e}")))?;
        let kept = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&kept);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(output)
                .split(b'\n')
                .map_while(std::io::Result::ok)
            {
                let line = String::from_utf8_lossy(&line).into_owned();
                if lines == Lines::Shown {
                    show::quote(&line);
                }
                sink.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
            }
        });
        Ok(Self {
            name,
            child,
            lines: kept,
            reader: Some(reader),
        })
    }

    /// Returns the lines that the program has printed.
    pub(super) fn lines(&self) -> Vec<String> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends SIGINT to the program, if it still runs.
    pub(super) fn interrupt(&mut self) {
        self.signal(Signal::SIGINT);
    }

    fn signal(&mut self, signal: Signal) {
        if self.is_running() {
            let _ = kill(Pid::from_raw(self.child.id().cast_signed()), signal);
        }
    }

    /// Waits until the program has ended. Returns everything that it printed.
    pub(super) fn wait(mut self) -> Result<Vec<String>> {
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if check_interrupted().is_err() => return Err(Error::Interrupted),
                Ok(None) => std::thread::sleep(POLL_INTERVAL),
                Err(e) => return Err(failed(format!("cannot wait for {}: {e}", self.name))),
            }
        };
        self.finish_reading();
        match status.success() {
            true => Ok(self.lines()),
            false => Err(failed(format!("{} failed: {status}", self.name))),
        }
    }

    fn finish_reading(&mut self) {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.signal(Signal::SIGTERM);
        let _ = self.child.wait();
        self.finish_reading();
    }
}

/// Waits until `condition` holds. Returns whether it did within a minute.
pub(super) fn wait_until(mut condition: impl FnMut() -> bool) -> Result<bool> {
    let start = Instant::now();
    while !condition() {
        if check_interrupted().is_err() {
            return Err(Error::Interrupted);
        }
        if start.elapsed() > TIME_LIMIT {
            return Ok(false);
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Program::start(command, Lines::Kept).unwrap()
    }

    #[test]
    fn program_keeps_lines_of_both_outputs_in_order() {
        let lines = shell("echo a; echo b >&2; printf c").wait().unwrap();
        assert_eq!(lines, ["a", "b", "c"]);
    }

    #[test]
    fn program_that_fails_is_named() {
        let error = shell("exit 3").wait().unwrap_err();
        assert_eq!(error.to_string(), "sh failed: exit status: 3");
    }

    #[test]
    fn missing_program_is_named() {
        let error = Program::start(Command::new("/no/such/program"), Lines::Kept).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("cannot run /no/such/program: No such file"),
            "{text}"
        );
    }

    #[test]
    fn dropped_program_ends() {
        let program = shell("echo started; exec sleep 1000");
        let pid = Pid::from_raw(program.child.id().cast_signed());
        assert!(wait_until(|| !program.lines().is_empty()).unwrap());
        drop(program);
        assert_eq!(kill(pid, None), Err(nix::errno::Errno::ESRCH));
    }
}
