//! Waits for frames by sleeping on the slot until the producer wakes the listener.

use std::mem::offset_of;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use super::{Listener, Waited};
use crate::abi::hpcap_slot;
use crate::error::Result;

/// Interval at which a sleeping listener checks whether its producer still runs.
const LIFE_CHECK: Duration = Duration::from_millis(400);

impl Listener {
    /// Sleeps until `bytes` bytes are unread, but at most for `timeout`. `bytes` is limited to at
    /// least 1 and at most half a ring.
    ///
    /// # Errors
    /// Returns [`Kind::Killed`](crate::Kind::Killed) when the listener was killed.
    pub fn wait(&mut self, bytes: u64, timeout: Duration) -> Result<Waited> {
        let bytes = bytes.clamp(1, self.info().ring_bytes / 2);
        let goal = self.position.saturating_add(bytes);
        let deadline = Instant::now().checked_add(timeout);
        loop {
            match self.find_ready(goal)? {
                Waited::TimedOut => {}
                ready_or_ended => return Ok(ready_or_ended),
            }
            let left = deadline.map_or(LIFE_CHECK, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return Ok(Waited::TimedOut);
            }
            self.sleep(goal, left.min(LIFE_CHECK));
        }
    }

    /// Finds out without sleeping whether the stream has been published up to `goal` or has ended;
    /// [`Waited::TimedOut`] if neither.
    pub(super) fn find_ready(&self, goal: u64) -> Result<Waited> {
        const TRIED: &str = "wait for frames";
        self.check_killed(TRIED)?;
        if self.published() >= goal {
            return Ok(Waited::Ready);
        }
        // The order matters: `published`, read after `ended`, includes everything published before
        // the end.
        let ended = self.ended();
        let published = self.published();
        if ended {
            // The producer closes the connection of a listener that it has killed.
            self.check_killed(TRIED)?;
        }
        Ok(match ended {
            _ if published >= goal => Waited::Ready,
            true if published > self.position => Waited::Ready,
            true => Waited::Ended,
            false => Waited::TimedOut,
        })
    }

    /// Sleeps until the producer wakes this slot, `timeout` expires, or a signal arrives. The
    /// caller examines the ring again in each case.
    fn sleep(&self, goal: u64, timeout: Duration) {
        let waiting = self.slot_u32(offset_of!(hpcap_slot, waiting));
        self.slot_u64(offset_of!(hpcap_slot, wait_off))
            .store(goal, Ordering::Relaxed);
        waiting.store(1, Ordering::Release);
        // `waiting` is set before `published` is read. So either the producer sees `waiting` after
        // it publishes, or this thread sees what the producer published.
        fence(Ordering::SeqCst);
        if self.published() < goal && !self.page.ended() && self.end_state().is_none() {
            self.connection.sleep(waiting, timeout);
        }
        waiting.store(0, Ordering::Relaxed);
    }
}
