//! What long-running programs tell, on its way to a terminal, a log or another program.
//!
//! A stream can be full, slow, broken or unread, and a write to it can fail or block for ever. A
//! program that captures must not care. So whoever has something to tell puts a [`Message`] into a
//! bounded queue, which never blocks, and one thread prints ([`Printer`]). What finds no room is
//! dropped and counted, and the count is told as soon as there is room. What others can cause as
//! often as they like goes through a [`Limiter`].

mod limit;
mod output;
mod printer;
mod program;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

pub use limit::{Limiter, kind_of};
pub use printer::Printer;
pub use program::{is_ignored, run};

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A line that the next message replaces, on a terminal.
    Progress,
    /// Worth a line.
    Info,
    /// A person should know.
    Warning,
    /// Something failed.
    Error,
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Errors,
}

/// A line to print, or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How much it matters.
    pub level: Level,
    /// Where it goes.
    pub stream: Stream,
    /// The text, without the end of its last line.
    pub text: String,
}

/// What goes through the queue.
#[derive(Debug)]
enum Item {
    Message(Message),
    /// Nothing to print: look whether the printer shall end.
    Wake,
}

/// The sending end of a printer's queue. Cloning it shares the queue.
#[derive(Debug, Clone)]
pub struct Messages {
    queue: SyncSender<Item>,
    dropped: Arc<Dropped>,
}

/// Messages that found no room in the queue, by stream.
#[derive(Debug, Default)]
struct Dropped {
    output: AtomicU64,
    errors: AtomicU64,
}

impl Dropped {
    fn of(&self, stream: Stream) -> &AtomicU64 {
        match stream {
            Stream::Output => &self.output,
            Stream::Errors => &self.errors,
        }
    }
}

impl Messages {
    /// Tells `text`. Never blocks: what finds no room in the queue is dropped and counted.
    pub fn tell(&self, level: Level, stream: Stream, text: impl Into<String>) {
        let message = Message {
            level,
            stream,
            text: text.into(),
        };
        // The next progress line makes up for one that is lost.
        if self.queue.try_send(Item::Message(message)).is_err() && level != Level::Progress {
            self.dropped.of(stream).fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tells a warning on standard error.
    pub fn warn(&self, text: impl Into<String>) {
        self.tell(Level::Warning, Stream::Errors, text);
    }
}
