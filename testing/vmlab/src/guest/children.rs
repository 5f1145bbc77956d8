//! Waits for every process that ends in the guest: the commands, and orphans, which the first
//! program inherits.

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;

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
