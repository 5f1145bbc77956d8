//! Running the programs of a test.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// The programs that the tests need.
pub(super) const PROGRAMS: [&str; 3] = ["hpcapd", "hpcapdd", "checkraw"];

/// The longest time that a program of a test may take.
const LIMIT: Duration = Duration::from_secs(180);

/// A folder for the tests, which is removed with this value.
#[derive(Debug)]
pub(super) struct Lab {
    folder: TempDir,
    programs: Option<PathBuf>,
}

/// A program that runs. Dropping it ends the program.
#[derive(Debug)]
pub(super) struct Running {
    name: &'static str,
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

/// A program that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    /// The lines of its output that are JSON.
    pub(super) events: Vec<Value>,
    /// Its error output.
    pub(super) messages: String,
}

impl Lab {
    /// Creates the folder, below `dir` if it is given.
    pub(super) fn new(dir: Option<&Path>, programs: Option<PathBuf>) -> Result<Self> {
        let below = dir.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let folder = tempfile::Builder::new()
            .prefix("hpcap-selftest-")
            .tempdir_in(&below)
            .context(|| format!("make a folder for the tests in {}", below.display()))?;
        fs::create_dir(folder.path().join("run"))
            .context(|| "make a folder for the sockets of the tests")?;
        Ok(Self { folder, programs })
    }

    /// A path in the folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Finds a program: where the user says, beside this one, or by PATH.
    fn program(&self, name: &str) -> PathBuf {
        if let Some(folder) = &self.programs {
            return folder.join(name);
        }
        let own = std::env::current_exe().ok();
        let beside = own.and_then(|own| Some(own.parent()?.join(name)));
        beside
            .filter(|path| path.exists())
            .unwrap_or_else(|| name.into())
    }

    /// Returns the version of a program.
    pub(super) fn version(&self, name: &'static str) -> Result<String> {
        let program = self.program(name);
        let done = Command::new(&program)
            .arg("--version")
            .output()
            .context(|| format!("run {}", program.display()))?;
        let text = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        Ok(text.strip_prefix(name).unwrap_or(&text).trim().to_owned())
    }

    /// Starts a program that sees only the queues of the tests.
    pub(super) fn start(&self, name: &'static str, arguments: &[&str]) -> Result<Running> {
        // No device of a kernel module is there.
        let run = self.path("run");
        let folders = [("HPCAP_RUN_DIR", &run), ("HPCAP_DEV_DIR", &run)];
        self.start_with(name, arguments, &folders)
    }

    /// Starts a program that sees the queues of the machine.
    pub(super) fn start_on_the_machine(
        &self,
        name: &'static str,
        arguments: &[&str],
    ) -> Result<Running> {
        self.start_with(name, arguments, &[])
    }

    fn start_with(
        &self,
        name: &'static str,
        arguments: &[&str],
        environment: &[(&str, &PathBuf)],
    ) -> Result<Running> {
        let program = self.program(name);
        let tried = || format!("run {}", program.display());
        let (out, err) = (
            self.path(&format!("{name}.out")),
            self.path(&format!("{name}.err")),
        );
        let child = Command::new(&program)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(File::create(&out).context(tried)?)
            .stderr(File::create(&err).context(tried)?)
            .spawn()
            .context(tried)?;
        Ok(Running {
            name,
            child,
            out,
            err,
        })
    }
}

impl Running {
    fn tried(&self) -> String {
        format!("run {} for a test", self.name)
    }

    /// Waits until its output has an event called `event`.
    pub(super) fn wait_for(&mut self, event: &str) -> Result<()> {
        let end = Instant::now() + LIMIT;
        loop {
            let found = events(&self.out)
                .iter()
                .any(|found| found["event"] == event);
            if found {
                return Ok(());
            }
            let ended = self
                .child
                .try_wait()
                .context(|| "look at a program of a test")?;
            if ended.is_some() || Instant::now() >= end {
                let why = format!("it did not say {event:?}: {}", self.messages());
                return Err(Error::new(Kind::Gone, self.tried(), why));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks it to end as a person at its terminal does, and waits for its end, which must be a success.
    pub(super) fn interrupt_and_wait(self) -> Result<Ended> {
        let (pid, tried) = (self.pid(), self.tried());
        kill(pid, Signal::SIGINT).context(|| "interrupt a program of a test")?;
        let ended = self.wait()?;
        match ended.status.success() {
            true => Ok(ended),
            false => Err(Error::new(Kind::Io, tried, ended.messages)),
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Waits for its end.
    pub(super) fn wait(mut self) -> Result<Ended> {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self
                .child
                .try_wait()
                .context(|| "wait for a program of a test")?
            {
                return Ok(Ended {
                    status,
                    events: events(&self.out),
                    messages: self.messages(),
                });
            }
            if Instant::now() >= end {
                let why = format!("it has not ended after {LIMIT:?}: {}", self.messages());
                return Err(Error::new(Kind::Timeout, self.tried(), why));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn messages(&self) -> String {
        let text = fs::read_to_string(&self.err).unwrap_or_default();
        text.trim().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = kill(self.pid(), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

fn events(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}
