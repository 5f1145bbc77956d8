//! Signals: SIGINT and SIGTERM stop the recording, SIGHUP starts a new file or stops it, SIGUSR1
//! asks for statistics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hpcap::Result;
use hpcap::error::Context;
use hpcap_service::{Terminal, is_ignored};
use nix::time::{ClockId, clock_gettime};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ};

/// How urgently the recorder was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// No signal has asked the recorder to stop.
    No,
    /// Store what is in the ring, then stop.
    Drain,
    /// Stop at once: a second signal came.
    Now,
}

/// Signals that arrive within this time are one request. For example, timeout(1) sends its signal
/// both to the program and to its process group.
const ONE_REQUEST: Duration = Duration::from_millis(500);

/// The signals that arrived so far. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// Time of the first request to stop, in ns of the monotonic clock; 0 = there was none.
    first_stop_ns: Arc<AtomicU64>,
    /// Whether a second request came.
    stop_now: Arc<AtomicBool>,
    hangup: Arc<AtomicBool>,
    terminal: Arc<Terminal>,
    statistics: Arc<AtomicBool>,
}

/// The monotonic clock in ns. It calls only clock_gettime(2), so a signal handler may use it.
fn clock_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

impl Signals {
    /// Installs handlers for SIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGXFSZ. If SIGHUP is ignored, as
    /// under nohup, it stays ignored.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn install() -> Result<Self> {
        let signals = Self {
            terminal: Arc::new(Terminal::of_this_process()),
            ..Self::default()
        };
        for signal in [SIGINT, SIGTERM] {
            let requests = signals.clone();
            // SAFETY: the handler reads a clock and changes atomics, all async-signal-safe.
            unsafe {
                signal_hook::low_level::register(signal, move || {
                    requests.count(clock_ns());
                })
            }
            .context(|| format!("handle signal {signal}"))?;
        }
        if !is_ignored(SIGHUP) {
            signal_hook::flag::register(SIGHUP, Arc::clone(&signals.hangup))
                .context(|| "handle SIGHUP")?;
        }
        signal_hook::flag::register(SIGUSR1, Arc::clone(&signals.statistics))
            .context(|| "handle SIGUSR1")?;
        // Without a handler, a write past the file size limit (ulimit -f) would end the process.
        // With one, the write fails with EFBIG and is handled like any other failure.
        signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))
            .context(|| "handle SIGXFSZ")?;
        Ok(signals)
    }

    /// The signals of one of several recordings in this process. They stop with the others, and start a new file or
    /// print statistics when [`Signals::pass_on`] says so.
    #[must_use]
    pub fn of_one_recording(&self) -> Self {
        Self {
            hangup: Arc::default(),
            statistics: Arc::default(),
            ..self.clone()
        }
    }

    /// Passes requests for a new file and for statistics that came since the last call on to `recordings`.
    pub fn pass_on<'a>(&self, recordings: impl Iterator<Item = &'a Self>) {
        let (rotate, statistics) = (self.take_rotate(), self.take_statistics());
        for recording in recordings.filter(|_| rotate || statistics) {
            recording.hangup.fetch_or(rotate, Ordering::Relaxed);
            recording.statistics.fetch_or(statistics, Ordering::Relaxed);
        }
    }

    /// Counts a request to stop at `now_ns`, unless it belongs to the first one. Handlers of two signals
    /// may run at the same time in two threads, so one atomic operation decides which request is the first.
    fn count(&self, now_ns: u64) {
        let now_ns = now_ns.max(1);
        match self
            .first_stop_ns
            .compare_exchange(0, now_ns, Ordering::Relaxed, Ordering::Relaxed)
        {
            Ok(_) => {}
            Err(first) if u128::from(now_ns.saturating_sub(first)) <= ONE_REQUEST.as_nanos() => {}
            Err(_) => self.stop_now.store(true, Ordering::Relaxed),
        }
    }

    /// Whether to stop, and how urgently.
    #[must_use]
    pub fn stop(&self) -> Stop {
        if self.stop_now.load(Ordering::Relaxed) {
            return Stop::Now;
        }
        if self.first_stop_ns.load(Ordering::Relaxed) == 0 {
            if !self.terminal_is_gone() {
                return Stop::No;
            }
            self.count(clock_ns());
        }
        Stop::Drain
    }

    /// Whether SIGHUP came because the terminal from which the recorder was started is gone.
    fn terminal_is_gone(&self) -> bool {
        if self.hangup.load(Ordering::Relaxed) {
            self.terminal.note_hangup();
        }
        self.terminal.is_gone()
    }

    /// Whether a new file was asked for since the last call.
    #[must_use]
    pub fn take_rotate(&self) -> bool {
        let asked = self.hangup.swap(false, Ordering::Relaxed);
        if asked {
            self.terminal.note_hangup();
        }
        asked
    }

    /// Whether statistics were asked for since the last call.
    #[must_use]
    pub fn take_statistics(&self) -> bool {
        self.statistics.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn second_signal_stops_at_once() {
        let signals = Signals::default();
        assert_eq!(signals.stop(), Stop::No);
        signals.count(SECOND);
        assert_eq!(signals.clone().stop(), Stop::Drain);
        signals.count(3 * SECOND);
        assert_eq!(signals.stop(), Stop::Now);
    }

    #[test]
    fn signals_within_half_a_second_count_once() {
        let signals = Signals::default();
        for ns in [0, 1000, 300_000_000] {
            signals.count(SECOND + ns);
        }
        assert_eq!(signals.stop(), Stop::Drain);
    }

    #[test]
    fn signals_handled_by_two_threads_count_once() {
        let requests: Vec<_> = (0..20_000)
            .map(|_| (Signals::default(), AtomicUsize::new(0)))
            .collect();
        thread::scope(|scope| {
            for ns in [0, 1000] {
                let requests = &requests;
                scope.spawn(move || {
                    for (signals, arrived) in requests {
                        // A barrier of the operating system would let the threads go one after the other.
                        arrived.fetch_add(1, Ordering::Relaxed);
                        while arrived.load(Ordering::Relaxed) < 2 {
                            thread::yield_now();
                        }
                        signals.count(SECOND + ns);
                    }
                });
            }
        });
        assert!(
            requests
                .iter()
                .all(|(signals, _)| signals.stop() == Stop::Drain)
        );
    }

    #[test]
    fn each_recording_takes_a_request() {
        let all = Signals::default();
        let each = [all.of_one_recording(), all.of_one_recording()];
        all.hangup.store(true, Ordering::Relaxed);
        assert!(!each[0].take_rotate());
        all.pass_on(each.iter());
        assert!(each.iter().all(Signals::take_rotate));
        assert!(!each.iter().any(Signals::take_statistics));
        all.count(SECOND);
        assert!(each.iter().all(|signals| signals.stop() == Stop::Drain));
    }

    #[test]
    fn rotation_request_is_taken_once() {
        let signals = Signals::default();
        signals.hangup.store(true, Ordering::Relaxed);
        assert!(signals.take_rotate());
        assert!(!signals.take_rotate());
    }
}
