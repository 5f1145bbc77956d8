//! A thread that deletes old files, so that neither storing nor finishing files waits for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use hpcap::Result;
use hpcap::error::Context;

use super::Retention;
use crate::internal_error::internal_error;
use crate::report::event::Event;
use crate::storage::room::Room;

/// Time between two looks at the limits when nothing asks for one: ages grow, and other programs
/// fill the disk.
const ENFORCE_EVERY: Duration = Duration::from_secs(5);

/// Time between two looks while room is asked for and files must be finished first.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// A thread that keeps the files within the limits.
#[derive(Debug)]
pub struct RetentionThread {
    room: Room,
    events: Receiver<Event>,
    thread: JoinHandle<()>,
}

impl RetentionThread {
    /// Starts the thread, which deletes old files as `retention` says.
    ///
    /// # Errors
    /// An error if the thread cannot be started.
    pub fn start(mut retention: Retention) -> Result<Self> {
        let (tell, events) = channel();
        let room = retention.room.clone();
        let asked = room.clone();
        let work = move || {
            loop {
                let limit = match asked.claims().wanted {
                    0 => ENFORCE_EVERY,
                    _ => TRY_AGAIN,
                };
                let goes_on = asked.wait(limit);
                // The last look comes after the last file was finished.
                let events = catch_unwind(AssertUnwindSafe(|| events_of(&mut retention)));
                let events = events.unwrap_or_else(|panic| {
                    // After the thread has ended, no writer may wait for room that it would have made.
                    asked.grant(asked.claims().wanted, false);
                    let error = internal_error("delete old files", panic.as_ref());
                    vec![Event::warning(error.to_string())]
                });
                for event in events {
                    let _ = tell.send(event);
                }
                if !goes_on {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("hpcapdd-retain".into())
            .spawn(work)
            .context(|| "start a thread")?;
        Ok(Self {
            room,
            events,
            thread,
        })
    }

    /// Asks the thread to look at the limits now.
    pub fn wake(&self) {
        self.room.wake();
    }

    /// Takes the events since the last call.
    pub fn take_events(&self) -> impl Iterator<Item = Event> + '_ {
        self.events.try_iter()
    }

    /// Keeps the files within the limits once more, and ends the thread. Returns the remaining
    /// events.
    #[must_use]
    pub fn stop(self) -> Vec<Event> {
        self.room.stop();
        let rest = self.events.iter().collect();
        let _ = self.thread.join();
        rest
    }
}

fn events_of(retention: &mut Retention) -> Vec<Event> {
    let outcome = retention.enforce();
    let error = outcome
        .error
        .map(|e| format!("cannot delete old files: {e}"));
    let warnings = outcome.warnings.into_iter().chain(error);
    let deleted = outcome.deleted.into_iter().map(Event::FileDeleted);
    deleted.chain(warnings.map(Event::warning)).collect()
}
