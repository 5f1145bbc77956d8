//! Messages of long-running programs, on their way to a terminal, a log or another program.
//!
//! A stream can be full, slow, broken or unread, and a write to it can fail or block for ever. That
//! must not delay a capture. Threads therefore put each [`Message`] into a bounded queue, which
//! never blocks, and one thread prints them ([`Printer`]). Messages for which the queue has no room
//! are dropped and counted, and the count is printed as soon as there is room. Messages that
//! another program can cause as often as it likes go through a [`Limiter`].
//!
//! A program starts one [`Printer`] and hands its [`Messages`] to all threads. At its end,
//! [`Printer::finish`] waits a limited time for what is still to be printed.
//!
//! ```
//! use hpcap::message::{Level, Printer, Stream};
//!
//! let printer = Printer::start(|_, dropped| format!("{dropped} messages were dropped"))?;
//! let messages = printer.messages().clone();
//! let thread = std::thread::spawn(move || {
//!     // Never waits, whatever becomes of standard error.
//!     messages.tell(Level::Info, Stream::Errors, "the capture has started");
//! });
//! thread.join().unwrap();
//! printer.finish();
//! # Ok::<(), hpcap::Error>(())
//! ```

mod limit;
mod output;
mod printer;
mod program;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

pub use limit::{Limited, Limiter, kind_of};
pub use printer::Printer;
pub use program::{run, run_to_code};

/// Importance of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A progress line, which the next message replaces on a terminal.
    Progress,
    /// Information.
    Info,
    /// A warning, which a person should see.
    Warning,
    /// A failure.
    Error,
}

/// The stream to which a message is printed.
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
    /// Importance of the message.
    pub level: Level,
    /// The stream to which it is printed.
    pub stream: Stream,
    /// The text, without a newline at its end.
    pub text: String,
}

/// An item in the queue of a printer.
#[derive(Debug)]
enum Item {
    Message(Message),
    /// No message; the printer checks whether it should stop.
    Wake,
}

/// The sending end of a printer's queue. Cloning it shares the queue.
#[derive(Debug, Clone)]
pub struct Messages {
    queue: SyncSender<Item>,
    dropped: Arc<Dropped>,
}

/// Numbers of messages for which the queue had no room, by stream.
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
    /// Queues `text` for printing. Never blocks; if the queue is full, the message is dropped and
    /// counted.
    pub fn tell(&self, level: Level, stream: Stream, text: impl Into<String>) {
        let message = Message {
            level,
            stream,
            text: text.into(),
        };
        // Lost progress lines are not counted: the next one replaces them.
        if self.queue.try_send(Item::Message(message)).is_err() && level != Level::Progress {
            self.dropped.of(stream).fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Queues a warning for standard error.
    pub fn warn(&self, text: impl Into<String>) {
        self.tell(Level::Warning, Stream::Errors, text);
    }
}
