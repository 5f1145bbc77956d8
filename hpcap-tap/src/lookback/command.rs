//! A shell command whose end is an event.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// A command that runs. Dropping it ends the command and everything that it started.
#[derive(Debug)]
pub(super) struct Running {
    line: OsString,
    child: Child,
}

impl Running {
    /// Starts `line` with sh(1).
    pub(super) fn start(line: &OsStr) -> Result<Self> {
        let child = Command::new("sh")
            .arg("-c")
            .arg(line)
            .stdin(Stdio::null())
            // Standard output may be the capture.
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .context(|| format!("run the command {line:?}"))?;
        let line = line.to_owned();
        Ok(Self { line, child })
    }

    /// Whether the command has ended with exit code 0.
    ///
    /// # Errors
    /// Returns an error when it has ended in another way.
    pub(super) fn has_ended(&mut self) -> Result<bool> {
        let tried = || format!("wait for the command {:?}", self.line);
        match self.child.try_wait() {
            Ok(None) => Ok(false),
            Ok(Some(status)) if status.success() => Ok(true),
            Ok(Some(status)) => {
                Err(
                    Error::new(Kind::Io, tried(), format!("it ended with {status}"))
                        .advise("the tap waits for the command to end with exit code 0"),
                )
            }
            Err(e) => Err(Error::io(tried(), e)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None))
            && let Ok(pid) = i32::try_from(self.child.id())
        {
            let _ = killpg(Pid::from_raw(pid), Signal::SIGTERM);
            let _ = self.child.wait();
        }
    }
}
