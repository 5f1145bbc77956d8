//! How a stream of a queue ends, and the losses that no record reports.

use super::QueueStream;
use crate::error::{Error, Kind, Result};
use crate::ledger::{Ledger, Reason};
use crate::listener::TOLD_LOSSES;
use crate::queue::QueueEnd;
use crate::stream::event::{Event, Missed};

impl QueueStream {
    /// Returns the error that the listener was killed.
    pub(super) fn killed(&self) -> Error {
        let (id, name) = (self.listener.id(), self.listener.info().name);
        let why = format!("listener {id} of {name} was killed");
        Error::new(Kind::Killed, "read the next frame", why)
    }

    /// Reports the losses after the last record, and in the next call how the stream ended.
    pub(super) fn finish(&mut self) -> Result<Option<Event<'_>>> {
        if !std::mem::replace(&mut self.end_reported, true)
            && let Some(lost) = self.losses_at_the_end()
        {
            return Ok(Some(Event::Missed(Missed::new(lost))));
        }
        let info = self.listener.info();
        let gone = |why: &str| {
            let tried = format!("read the next frame of {}", info.name);
            Err(Error::new(Kind::Gone, tried, why))
        };
        match self.listener.queue_end() {
            _ if self.listener.end().is_some_and(|end| end.killed) => Err(self.killed()),
            Some(QueueEnd::Failed) => gone("the source or the producer failed"),
            Some(QueueEnd::Stopped) => gone("the producer was stopped"),
            Some(QueueEnd::Ended) => Ok(None),
            None if self.listener.producer_died() => gone("the producer died"),
            None => Ok(None),
        }
    }

    /// Returns the losses that the final ledger counts and that no record reported.
    fn losses_at_the_end(&self) -> Option<Ledger> {
        let end = self.listener.end()?;
        let (counted, told) = (end.at.ledger, self.listener.told());
        let mut lost = Ledger::default();
        if self.listener.available() > 0 {
            lost[Reason::Overrun] = counted[Reason::Captured] - told[Reason::Captured];
        }
        for reason in TOLD_LOSSES {
            lost[reason] = end.untold[reason];
        }
        (!lost.lost().is_zero()).then_some(lost)
    }
}
