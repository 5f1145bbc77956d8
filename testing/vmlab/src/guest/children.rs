//! Every process that ends in the guest: ours, and those whose parents are gone, which the first
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

/// Collects what ends.
#[derive(Debug)]
pub(super) struct Children {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Who waits for which process.
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

    /// Starts a command. When it ends, its exit code comes out of the stream, which can be polled
    /// together with its output. Nobody else may wait for it.
    pub(super) fn spawn(
        &self,
        command: &mut Command,
    ) -> io::Result<(std::process::Child, UnixStream)> {
        let (send, receive) = UnixStream::pair()?;
        // Held over the start, so that a command that ends at once is not missed.
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
                // There is no process at all, so none to inherit from either, until we start one.
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
        // It may have lost interest.
        let _ = waiter.write_all(&code.to_le_bytes());
    }
}
