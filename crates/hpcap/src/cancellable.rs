//! Waits for another process that can be given up, so that a program can stop meanwhile.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Kind, Result};

/// Interval at which the caller is asked whether to give up.
const LOOK: Duration = Duration::from_millis(20);

/// Runs `work`, which may wait for another process, in a thread and returns its result. Meanwhile,
/// `give_up` is called repeatedly with the time since the start. When it returns true, the result
/// is `None`, and the thread of `work` is abandoned.
///
/// # Errors
/// Returns the error of `work`, and [`Kind::Gone`] when `work` panics.
pub fn unless<T: Send + 'static>(
    mut give_up: impl FnMut(Duration) -> bool,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<Option<T>> {
    let start = Instant::now();
    let (tell, done) = channel();
    std::thread::Builder::new()
        .name("waits".into())
        .spawn(move || {
            let _ = tell.send(work());
        })
        .context(|| "start a thread")?;
    loop {
        match done.recv_timeout(LOOK) {
            Ok(result) => return result.map(Some),
            Err(RecvTimeoutError::Disconnected) => {
                let why = "it has met an internal error";
                return Err(Error::new(Kind::Gone, "wait for another thread", why));
            }
            Err(RecvTimeoutError::Timeout) if give_up(start.elapsed()) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_gives_way() {
        let forever = || -> Result<()> {
            loop {
                std::thread::park();
            }
        };
        assert_eq!(unless(|_| true, forever).unwrap(), None);
    }

    #[test]
    fn wait_returns_the_result() {
        assert_eq!(unless(|_| false, || Ok(7)).unwrap(), Some(7));
        let failed = unless(|_| false, || -> Result<()> { Err(Error::usage("x", "y")) });
        assert_eq!(failed.unwrap_err().kind(), Kind::Usage);
    }
}
