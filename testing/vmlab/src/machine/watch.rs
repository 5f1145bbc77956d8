//! What a machine says, what QEMU says, how long it takes: and why it ended.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{ChildStderr, ChildStdout};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::console::{Log, Severity};
use super::qemu::Life;
use super::running::spawn;
use super::{Machine, Trouble};

/// After the first fatal line: for the lines that say where it was.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Lines of the console that are shown when the kernel did not complain.
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
    pub(super) fn new(machine: &Machine) -> Result<Self, Trouble> {
        let create = |path: &PathBuf| {
            File::create(path).map_err(|e| Trouble::host(format!("{}: {e}", path.display())))
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

    /// Watches from now on.
    pub(super) fn start(
        self: &Arc<Self>,
        life: Arc<Life>,
        console: ChildStdout,
        errors: ChildStderr,
        limit: Option<Duration>,
    ) -> io::Result<Vec<JoinHandle<()>>> {
        let (watch, doomed) = (Arc::clone(self), Arc::clone(&life));
        let mut threads = vec![spawn("console", move || {
            watch.read_console(console, &doomed);
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

    fn read_console(&self, console: ChildStdout, life: &Arc<Life>) {
        let mut console = BufReader::new(console);
        let mut line = Vec::new();
        let mut doomed = false;
        while matches!(console.read_until(b'\n', &mut line), Ok(1..)) {
            // The log in memory decides; these are for reading.
            if let Some(mut file) = self.file.as_ref() {
                let _ = file.write_all(&line);
            }
            if self.verbose {
                let _ = io::stderr().write_all(&line);
            }
            let trouble = self.lock().log.add(&String::from_utf8_lossy(&line));
            line.clear();
            if trouble == Some(Severity::Fatal) && !doomed {
                doomed = true;
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
            self.heard(&String::from_utf8_lossy(&piece[..n]));
        }
    }

    /// Something is wrong with the machine, and not in it.
    pub(super) fn heard(&self, what: &str) {
        if self.verbose {
            eprint!("{what}");
        }
        let mut seen = self.lock();
        // QEMU is terse, except when a device talks to itself for ever.
        if seen.qemu.len() < 1 << 16 {
            seen.qemu.push_str(what);
        }
    }

    fn keep_limit(&self, limit: Duration, life: &Life) {
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

    /// The guest said that it cannot be set up.
    pub(super) fn failed(&self, why: String) {
        self.lock().failed = Some(why);
    }

    /// QEMU has ended.
    pub(super) fn ended(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Waits until the console is closed, which is when QEMU ends, but not for ever.
    pub(super) fn wait_for_end(&self, limit: Duration) {
        let open = |seen: &mut Seen| !seen.console_closed;
        drop(self.changed.wait_timeout_while(self.lock(), limit, open));
    }

    /// Everything that the kernel has said.
    pub(super) fn text(&self) -> String {
        self.lock().log.text()
    }

    pub(super) fn took_too_long(&self, what: &str, limit: Duration) -> Trouble {
        let console = self.lock().log.tail(TAIL);
        Trouble::TimeLimit {
            what: what.to_owned(),
            limit,
            console,
        }
    }

    /// What the kernel complained of, if it did.
    pub(super) fn verdict(&self) -> Result<(), Trouble> {
        match self.lock().log.trouble() {
            Some(lines) => Err(Trouble::Kernel(lines)),
            None => Ok(()),
        }
    }

    /// Why the machine has ended although nobody asked it to.
    pub(super) fn explain(&self) -> Trouble {
        if let Err(trouble) = self.verdict() {
            return trouble;
        }
        let seen = self.lock();
        if let Some(why) = &seen.failed {
            return Trouble::Guest(why.clone());
        }
        let console = seen.log.tail(TAIL);
        match seen.limit {
            Some(limit) => Trouble::TimeLimit {
                what: "the machine".to_owned(),
                limit,
                console,
            },
            None => Trouble::Ended {
                qemu: seen.qemu.clone(),
                console,
            },
        }
    }
}
