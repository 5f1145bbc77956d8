//! Signals that ask a service for something.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Requests that arrive as signals. `R` names them; several signals can make the same request.
///
/// The file descriptor becomes readable with each signal, so a loop can wait for signals and for its
/// clients in one poll(2).
///
/// ```
/// use hpcap_service::Signals;
///
/// #[derive(Clone, Copy, PartialEq)]
/// enum Request {
///     Stop,
///     Statistics,
/// }
///
/// # fn main() -> std::io::Result<()> {
/// let signals = Signals::install(&[
///     (libc::SIGTERM, Request::Stop),
///     (libc::SIGUSR1, Request::Statistics),
/// ])?;
/// // SAFETY: raise(3) has no memory arguments, and the signal has a handler.
/// unsafe { libc::raise(libc::SIGUSR1) };
/// assert!(signals.take(Request::Statistics));
/// assert!(!signals.take(Request::Statistics));
/// assert!(!signals.is_requested(Request::Stop));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Signals<R> {
    requests: Vec<(R, Arc<AtomicBool>)>,
    arrived: UnixStream,
}

impl<R: Copy + PartialEq> Signals<R> {
    /// Installs a handler for each of `signals`. SIGHUP keeps being ignored if it was ignored when the
    /// program started ([`is_ignored`]).
    ///
    /// # Errors
    /// Returns an error of the operating system: a signal that cannot be handled (EINVAL), or no file
    /// descriptor left (EMFILE).
    pub fn install(signals: &[(i32, R)]) -> io::Result<Self> {
        let (arrived, signalled) = UnixStream::pair()?;
        arrived.set_nonblocking(true)?;
        let mut requests: Vec<(R, Arc<AtomicBool>)> = Vec::new();
        for (signal, request) in signals {
            if *signal == libc::SIGHUP && is_ignored(*signal) {
                continue;
            }
            let known = requests.iter().find(|(known, _)| known == request);
            let flag = known.map_or_else(Arc::default, |(_, flag)| Arc::clone(flag));
            // The flag is registered first, so that a thread woken by the pipe finds it set.
            signal_hook::flag::register(*signal, Arc::clone(&flag))?;
            signal_hook::low_level::pipe::register(*signal, signalled.try_clone()?)?;
            requests.push((*request, flag));
        }
        Ok(Self { requests, arrived })
    }

    /// Returns whether a signal has made `request` since the last call of [`Signals::take`] for it.
    #[must_use]
    pub fn is_requested(&self, request: R) -> bool {
        self.flags(request).any(|flag| flag.load(Ordering::Relaxed))
    }

    /// Returns whether a signal has made `request` since the last call. The file descriptor is no longer
    /// readable until the next signal arrives.
    #[must_use]
    pub fn take(&self, request: R) -> bool {
        let mut buffer = [0; 64];
        while matches!((&self.arrived).read(&mut buffer), Ok(n) if n > 0) {}
        self.flags(request)
            .any(|flag| flag.swap(false, Ordering::Relaxed))
    }

    fn flags(&self, request: R) -> impl Iterator<Item = &AtomicBool> {
        let same = move |(known, _): &&(R, Arc<AtomicBool>)| *known == request;
        self.requests.iter().filter(same).map(|(_, flag)| &**flag)
    }
}

impl<R> AsFd for Signals<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.arrived.as_fd()
    }
}

/// Returns whether `signal` was ignored when the program started, as nohup(1) does with SIGHUP. A program
/// should then keep ignoring it.
#[must_use]
pub fn is_ignored(signal: i32) -> bool {
    // SAFETY: all zero bytes are a valid value of this plain structure, which sigaction(2) fills in.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: the call passes no new action, so it only reads the present one into `action`.
    let asked = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) };
    asked == 0 && action.sa_sigaction == libc::SIG_IGN
}
