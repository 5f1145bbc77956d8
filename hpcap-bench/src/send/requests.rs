//! Requests that signals make of a transmission.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hpcap_service::stop_flag;
use signal_hook::consts::SIGUSR1;
use signal_hook::flag::register;

/// Requests to stop and to tell what was sent so far.
#[derive(Debug, Default)]
pub struct Requests {
    stop: Arc<AtomicBool>,
    statistics: Arc<AtomicBool>,
}

impl Requests {
    /// Returns the requests of this process: SIGINT, SIGTERM and SIGHUP ask for a stop, SIGUSR1 for statistics.
    ///
    /// # Errors
    /// An error of the operating system.
    pub fn by_signals() -> io::Result<Self> {
        let requests = Self {
            stop: stop_flag()?,
            statistics: Arc::default(),
        };
        register(SIGUSR1, Arc::clone(&requests.statistics))?;
        Ok(requests)
    }

    /// Whether somebody asked for a stop.
    #[must_use]
    pub fn has_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether somebody asked for statistics since the last call.
    #[must_use]
    pub fn take_statistics(&self) -> bool {
        self.statistics.load(Ordering::Relaxed) && self.statistics.swap(false, Ordering::Relaxed)
    }
}
