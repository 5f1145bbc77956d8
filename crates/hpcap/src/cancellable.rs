//! Runs work that may wait for another process, and cancels the wait when the program must stop.
//!
//! A producer that is stopped answers nobody, and a named pipe without a writer cannot be opened. A program that waits
//! for either must still react to signals:
//!
//! ```
//! use hpcap::cancellable;
//!
//! let must_cancel = |_waited| false; // such as: whether SIGINT has come
//! let answer = cancellable::finish("attach to hpcap0", "the producer to answer", must_cancel, || Ok(7))?;
//! assert_eq!(answer, 7);
//!
//! let must_cancel = |_waited| true;
//! let forever = || loop { std::thread::park() };
//! let cancelled: hpcap::Result<()> =
//!     cancellable::finish("attach to hpcap0", "the producer to answer", must_cancel, forever);
//! assert_eq!(
//!     cancelled.unwrap_err().to_string(),
//!     "cannot attach to hpcap0: a signal came while waiting for the producer to answer"
//! );
//! # Ok::<(), hpcap::Error>(())
//! ```

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Kind, Result};

/// Interval at which the caller is asked whether to cancel the wait.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Time after which a program tells its user what it waits for.
const NOTICE_AFTER: Duration = Duration::from_secs(2);

/// Runs `work`, which may wait for another process, in a thread and returns its result. Meanwhile,
/// calls `must_cancel` repeatedly with the time since the start. When it returns true, the result is
/// `None`, and the thread of `work` is abandoned.
///
/// # Errors
/// Returns the error of `work`, and [`Kind::Gone`] when `work` panics.
pub fn run<T: Send + 'static>(
    mut must_cancel: impl FnMut(Duration) -> bool,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<Option<T>> {
    let start = Instant::now();
    let (tell, done) = channel();
    std::thread::Builder::new()
        .name("cancellable".into())
        .spawn(move || {
            let _ = tell.send(work());
        })
        .context(|| "start a thread")?;
    loop {
        match done.recv_timeout(POLL_INTERVAL) {
            Ok(result) => return result.map(Some),
            Err(RecvTimeoutError::Disconnected) => {
                let why = "it has met an internal error";
                return Err(Error::new(Kind::Gone, "wait for another thread", why));
            }
            Err(RecvTimeoutError::Timeout) if must_cancel(start.elapsed()) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Does the same as [`run`] for a program whose `must_cancel` asks whether a signal has come: a cancelled wait is an
/// error. The error says what was `tried` and what was `awaited`, such as "the producer of hpcap0 to answer".
///
/// # Errors
/// Returns the errors of [`run`], and [`interrupted`] when `must_cancel` returned true.
pub fn finish<T: Send + 'static>(
    tried: impl Into<String>,
    awaited: &str,
    must_cancel: impl FnMut(Duration) -> bool,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    run(must_cancel, work)?.ok_or_else(|| interrupted(tried, awaited))
}

/// Returns the error of a program that waited for what is `awaited` until a signal came.
#[must_use]
pub fn interrupted(tried: impl Into<String>, awaited: &str) -> Error {
    let why = format!("a signal came while waiting for {awaited}");
    Error::new(Kind::Timeout, tried, why)
}

/// Whether the user was told that a program waits.
#[derive(Debug, Default)]
pub struct Notice {
    was_given: bool,
}

impl Notice {
    /// Whether the user should be told now, after a wait of the time `waited`. True once at most.
    pub fn is_due(&mut self, waited: Duration) -> bool {
        waited >= NOTICE_AFTER && !std::mem::replace(&mut self.was_given, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_is_cancelled() {
        let forever = || -> Result<()> {
            loop {
                std::thread::park();
            }
        };
        assert_eq!(run(|_| true, forever).unwrap(), None);
    }

    #[test]
    fn notice_is_given_once() {
        let mut notice = Notice::default();
        assert!(!notice.is_due(Duration::ZERO));
        assert!(notice.is_due(NOTICE_AFTER));
        assert!(!notice.is_due(NOTICE_AFTER * 2));
    }

    #[test]
    fn wait_returns_the_result() {
        assert_eq!(run(|_| false, || Ok(7)).unwrap(), Some(7));
        let failed = run(|_| false, || -> Result<()> { Err(Error::usage("x", "y")) });
        assert_eq!(failed.unwrap_err().kind(), Kind::Usage);
    }
}
