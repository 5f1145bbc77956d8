//! Signals that end the dashboard: SIGINT, SIGTERM, SIGHUP and SIGQUIT.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hpcap::Result;
use hpcap::error::Context;
use nix::libc;
use nix::sys::termios::{SetArg, Termios, tcsetattr};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH};

/// Time that the dashboard has to end by itself after a signal.
const PATIENCE: Duration = Duration::from_secs(2);

/// The signals that have arrived so far.
#[derive(Debug)]
pub(super) struct Signals {
    stop: Arc<AtomicBool>,
    resumed: Arc<AtomicBool>,
    /// Becomes readable with each signal, so that poll(2) returns.
    arrived: UnixStream,
}

impl Signals {
    /// Installs the handlers. If a terminal that takes no output keeps the program from ending after a
    /// signal, a thread gives it its `settings` back and ends the program.
    ///
    /// # Errors
    /// An error of the operating system.
    pub(super) fn install(settings: Termios) -> Result<Self> {
        let tried = || "prepare for signals";
        let (arrived, signalled) = UnixStream::pair().context(tried)?;
        let (ends, ended) = UnixStream::pair().context(tried)?;
        arrived.set_nonblocking(true).context(tried)?;
        let stop: Arc<AtomicBool> = Arc::default();
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
            // The handler that sets the flag is registered before the one that writes to the pipe, so that a thread
            // that the pipe wakes finds the flag set.
            signal_hook::flag::register(signal, Arc::clone(&stop)).context(tried)?;
            for end in [&signalled, &ended] {
                let end = end.try_clone().context(tried)?;
                signal_hook::low_level::pipe::register(signal, end).context(tried)?;
            }
        }
        let resumed: Arc<AtomicBool> = Arc::default();
        signal_hook::flag::register(SIGCONT, Arc::clone(&resumed)).context(tried)?;
        for signal in [SIGCONT, SIGWINCH] {
            let end = signalled.try_clone().context(tried)?;
            signal_hook::low_level::pipe::register(signal, end).context(tried)?;
        }
        let settings = libc::termios::from(settings);
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || end_at_last(ends, settings))
            .context(tried)?;
        Ok(Self {
            stop,
            resumed,
            arrived,
        })
    }

    /// Returns whether a signal has requested the end.
    pub(super) fn stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Returns whether the program was stopped and resumed since the last call. A shell may have changed
    /// the terminal meanwhile.
    pub(super) fn take_resumed(&self) -> bool {
        self.resumed.swap(false, Ordering::Relaxed)
    }

    /// Reads what woke poll(2).
    pub(super) fn clear(&self) {
        let mut buffer = [0; 64];
        while matches!((&self.arrived).read(&mut buffer), Ok(n) if n > 0) {}
    }
}

/// Waits for a signal. If the program still runs some time later, its output is stuck, and nothing but
/// the settings of the terminal can be restored.
fn end_at_last(mut ends: UnixStream, settings: libc::termios) {
    if !matches!(ends.read(&mut [0]), Ok(1)) {
        return;
    }
    std::thread::sleep(PATIENCE);
    let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, &settings.into());
    // The usual way out would wait for the output that is stuck.
    signal_hook::low_level::exit(1);
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.arrived.as_fd()
    }
}
