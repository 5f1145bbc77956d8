//! Waits for every process that ends in the guest: the commands, and orphans, which the first
//! program inherits.

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, wait, waitid};
use nix::unistd::Pid;

/// Time for all processes to end once they are killed. One that waits in the kernel does not delay the end for longer.
const KILLED_WITHIN: Duration = Duration::from_secs(2);

/// Collects the exit codes of processes.
#[derive(Debug)]
pub(super) struct Children {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Where to send the exit code of each process, by process id.
    waiting: Mutex<HashMap<i32, UnixStream>>,
    started: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<i32, UnixStream>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Children {
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let collector = Arc::clone(&shared);
        thread::Builder::new()
            .name("children".to_owned())
            .spawn(move || collect(&collector))?;
        Ok(Self { shared })
    }

    /// Starts a command. After the command has ended, its exit code can be read from the returned
    /// stream, which can be polled together with the output. No other code may wait for the
    /// process.
    pub(super) fn spawn(
        &self,
        command: &mut Command,
    ) -> io::Result<(std::process::Child, UnixStream)> {
        let (send, receive) = UnixStream::pair()?;
        // The lock is held until the process is registered, so that a command that ends at once is
        // not missed.
        let mut waiting = self.shared.lock();
        let child = command.spawn()?;
        waiting.insert(child.id().cast_signed(), send);
        self.shared.started.notify_all();
        Ok((child, receive))
    }
}

/// Kills every process but the first one, and waits until all of them have ended. A [`Children`] takes their exit codes meanwhile.
pub(super) fn end_all() {
    let every_process = Pid::from_raw(-1);
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    let asked = Instant::now();
    let _ = kill(every_process, Signal::SIGKILL);
    // Orphans become children of this process, so that none is left as soon as there is no child.
    while waitid(Id::All, look) != Err(Errno::ECHILD) && asked.elapsed() < KILLED_WITHIN {
        thread::sleep(Duration::from_millis(5));
    }
}

fn collect(shared: &Shared) {
    loop {
        let (pid, code) = match wait() {
            Ok(WaitStatus::Exited(pid, code)) => (pid, code),
            Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, 128 + signal as i32),
            Err(Errno::ECHILD) => {
                // There is no process, and so none that could leave orphans, until the next command
                // starts.
                let waiting = shared.lock();
                if waiting.is_empty() {
                    drop(shared.started.wait(waiting));
                }
                continue;
            }
            Ok(_) | Err(_) => continue,
        };
        tell(shared, pid, code);
    }
}

fn tell(shared: &Shared, pid: Pid, code: i32) {
    if let Some(mut waiter) = shared.lock().remove(&pid.as_raw()) {
        // The receiver may have been dropped.
        let _ = waiter.write_all(&code.to_le_bytes());
    }
}
