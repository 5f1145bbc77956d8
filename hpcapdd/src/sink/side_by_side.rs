//! Records several sources, each into files of its own.

use hpcap::Result;
use hpcap::listener::{Listener, Moment};

use crate::report::event::Notice;
use crate::sink::{Ending, Sink, Step, Tally};

/// The sinks of several sources. The session owns the listener of the first source; this sink owns
/// the others.
pub struct SideBySide {
    first: Box<dyn Sink>,
    others: Vec<(Box<dyn Sink>, Listener)>,
}

impl std::fmt::Debug for SideBySide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SideBySide")
            .field("others", &self.others.len())
            .finish_non_exhaustive()
    }
}

impl SideBySide {
    /// Stores the frames of the session's listener in `first`, and those of each other listener in
    /// the sink beside it.
    #[must_use]
    pub fn new(first: Box<dyn Sink>, others: Vec<(Box<dyn Sink>, Listener)>) -> Self {
        Self { first, others }
    }
}

/// The end of `listener`, whose source has ended.
fn end_of(listener: &Listener) -> Moment {
    let mut end = Moment::from(&listener.ledger());
    end.off = listener.published();
    end
}

/// Combines the steps of two sinks. An end goes before a failure, a failure before progress, and
/// progress before a pause.
fn together(a: Step, b: Step) -> Step {
    match (a, b) {
        (stop @ (Step::Limit(_) | Step::ReaderGone), _)
        | (_, stop @ (Step::Limit(_) | Step::ReaderGone)) => stop,
        (hold @ Step::Hold(_), _) | (_, hold @ Step::Hold(_)) => hold,
        (Step::Done, _) | (_, Step::Done) => Step::Done,
        _ => Step::Pause,
    }
}

impl Sink for SideBySide {
    fn step(&mut self, listener: &mut Listener, until: u64) -> Result<Step> {
        let mut step = self.first.step(listener, until)?;
        for (sink, listener) in &mut self.others {
            // The session knows an end only after all sources have ended.
            let until = match until {
                u64::MAX => u64::MAX,
                _ => listener.published(),
            };
            step = together(step, sink.step(listener, until)?);
        }
        Ok(step)
    }

    fn done_to(&self, listener: &Listener) -> u64 {
        let done = self
            .others
            .iter()
            .all(|(sink, listener)| sink.done_to(listener) >= listener.published());
        if done {
            self.first.done_to(listener)
        } else {
            0
        }
    }

    fn rotate(&mut self, listener: &mut Listener) {
        self.first.rotate(listener);
        for (sink, listener) in &mut self.others {
            sink.rotate(listener);
        }
    }

    fn finish(&mut self, listener: &mut Listener, ending: &Ending) {
        self.first.finish(listener, ending);
        for (sink, listener) in &mut self.others {
            let ending = Ending {
                target: end_of(listener),
                ..*ending
            };
            sink.finish(listener, &ending);
        }
    }

    fn tally(&self) -> Tally {
        let mut all = self.first.tally();
        for (sink, _) in &self.others {
            let one = sink.tally();
            all.stored += one.stored;
            all.stored_bytes += one.stored_bytes;
            all.files += one.files;
            all.filtered += one.filtered;
            all.lost += &one.lost;
        }
        all
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        let mut notices = self.first.take_notices();
        for (sink, _) in &mut self.others {
            notices.extend(sink.take_notices());
        }
        notices
    }
}
