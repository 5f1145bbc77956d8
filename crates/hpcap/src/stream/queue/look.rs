//! Looks at the frames of a queue where they are in the ring.

use super::{Found, QueueStream};
use crate::error::Result;
use crate::listener::Waited;
use crate::stream::event::Event;
use crate::stream::in_place::{Looked, RingFrame};
use crate::time::Timestamp;

impl QueueStream {
    /// Waits for the next event, and shows it to `look` if it is a frame; `None` at the end of the
    /// source.
    #[inline(always)]
    pub(in crate::stream) fn look<R>(
        &mut self,
        mut look: impl FnMut(&RingFrame<'_>) -> R,
    ) -> Result<Option<Looked<R>>> {
        let mut deadline = None;
        loop {
            if self.listener.unacknowledged() < self.ack_bytes
                && let Some(seen) = self.look_at_frame(&mut look)
            {
                return Ok(Some(Looked::Frame(seen)));
            }
            // `find` acknowledges, consumes padding, and notices an overrun. The next turn takes a frame that was
            // published in the meantime.
            match self.find()? {
                Found::Frame(_) => {}
                Found::Event(event) => return Ok(Some(Looked::Event(event))),
                found => match self.wait_after(&found, &mut deadline)? {
                    Waited::Ready => {}
                    Waited::TimedOut => return Ok(Some(Looked::Event(Event::Idle))),
                    Waited::Ended => return self.finish_looking(),
                },
            }
        }
    }

    /// Shows the next record to `look` if it is a frame. Returns what `look` returned if the frame
    /// was whole until then.
    #[inline(always)]
    fn look_at_frame<R>(&mut self, look: &mut impl FnMut(&RingFrame<'_>) -> R) -> Option<R> {
        let found = self.listener.find_in_place()?;
        let mut frame = RingFrame {
            time: Timestamp::new(found.header.sec, found.header.nsec),
            len: found.header.len.into(),
            bytes: self.listener.bytes_in_place(&found),
            link_type: self.link_type,
            is_duplicate: false,
            is_sent: false,
            offset: found.offset(),
        };
        if let Some(marks) = &self.marks {
            marks.apply(&mut frame);
        }
        let seen = look(&frame);
        if !self.listener.take_in_place(&found) {
            return None;
        }
        self.marks = None;
        Some(seen)
    }

    fn finish_looking<R>(&mut self) -> Result<Option<Looked<R>>> {
        Ok(match self.finish()? {
            Some(Event::Missed(missed)) => Some(Looked::Event(Event::Missed(missed))),
            _ => None,
        })
    }
}
