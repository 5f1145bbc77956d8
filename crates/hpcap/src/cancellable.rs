//! Runs work that may wait for another process, and cancels the wait when the program must stop.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Kind, Result};

/// Interval at which the caller is asked whether to cancel the wait.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

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
    fn wait_returns_the_result() {
        assert_eq!(run(|_| false, || Ok(7)).unwrap(), Some(7));
        let failed = run(|_| false, || -> Result<()> { Err(Error::usage("x", "y")) });
        assert_eq!(failed.unwrap_err().kind(), Kind::Usage);
    }
}
