//! Waits for frames, viewers, signals and the clock.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{Session, TICK, Turn};
use crate::viewer::door::Door;

/// How long a tap that has read everything leaves its queue alone, so that a producer with many small
/// bursts does not wake it for each of them.
const NAP: Duration = Duration::from_millis(1);

/// How long the tap leaves its queues alone while a frame waits for earlier ones of other queues.
const FRAME_NAP: Duration = Duration::from_millis(5);

/// Interval at which a FIFO without reader is tried again.
const FIFO_EVERY: Duration = Duration::from_millis(50);

impl Session {
    /// Waits until there is something to do after the turns `before` and `turn`, and takes note of
    /// viewers that have left or read again.
    pub(super) fn wait(&mut self, before: Turn, turn: Turn) {
        let (timeout, with_queues) = match (before, turn) {
            (_, Turn::Busy | Turn::Done) => (Duration::ZERO, false),
            (_, Turn::Waits) => (FRAME_NAP, false),
            (Turn::Busy, Turn::Idle) => (NAP, false),
            _ => (self.time_left(), true),
        };
        let room = PollFlags::POLLOUT;
        let mut fds: Vec<PollFd<'_>> = Vec::new();
        let mut watched = Vec::new();
        for (number, guest) in self.guests.iter().enumerate() {
            if let Some(fd) = guest.viewer.room() {
                let waits = guest.viewer.waits_for().is_some();
                let events = if waits { room } else { PollFlags::empty() };
                fds.push(PollFd::new(fd.as_fd(), events));
                watched.push(number);
            }
        }
        fds.push(PollFd::new(self.signals.as_fd(), PollFlags::POLLIN));
        let doors = self.entrances.iter().filter_map(|e| e.door.wakeup());
        let queues = self.taps.iter().filter(|_| with_queues);
        let queues = queues.filter_map(|tap| tap.wakeup());
        fds.extend(
            doors
                .chain(queues)
                .map(|fd| PollFd::new(fd, PollFlags::POLLIN)),
        );
        // After an interrupted wait, the loop checks everything as after a complete one.
        let _ = poll(
            &mut fds,
            PollTimeout::try_from(timeout).unwrap_or(PollTimeout::ZERO),
        );
        let found: Vec<_> = watched
            .into_iter()
            .zip(&fds)
            .map(|(number, fd)| (number, fd.revents().unwrap_or(PollFlags::empty())))
            .collect();
        for (number, found) in found {
            let viewer = &mut self.guests[number].viewer;
            if found.intersects(PollFlags::POLLERR | PollFlags::POLLHUP) {
                viewer.leave();
            } else if found.contains(room) {
                viewer.flush();
            }
        }
    }

    /// Time until the next thing that the clock brings.
    fn time_left(&self) -> Duration {
        let now = Instant::now();
        let tick = (self.ticked + TICK).saturating_duration_since(now);
        let end = self.deadline.map(|end| end.saturating_duration_since(now));
        let has_fifo = self
            .entrances
            .iter()
            .any(|e| matches!(e.door, Door::Fifo(_)));
        [end, has_fifo.then_some(FIFO_EVERY)]
            .into_iter()
            .flatten()
            .fold(tick, Duration::min)
            // A wait of less than a millisecond would not wait at all.
            .max(Duration::from_millis(1))
    }
}
