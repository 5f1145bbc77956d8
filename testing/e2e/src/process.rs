//! A program that runs: what it says, how it ends.

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long anything may take before the test fails. Nothing is measured by it. An emulated
/// processor gets more: `HPCAP_TEST_PATIENCE` in seconds.
#[must_use]
pub fn patience() -> Duration {
    let seconds = std::env::var("HPCAP_TEST_PATIENCE");
    Duration::from_secs(seconds.map_or(60, |text| text.parse().unwrap()))
}

/// Waits until `done` says so; fails the test when that takes longer than [`patience`].
pub fn until(what: &str, done: impl FnMut() -> bool) {
    until_for(what, patience(), done);
}

/// [`until`], with a patience of its own.
pub fn until_for(what: &str, patience: Duration, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < patience, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One of a program's outputs, read all the time so that it never blocks.
#[derive(Debug)]
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Output {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&bytes);
        let thread = std::thread::spawn(move || {
            let mut pipe = pipe;
            let mut buffer = [0; 64 << 10];
            while let Ok(n @ 1..) = pipe.read(&mut buffer) {
                sink.lock().unwrap().extend_from_slice(&buffer[..n]);
            }
        });
        Self {
            bytes,
            thread: Some(thread),
        }
    }

    /// Nothing is read.
    fn none() -> Self {
        Self {
            bytes: Arc::default(),
            thread: None,
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    fn finish(&mut self) -> Vec<u8> {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        std::mem::take(&mut *self.bytes.lock().unwrap())
    }
}

/// A program under way. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    out: Output,
    err: Output,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    name: String,
    status: ExitStatus,
    /// What it wrote to standard output, as it is.
    pub out_bytes: Vec<u8>,
    /// The same as text.
    pub out: String,
    /// What it wrote to standard error.
    pub err: String,
}

impl Process {
    /// Starts `command`. It ends with the thread that starts it, at the latest.
    pub fn spawn(command: &mut Command) -> Self {
        Self::spawn_to(command, Stdio::piped(), Stdio::piped())
    }

    /// As [`Process::spawn`], with standard output and standard error of the caller's choice; what
    /// goes elsewhere than into a pipe of its own is not read.
    pub fn spawn_to(command: &mut Command, out: Stdio, err: Stdio) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        // SAFETY: between fork and exec only prctl(2) is called, which may be (it is a plain
        // system call, takes no locks and no memory).
        unsafe {
            command.pre_exec(|| {
                nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(std::io::Error::from)
            });
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .unwrap_or_else(|e| panic!("start {name}: {e}"));
        let out = child.stdout.take().map_or_else(Output::none, Output::of);
        let err = child.stderr.take().map_or_else(Output::none, Output::of);
        Self {
            name,
            child,
            out,
            err,
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard output so far.
    #[must_use]
    pub fn out(&self) -> String {
        self.out.text()
    }

    /// What it wrote to standard error so far.
    #[must_use]
    pub fn err(&self) -> String {
        self.err.text()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has written `text` somewhere.
    pub fn wait_for(&mut self, text: &str) {
        let said = |p: &Self| p.out().contains(text) || p.err().contains(text);
        let start = Instant::now();
        while !said(self) {
            // What it said last may come in after its end was seen.
            let ended = !self.is_running() && {
                std::thread::sleep(Duration::from_millis(50));
                !said(self)
            };
            assert!(
                !ended && start.elapsed() < patience(),
                "{} never said {text:?}\nstdout: {}\nstderr: {}",
                self.name,
                self.out(),
                self.err()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends it a signal. One that has ended just now does not mind.
    pub fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.pid().try_into().unwrap()), signal);
    }

    /// Waits for its end.
    #[must_use]
    pub fn wait(mut self) -> Finished {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                start.elapsed() < patience(),
                "{} does not end\nstdout: {}\nstderr: {}",
                self.name,
                self.out(),
                self.err()
            );
            std::thread::sleep(Duration::from_millis(2));
        };
        let out_bytes = self.out.finish();
        Finished {
            name: self.name.clone(),
            status,
            out: String::from_utf8_lossy(&out_bytes).into_owned(),
            err: String::from_utf8_lossy(&self.err.finish()).into_owned(),
            out_bytes,
        }
    }

    /// SIGINT, and waits for its end.
    #[must_use]
    pub fn interrupt(self) -> Finished {
        self.signal(Signal::SIGINT);
        self.wait()
    }

    /// SIGKILL, and waits for its end.
    #[must_use]
    pub fn kill(self) -> Finished {
        self.signal(Signal::SIGKILL);
        self.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `command` to its end.
#[must_use]
pub fn run(command: &mut Command) -> Finished {
    Process::spawn(command).wait()
}

impl Finished {
    /// Its exit code; `None` when a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Fails the test unless it ended with exit code `code`.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code(),
            Some(code),
            "{} ({:?}) ended by signal {:?}\nstdout: {}\nstderr: {}",
            self.name,
            self.status,
            self.status.signal(),
            self.out,
            self.err
        );
        self
    }

    /// Fails the test unless standard error has every one of `words`.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(
                self.err.contains(word),
                "{} does not say {word:?}: {}",
                self.name,
                self.err
            );
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }

    /// The last of its lines that is a JSON object with `"event": event`.
    #[must_use]
    #[track_caller]
    pub fn event(&self, event: &str) -> serde_json::Value {
        events(&self.out)
            .rev()
            .find(|v| v["event"] == event)
            .unwrap_or_else(|| panic!("no {event}: {}\n{}", self.out, self.err))
    }
}

/// The JSON objects in `text`, one a line.
pub fn events(text: &str) -> impl DoubleEndedIterator<Item = serde_json::Value> + '_ {
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
}
