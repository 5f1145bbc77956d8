//! Watches a machine: its console, QEMU's errors and its time limit, to explain why it ended.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{ChildStderr, ChildStdout};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::console::{Log, Severity};
use super::qemu::Lifetime;
use super::running::spawn;
use super::{Machine, MachineError};

/// Time that a machine lives on after the first fatal line, so that the lines with the place arrive.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Lines of the console that are shown when the kernel reported no fault.
const TAIL: usize = 25;

#[derive(Debug)]
pub(super) struct Watch {
    seen: Mutex<Seen>,
    changed: Condvar,
    file: Option<File>,
    verbose: bool,
}

#[derive(Debug, Default)]
struct Seen {
    log: Log,
    qemu: String,
    failed: Option<String>,
    limit: Option<Duration>,
    console_closed: bool,
    ended: bool,
}

impl Watch {
    pub(super) fn new(machine: &Machine) -> Result<Self, MachineError> {
        let create = |path: &PathBuf| {
            File::create(path).map_err(|e| MachineError::host(format!("{}: {e}", path.display())))
        };
        let log = Log::new(machine.tolerated.clone());
        Ok(Self {
            seen: Mutex::new(Seen {
                log,
                ..Seen::default()
            }),
            changed: Condvar::new(),
            file: machine.log.as_ref().map(create).transpose()?,
            verbose: machine.verbose,
        })
    }

    /// Starts the threads that watch.
    pub(super) fn start(
        self: &Arc<Self>,
        life: Arc<Lifetime>,
        console: ChildStdout,
        errors: ChildStderr,
        limit: Option<Duration>,
    ) -> io::Result<Vec<JoinHandle<()>>> {
        let (watch, ending) = (Arc::clone(self), Arc::clone(&life));
        let mut threads = vec![spawn("console", move || {
            watch.read_console(console, &ending);
        })?];
        let watch = Arc::clone(self);
        threads.push(spawn("qemu-errors", move || watch.read_errors(errors))?);
        if let Some(limit) = limit {
            let watch = Arc::clone(self);
            threads.push(spawn("limit", move || watch.keep_limit(limit, &life))?);
        }
        Ok(threads)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_console(&self, console: ChildStdout, life: &Arc<Lifetime>) {
        let mut console = BufReader::new(console);
        let mut line = Vec::new();
        let mut ending = false;
        while matches!(console.read_until(b'\n', &mut line), Ok(1..)) {
            // These copies are for people. The log in memory decides.
            if let Some(mut file) = self.file.as_ref() {
                let _ = file.write_all(&line);
            }
            if self.verbose {
                let _ = io::stderr().write_all(&line);
            }
            let severity = self.lock().log.add(&String::from_utf8_lossy(&line));
            line.clear();
            if severity == Some(Severity::Fatal) && !ending {
                ending = true;
                let life = Arc::clone(life);
                let end = move || {
                    thread::sleep(LAST_WORDS);
                    life.end();
                };
                if spawn("last-words", end).is_err() {
                    break;
                }
            }
        }
        self.lock().console_closed = true;
        self.changed.notify_all();
    }

    fn read_errors(&self, mut errors: ChildStderr) {
        let mut piece = [0; 4096];
        while let Ok(n @ 1..) = errors.read(&mut piece) {
            self.report(&String::from_utf8_lossy(&piece[..n]));
        }
    }

    /// Records a fault of the machine itself, rather than of its guest.
    pub(super) fn report(&self, what: &str) {
        if self.verbose {
            eprint!("{what}");
        }
        let mut seen = self.lock();
        // QEMU writes little, but a device in an endless loop could fill the memory.
        if seen.qemu.len() < 1 << 16 {
            seen.qemu.push_str(what);
        }
    }

    fn keep_limit(&self, limit: Duration, life: &Lifetime) {
        let until = Instant::now() + limit;
        let mut seen = self.lock();
        while !seen.ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                seen.limit = Some(limit);
                life.end();
                return;
            }
            let waited = self.changed.wait_timeout(seen, left);
            seen = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Records why the guest cannot be set up.
    pub(super) fn failed(&self, why: String) {
        self.lock().failed = Some(why);
    }

    /// Records that QEMU has ended.
    pub(super) fn ended(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Waits, for at most `limit`, until the console is closed, which happens when QEMU ends.
    pub(super) fn wait_for_end(&self, limit: Duration) {
        let open = |seen: &mut Seen| !seen.console_closed;
        drop(self.changed.wait_timeout_while(self.lock(), limit, open));
    }

    /// Returns the whole console log.
    pub(super) fn text(&self) -> String {
        self.lock().log.text()
    }

    pub(super) fn took_too_long(&self, what: &str, limit: Duration) -> MachineError {
        let console = self.lock().log.tail(TAIL);
        MachineError::TimeLimit {
            what: what.to_owned(),
            limit,
            console,
        }
    }

    /// Returns the fault that the kernel reported, if any.
    pub(super) fn verdict(&self) -> Result<(), MachineError> {
        match self.lock().log.complaint() {
            Some(lines) => Err(MachineError::Kernel(lines)),
            None => Ok(()),
        }
    }

    /// Explains why the machine has ended unexpectedly.
    pub(super) fn explain(&self) -> MachineError {
        if let Err(error) = self.verdict() {
            return error;
        }
        let seen = self.lock();
        if let Some(why) = &seen.failed {
            return MachineError::Guest(why.clone());
        }
        let console = seen.log.tail(TAIL);
        match seen.limit {
            Some(limit) => MachineError::TimeLimit {
                what: "the machine".to_owned(),
                limit,
                console,
            },
            None => MachineError::Ended {
                qemu: seen.qemu.clone(),
                console,
            },
        }
    }
}
