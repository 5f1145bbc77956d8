//! A stream that a program waits for with poll(2), epoll, mio or tokio.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::task::Poll;

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::{Event, Source, Stream};
use crate::error::{Context, Result};

/// A stream with a file descriptor that becomes readable when there is an event.
///
/// The program calls [`Pollable::try_next`] until it returns [`Poll::Pending`], and then waits until
/// the descriptor is readable. It must not read from the descriptor. The end of the queue, and the
/// death of its producer, make the descriptor readable, too. The descriptor may be readable although
/// there is no event, so `try_next` can return `Pending` again.
///
/// The descriptor works with edge-triggered notification, such as that of tokio's `AsyncFd`
/// (`crates/hpcap/examples/tokio.rs`), if the program waits only after `Pending`. Files are always
/// readable, and `try_next` reads them without `Pending`.
///
/// ```
/// use std::os::fd::AsFd;
/// use std::task::Poll;
///
/// use hpcap::{Event, Stream};
/// use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("one.raw");
/// # let mut writer = hpcap::raw::Writer::new(std::fs::File::create(&path)?);
/// # writer.frame(1, 0, 60, &[0; 60])?;
/// # writer.close(4096)?;
/// // A queue works the same way: queue.follow("watcher")?.pollable()?
/// let mut stream = Stream::open(&path)?.pollable()?;
/// let mut frames = 0;
/// loop {
///     match stream.try_next()? {
///         Poll::Ready(Some(Event::Frame(_))) => frames += 1,
///         Poll::Ready(Some(_)) => {}
///         Poll::Ready(None) => break,
///         Poll::Pending => {
///             // Other descriptors could be in the same call.
///             let mut fds = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
///             poll(&mut fds, PollTimeout::NONE)?;
///         }
///     }
/// }
/// assert_eq!(frames, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Pollable {
    stream: Stream,
    fd: OwnedFd,
}

impl Stream {
    /// Gives the stream a file descriptor to wait for. `hpcapd` then spends one file descriptor on the
    /// stream, too, and a short system call on each of its wake-ups. [`Builder::batch`] and
    /// [`Builder::report_idle`] have no effect on [`Pollable::try_next`].
    ///
    /// [`Builder::batch`]: super::Builder::batch
    /// [`Builder::report_idle`]: super::Builder::report_idle
    ///
    /// # Errors
    /// Returns [`Kind::Version`](crate::Kind::Version) when `hpcapd` is too old;
    /// [`Kind::Full`](crate::Kind::Full) when `hpcapd` has no file descriptor left;
    /// [`Kind::Gone`](crate::Kind::Gone) when the producer is gone; errors of the system.
    pub fn pollable(mut self) -> Result<Pollable> {
        const TRIED: &str = "make a file descriptor to wait for";
        let fd = match &mut self.source {
            Source::Queue(queue) => queue.wakeup_fd()?,
            // The counter of this eventfd stays 1, so the descriptor is always readable.
            Source::Files(_) => {
                let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
                let ready = EventFd::from_value_and_flags(1, flags).context(|| TRIED)?;
                ready.as_fd().try_clone_to_owned().context(|| TRIED)?
            }
        };
        Ok(Pollable { stream: self, fd })
    }
}

impl Pollable {
    /// Returns the next event; [`Poll::Pending`] when none has come yet. `None`, errors and borrowed
    /// data are those of [`Stream::next`].
    ///
    /// # Errors
    /// Returns the errors of [`Stream::next`].
    pub fn try_next(&mut self) -> Result<Poll<Option<Event<'_>>>> {
        self.stream.try_next()
    }

    /// The stream without its file descriptor.
    #[must_use]
    pub fn stream(&self) -> &Stream {
        &self.stream
    }
}

impl AsFd for Pollable {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Pollable {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
