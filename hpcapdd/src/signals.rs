//! Signals: SIGINT and SIGTERM stop, SIGHUP starts a new file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hpcap::Result;
use hpcap::error::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};

/// How urgently the recorder was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// It was not.
    No,
    /// Store what is in the ring, then stop.
    Drain,
    /// Asked again: stop where we are.
    Now,
}

/// What arrived so far. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    stops: Arc<AtomicUsize>,
    rotate: Arc<AtomicBool>,
}

impl Signals {
    /// Takes over SIGINT, SIGTERM, SIGHUP and SIGXFSZ of this process.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn install() -> Result<Self> {
        let signals = Self::default();
        for signal in [SIGINT, SIGTERM] {
            let stops = Arc::clone(&signals.stops);
            // SAFETY: the handler only adds to an atomic, which is async-signal-safe.
            unsafe {
                signal_hook::low_level::register(signal, move || {
                    stops.fetch_add(1, Ordering::Relaxed);
                })
            }
            .context(|| format!("handle signal {signal}"))?;
        }
        signal_hook::flag::register(SIGHUP, Arc::clone(&signals.rotate))
            .context(|| "handle SIGHUP")?;
        // Without a handler, a write past the file size limit (ulimit -f) would end the
        // process; with one, the write fails with EFBIG and is dealt with as any failure.
        signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))
            .context(|| "handle SIGXFSZ")?;
        Ok(signals)
    }

    /// Whether to stop.
    #[must_use]
    pub fn stop(&self) -> Stop {
        match self.stops.load(Ordering::Relaxed) {
            0 => Stop::No,
            1 => Stop::Drain,
            _ => Stop::Now,
        }
    }

    /// Asks to stop, as a signal would.
    pub fn ask_to_stop(&self) {
        self.stops.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a new file was asked for since the last call.
    #[must_use]
    pub fn take_rotate(&self) -> bool {
        self.rotate.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_drains_and_the_second_stops_at_once() {
        let signals = Signals::default();
        assert_eq!(signals.stop(), Stop::No);
        signals.ask_to_stop();
        assert_eq!(signals.clone().stop(), Stop::Drain);
        signals.ask_to_stop();
        signals.ask_to_stop();
        assert_eq!(signals.stop(), Stop::Now);
    }

    #[test]
    fn a_rotation_is_asked_for_once() {
        let signals = Signals::default();
        signals.rotate.store(true, Ordering::Relaxed);
        assert!(signals.take_rotate());
        assert!(!signals.take_rotate());
    }
}
