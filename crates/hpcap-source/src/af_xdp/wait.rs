//! Waiting for frames: asleep until the next one, asleep for a fixed time, or not at all.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use hpcap::{Error, Result};

use super::{AfXdp, Presence};
use crate::SourceEvent;

impl AfXdp {
    /// With busy polling, runs the driver's poll function.
    pub(super) fn poll_driver(&mut self) {
        if self.spec.busy_poll
            && let Some(capture) = &self.capture
        {
            for queue in &capture.queues {
                queue.socket.wake();
            }
        }
    }

    /// Sleeps until frames may be ready or `stop` is readable, at most for `timeout`.
    pub(super) fn sleep(&mut self, timeout: Duration, stop: Option<BorrowedFd<'_>>) -> Result<()> {
        if self.presence.is_gone() || self.capture.is_none() {
            std::thread::sleep(timeout);
            return Ok(());
        }
        let frames = self.frames_since_last_sleep();
        if self.spec.busy_poll && self.presence == Presence::Up {
            return self.note_change();
        }
        match self.pace.sleep_after(frames) {
            Some(pause) => {
                std::thread::sleep(pause.min(timeout));
                Ok(())
            }
            None => self.poll(timeout, stop),
        }
    }

    /// Returns the number of descriptors that were taken since the last call, of the queue with the
    /// most.
    fn frames_since_last_sleep(&mut self) -> u64 {
        let Some(capture) = &self.capture else {
            return 0;
        };
        let mut most = 0;
        for (before, queue) in self.taken.iter_mut().zip(&capture.queues) {
            most = most.max(queue.taken() - *before);
            *before = queue.taken();
        }
        most
    }

    /// Sleeps until a frame is there, the interface changes or `stop` is readable, at most for `timeout`.
    fn poll(&mut self, timeout: Duration, stop: Option<BorrowedFd<'_>>) -> Result<()> {
        let Some(capture) = &self.capture else {
            return Ok(());
        };
        let sockets = capture.queues.iter().map(|queue| queue.socket.as_fd());
        self.polled.clear();
        self.polled.extend(
            [capture.watch.as_fd()]
                .into_iter()
                .chain(sockets)
                .chain(stop)
                .map(|fd| libc::pollfd {
                    fd: fd.as_raw_fd(),
                    events: libc::POLLIN,
                    revents: 0,
                }),
        );
        let timeout = libc::timespec {
            tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        let count = self.polled.len() as libc::nfds_t;
        // SAFETY: the call gets an array of `count` pollfds, a timespec and no signal mask, all of
        // which outlive it.
        let n = unsafe {
            libc::ppoll(
                self.polled.as_mut_ptr(),
                count,
                &raw const timeout,
                std::ptr::null(),
            )
        };
        if n < 0 {
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted {
                return Ok(());
            }
            return Err(Error::io("wait for AF_XDP sockets", error));
        }
        if self
            .polled
            .iter()
            .any(|polled| polled.revents & !libc::POLLIN != 0)
        {
            return self.note_change();
        }
        Ok(())
    }

    /// Looks at the interface if it went down or away since the last look.
    fn note_change(&mut self) -> Result<()> {
        let Some(capture) = &self.capture else {
            return Ok(());
        };
        if !capture.watch.take_change()? {
            return Ok(());
        }
        let before = self.presence;
        self.look()?;
        if before == Presence::Up && self.presence == Presence::Up {
            self.events.push(SourceEvent::InterfaceRestarted);
        }
        Ok(())
    }
}
