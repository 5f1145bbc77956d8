//! Waits for others that give way to whoever wants the program to stop.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Kind, Result};

/// How often it is asked whether to give up.
const LOOK: Duration = Duration::from_millis(20);

/// Runs `work`, which may wait for another process, and returns its result. Returns `None` where
/// `give_up`, which is asked again and again with the time since the start, says so first: the
/// thread of `work` is left to itself then.
///
/// # Errors
/// Those of `work`; [`Kind::Gone`] when it panics.
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
