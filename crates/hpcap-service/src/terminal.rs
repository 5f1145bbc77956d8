//! The terminal from which a program was started.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Time after SIGHUP during which the terminal is looked at, because the signal may come before the
/// terminal is gone.
const HANGUP: Duration = Duration::from_secs(2);

/// Time between two looks at the terminal after SIGHUP.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The terminal from which this process was started, if there is one.
///
/// A service gives SIGHUP a meaning of its own, such as to read its configuration anew. When its terminal
/// goes away, the same signal comes, and the program must end instead of living on without anybody who
/// sees it.
#[derive(Debug)]
pub struct Terminal {
    existed: bool,
    start: Instant,
    /// Milliseconds from `start` to the last SIGHUP, and one more; 0 = long ago, or never.
    hung_up: AtomicU64,
}

impl Terminal {
    /// The controlling terminal of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self {
            existed: exists(),
            ..Self::none()
        }
    }

    /// No terminal, as under a service manager.
    #[must_use]
    pub fn none() -> Self {
        Self {
            existed: false,
            start: Instant::now(),
            hung_up: AtomicU64::new(0),
        }
    }

    /// Notes that SIGHUP has arrived.
    pub fn note_hangup(&self) {
        let ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.hung_up.store(ms + 1, Ordering::Relaxed);
    }

    /// Whether there was a terminal, and it has gone away with the SIGHUP that was noted.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.is_watched() && !exists()
    }

    /// The time after which to call [`Terminal::is_gone`] again; `None` if no SIGHUP was noted of late.
    #[must_use]
    pub fn look_again_in(&self) -> Option<Duration> {
        self.is_watched().then_some(LOOK_EVERY)
    }

    fn is_watched(&self) -> bool {
        if !self.existed {
            return false;
        }
        let hung_up = self.hung_up.load(Ordering::Relaxed);
        if hung_up == 0 {
            return false;
        }
        let until = Duration::from_millis(hung_up) + HANGUP;
        if self.start.elapsed() > until {
            // A SIGHUP that is noted at this moment keeps its own time.
            let _ = self
                .hung_up
                .compare_exchange(hung_up, 0, Ordering::Relaxed, Ordering::Relaxed);
            return false;
        }
        true
    }
}

impl Default for Terminal {
    fn default() -> Self {
        Self::none()
    }
}

/// Whether this process has a controlling terminal.
fn exists() -> bool {
    let tty = File::options()
        .read(true)
        .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK)
        .open("/dev/tty");
    tty.is_ok()
}
