//! Records several sources, each into files of its own.

use hpcap::Result;
use hpcap::listener::Listener;

use crate::report::event::Notice;
use crate::sink::{Ending, Sink, Step, Tally, end_of};

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

    /// The counts of all sinks but one: the first one, or that of the other source `number`.
    fn tally_without(&self, number: Option<usize>) -> Tally {
        let mut all = number.map_or(Tally::default(), |_| self.first.tally());
        for (other, (sink, _)) in self.others.iter().enumerate() {
            if Some(other) != number {
                all.add(&sink.tally());
            }
        }
        all
    }
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
        self.first.set_others(&self.tally_without(None));
        let mut step = self.first.step(listener, until)?;
        for number in 0..self.others.len() {
            if let Step::Limit(_) = step {
                // The limit is that of all sources together.
                break;
            }
            let others = self.tally_without(Some(number));
            let (sink, listener) = &mut self.others[number];
            sink.set_others(&others);
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

    fn look(&mut self, listener: &mut Listener) {
        self.first.look(listener);
        for (sink, listener) in &mut self.others {
            sink.look(listener);
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
            all.add(&sink.tally());
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
