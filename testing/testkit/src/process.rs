//! Starting a program, reading its output, ending it.

use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::wait::time_limit;

/// Copies a program, which can be started at once.
///
/// `cp` makes the copy, because other threads of this process may start children meanwhile. A child inherits the
/// descriptors that are open at that moment, and Linux starts no program that a process has open for writing (ETXTBSY,
/// "Text file busy").
pub fn copy_program(from: &Path, to: &Path) {
    let done = Command::new("cp").arg(from).arg(to).status();
    assert!(done.unwrap().success(), "cp of {}", from.display());
}

/// Makes a program or script with these `contents`, which can be started at once. As in [`copy_program`],
/// another process writes the file.
pub fn write_program(path: &Path, contents: impl AsRef<[u8]>) {
    let mut install = Command::new("install")
        .args(["-m", "755", "/dev/stdin"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = install.stdin.take().unwrap();
    input.write_all(contents.as_ref()).unwrap();
    drop(input);
    assert!(
        install.wait().unwrap().success(),
        "install {}",
        path.display()
    );
}

/// Exit code and outputs of a program that has ended, to compare them with a snapshot.
#[must_use]
pub fn transcript(ended: &std::process::Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes);
    format!(
        "exit code {}\n--- stdout\n{}--- stderr\n{}",
        ended.status.code().unwrap(),
        text(&ended.stdout),
        text(&ended.stderr)
    )
}

/// Standard output or standard error of a program. A thread reads it all the time, so that the program
/// never blocks on a full pipe.
#[derive(Debug)]
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Output {
    fn read_from(pipe: impl Read + Send + 'static) -> Self {
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

    /// An output that goes elsewhere and is not read.
    fn none() -> Self {
        Self {
            bytes: Arc::default(),
            thread: None,
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    fn is_closed(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn finish(&mut self) -> Vec<u8> {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        std::mem::take(&mut *self.bytes.lock().unwrap())
    }
}

/// A running program. Dropping it kills the program.
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
    /// Standard output, unchanged.
    pub out_bytes: Vec<u8>,
    /// Standard output as text.
    pub out: String,
    /// Standard error as text.
    pub err: String,
    /// Bytes that the program read with read(2) and the like, from files, pipes and sockets; `None` if
    /// it had been reaped before [`Process::wait`].
    pub bytes_read: Option<u64>,
}

impl Process {
    /// Starts `command` with an empty standard input. The kernel kills the program when the thread that
    /// started it ends. The program ignores neither SIGHUP nor SIGINT, as it would when it inherited that from
    /// tests that run under nohup or in the background of a script.
    pub fn spawn(command: &mut Command) -> Self {
        Self::spawn_to(command, Stdio::piped(), Stdio::piped())
    }

    /// Starts `command` as [`Process::spawn`] does, with the given standard output and standard error.
    /// Only outputs that are [`Stdio::piped`] are collected.
    pub fn spawn_to(command: &mut Command, out: Stdio, err: Stdio) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        // SAFETY: between fork and exec only prctl(2) and sigaction(2) are called: plain system calls, which
        // take no lock and allocate nothing.
        unsafe {
            command.pre_exec(|| {
                for heard in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
                    signal(heard, SigHandler::SigDfl)?;
                }
                nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
                Ok(())
            });
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .unwrap_or_else(|e| panic!("start {name}: {e}"));
        let out = child
            .stdout
            .take()
            .map_or_else(Output::none, Output::read_from);
        let err = child
            .stderr
            .take()
            .map_or_else(Output::none, Output::read_from);
        Self {
            name,
            child,
            out,
            err,
        }
    }

    /// Returns the process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns what the program wrote to standard output so far.
    #[must_use]
    pub fn out(&self) -> String {
        self.out.text()
    }

    /// Returns what the program wrote to standard error so far.
    #[must_use]
    pub fn err(&self) -> String {
        self.err.text()
    }

    /// Returns whether the program still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Returns whether standard output was closed by the program and by all processes that share
    /// it. Everything that was written is then in [`Process::out`].
    #[must_use]
    pub fn has_closed_output(&self) -> bool {
        self.out.is_closed()
    }

    /// Waits until the program has written `text` to either output. The test fails when the program ends
    /// first.
    pub fn wait_for(&mut self, text: &str) {
        let wrote = |p: &Self| p.out().contains(text) || p.err().contains(text);
        let start = Instant::now();
        while !wrote(self) {
            // The last output may arrive after the end of the program was noticed.
            let ended = !self.is_running() && {
                std::thread::sleep(Duration::from_millis(50));
                !wrote(self)
            };
            assert!(
                !ended && start.elapsed() < time_limit(),
                "{} never wrote {text:?}\nstdout: {}\nstderr: {}",
                self.name,
                self.out(),
                self.err()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Returns whether the program has a handler for `signal`.
    #[must_use]
    pub fn catches(&self, signal: Signal) -> bool {
        self.has_in_set("SigCgt", signal)
    }

    /// Returns whether `signal` was sent to the program and has not arrived yet.
    #[must_use]
    pub fn has_pending(&self, signal: Signal) -> bool {
        self.has_in_set("ShdPnd", signal)
    }

    /// Returns whether `signal` is in the set `name` of `/proc/PID/status`. The sets of a program that has
    /// ended are empty.
    fn has_in_set(&self, name: &str, signal: Signal) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let set = line.map(|set| u64::from_str_radix(set.trim_matches([':', '\t']), 16).unwrap());
        (set.unwrap_or(0) >> (signal as u32 - 1)) & 1 == 1
    }

    /// Sends a signal to the program. It is no error if the program has just ended.
    pub fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.pid().try_into().unwrap()), signal);
    }

    /// Returns how many bytes the program read, if it has ended and was not reaped yet: the kernel
    /// counts until then.
    fn bytes_read_until_end(&self) -> Option<u64> {
        let id = Id::Pid(Pid::from_raw(self.pid().try_into().unwrap()));
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        match waitid(id, flags) {
            Ok(WaitStatus::StillAlive) | Err(_) => return None,
            Ok(_) => {}
        }
        let counters = std::fs::read_to_string(format!("/proc/{}/io", self.pid())).ok()?;
        let line = counters.lines().find_map(|l| l.strip_prefix("rchar: "))?;
        line.parse().ok()
    }

    /// Waits until the program has ended.
    #[must_use]
    pub fn wait(mut self) -> Finished {
        let start = Instant::now();
        let mut bytes_read = None;
        let status = loop {
            bytes_read = bytes_read.or_else(|| self.bytes_read_until_end());
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                start.elapsed() < time_limit(),
                "{} did not end in time\nstdout: {}\nstderr: {}",
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
            bytes_read,
        }
    }

    /// Sends SIGINT and waits until the program has ended.
    #[must_use]
    pub fn interrupt(self) -> Finished {
        self.signal(Signal::SIGINT);
        self.wait()
    }

    /// Sends SIGKILL and waits until the program has ended.
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

/// Runs `command` until it ends.
#[must_use]
pub fn run(command: &mut Command) -> Finished {
    Process::spawn(command).wait()
}

impl Finished {
    /// Returns the exit code; `None` if a signal ended the program.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Returns the signal that ended the program; `None` if it exited.
    #[must_use]
    pub fn signal(&self) -> Option<Signal> {
        Signal::try_from(self.status.signal()?).ok()
    }

    /// Fails the test unless the program ended with exit code `code`.
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

    /// Fails the test unless standard error contains each of `words`.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(
                self.err.contains(word),
                "{} did not write {word:?}: {}",
                self.name,
                self.err
            );
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }

    /// Returns the last JSON object on standard output whose `event` is `event`.
    #[must_use]
    #[track_caller]
    pub fn event(&self, event: &str) -> serde_json::Value {
        events(&self.out)
            .rev()
            .find(|v| v["event"] == event)
            .unwrap_or_else(|| panic!("no {event}: {}\n{}", self.out, self.err))
    }
}

/// Returns the lines of `text` that are JSON.
pub fn events(text: &str) -> impl DoubleEndedIterator<Item = serde_json::Value> + '_ {
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
}

/// Returns how often the threads of process `pid` whose names begin with `name` have gone to sleep.
#[must_use]
pub fn sleeps(pid: u32, name: &str) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let mut sleeps = 0;
    for thread in threads {
        let path = thread.unwrap().path();
        // A thread may end meanwhile.
        let read = |file| std::fs::read_to_string(path.join(file)).unwrap_or_default();
        if read("comm").starts_with(name) {
            let status = read("status");
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            sleeps += line.map_or(0, |number| number.trim().parse::<u64>().unwrap());
        }
    }
    sleeps
}
