//! Signals: SIGINT and SIGTERM stop the monitor, SIGHUP reads the configuration anew.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hpcap::Result;
use hpcap::error::Context;
use hpcap::message::is_ignored;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// The signals that have arrived so far.
#[derive(Debug)]
pub(crate) struct Signals {
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
    /// Becomes readable with each signal, so that poll(2) returns.
    arrived: UnixStream,
}

impl Signals {
    /// Installs the handlers. SIGHUP stays ignored if it is ignored already (nohup).
    ///
    /// # Errors
    /// An error of the operating system.
    pub(crate) fn install() -> Result<Self> {
        let tried = || "prepare for signals";
        let (arrived, signalled) = UnixStream::pair().context(tried)?;
        arrived.set_nonblocking(true).context(tried)?;
        let (stop, reload) = (Arc::default(), Arc::default());
        for (signal, flag) in [(SIGINT, &stop), (SIGTERM, &stop), (SIGHUP, &reload)] {
            if signal == SIGHUP && is_ignored(signal) {
                continue;
            }
            // The flag is registered first, so that a thread woken by the pipe finds it set.
            signal_hook::flag::register(signal, Arc::clone(flag)).context(tried)?;
            let end = signalled.try_clone().context(tried)?;
            signal_hook::low_level::pipe::register(signal, end).context(tried)?;
        }
        Ok(Self {
            stop,
            reload,
            arrived,
        })
    }

    /// Returns whether a signal has requested the monitor to stop.
    pub(crate) fn stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Returns whether the configuration should be read anew since the last call.
    pub(crate) fn take_reload(&self) -> bool {
        let mut buffer = [0; 64];
        while matches!((&self.arrived).read(&mut buffer), Ok(n) if n > 0) {}
        self.reload.swap(false, Ordering::Relaxed)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.arrived.as_fd()
    }
}
