//! Messages of the daemon while it serves: as text, or as JSON, one object per line.

use std::time::Instant;

use hpcap::loss::Loss;
use hpcap::message::{Level, Limited, Limiter, Messages, Stream, kind_of};
use hpcap::queue::LedgerSnapshot;
use hpcap::report::write_ledger;
use hpcap::units::Bytes;
use hpcap::visible::{visible, visible_json, visible_lines};
use hpcap::{Queue, QueueName};
use serde_json::{Value, json};

/// Prints messages through the queue of the printing thread. Clones share that queue.
#[derive(Debug, Clone)]
pub(super) struct Reporter {
    messages: Messages,
    json: bool,
    quiet: bool,
}

/// Returns the function that formats the message about dropped messages.
pub(super) fn notice(json: bool) -> impl Fn(Stream, u64) -> String + Send + 'static {
    move |stream, dropped| {
        let text = format!("{dropped} messages before this one were dropped: nobody read them");
        if json && stream == Stream::Output {
            json!({"event": "dropped", "messages": dropped, "message": text}).to_string()
        } else {
            format!("hpcapd: {text}")
        }
    }
}

impl Reporter {
    /// With `quiet`, the reporter prints warnings and errors only.
    pub(super) fn new(messages: &Messages, json: bool, quiet: bool) -> Self {
        let messages = messages.clone();
        Self {
            messages,
            json,
            quiet,
        }
    }

    fn print(&self, text: &str) {
        self.messages
            .tell(Level::Info, Stream::Output, visible_json(text));
    }

    /// Prints a message about a queue.
    pub(super) fn print_message(&self, message: &QueueMessage) {
        let QueueMessage { queue, level, text } = message;
        if self.quiet && *level < Level::Warning {
            return;
        }
        if self.json {
            let line = json!({
                "event": "message",
                "level": name_of(*level),
                "queue": queue.to_string(),
                "message": text,
            });
            self.print(&line.to_string());
        } else {
            let text = format!("hpcapd: {queue}: {}", visible_lines(text));
            self.messages.tell(*level, Stream::Errors, text);
        }
    }

    /// Reports that queue `name` loses frames, or that the loss is over.
    pub(super) fn loss(&self, name: QueueName, loss: &Loss) {
        if !self.json {
            return self.print_message(&QueueMessage::warning(name, loss.to_string()));
        }
        let mut event = serde_json::to_value(loss).unwrap_or_default();
        event["event"] = "loss".into();
        event["queue"] = name.to_string().into();
        event["message"] = loss.to_string().into();
        self.print(&event.to_string());
    }

    /// Reports that `queue` is served at `socket`.
    pub(super) fn serving(&self, queue: &Queue, socket: &str) {
        if self.quiet {
            return;
        }
        let info = queue.info();
        if self.json {
            let line = json!({
                "event": "serving",
                "queue": info.name.to_string(),
                "source": info.source,
                "ring_bytes": info.ring_bytes,
                "page_bytes": info.page_bytes,
                "block_bytes": info.block_bytes,
                "socket": socket,
            });
            return self.print(&line.to_string());
        }
        self.print(&format!(
            "{}: {}, ring {} in pages of {}, socket {socket}",
            info.name,
            visible(&info.source),
            Bytes(info.ring_bytes),
            Bytes(info.page_bytes),
        ));
    }

    /// Prints the ledger of a queue that has ended.
    pub(super) fn ended(&self, name: QueueName, ledger: &LedgerSnapshot) {
        if !self.quiet {
            self.ledger("ended", name, ledger);
        }
    }

    /// Prints the ledger of a queue that is still running.
    pub(super) fn statistics(&self, name: QueueName, ledger: &LedgerSnapshot) {
        self.ledger("statistics", name, ledger);
    }

    fn ledger(&self, event: &str, name: QueueName, ledger: &LedgerSnapshot) {
        if self.json {
            let line: Value = json!({
                "event": event,
                "queue": name.to_string(),
                "ledger": ledger.ledger,
                "on_the_wire": ledger.ledger.on_the_wire(),
                "frames_cut": ledger.frames_cut,
                "times_adjusted": ledger.times_adjusted,
            });
            return self.print(&line.to_string());
        }
        let mut text = format!("{name}: {event}\n");
        write_ledger(&mut text, &ledger.ledger);
        self.print(text.trim_end());
    }
}

/// A message about a queue.
#[derive(Debug)]
pub(super) struct QueueMessage {
    queue: QueueName,
    level: Level,
    text: String,
}

impl QueueMessage {
    pub(super) fn new(queue: QueueName, level: Level, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { queue, level, text }
    }

    pub(super) fn info(queue: QueueName, text: impl Into<String>) -> Self {
        Self::new(queue, Level::Info, text)
    }

    pub(super) fn warning(queue: QueueName, text: impl Into<String>) -> Self {
        Self::new(queue, Level::Warning, text)
    }
}

impl Limited for QueueMessage {
    fn append(&mut self, note: &str) {
        self.text.push_str(note);
    }
}

/// The name of a level in JSON.
fn name_of(level: Level) -> &'static str {
    match level {
        Level::Progress | Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

/// Limits the rate of messages, because clients and interfaces can cause any number of them.
#[derive(Debug)]
pub(super) struct LimitedReporter {
    reporter: Reporter,
    limiter: Limiter<QueueMessage>,
}

impl LimitedReporter {
    pub(super) fn new(reporter: &Reporter) -> Self {
        Self {
            reporter: reporter.clone(),
            limiter: Limiter::new(),
        }
    }

    /// Prints a message, unless too many messages about its queue that differ only in numbers came
    /// before.
    pub(super) fn print_message(&mut self, message: QueueMessage) {
        let kind = kind_of(&message.text);
        self.print_kind(&kind, message);
    }

    /// Prints a message, unless too many of `kind` about its queue came before.
    pub(super) fn print_kind(&mut self, kind: &str, message: QueueMessage) {
        let kind = format!("{}: {kind}", message.queue);
        if let Some(message) = self.limiter.pass(&kind, message, Instant::now()) {
            self.reporter.print_message(&message);
        }
    }

    /// Prints a summary of held-back messages, at most once per period and kind.
    pub(super) fn tell_due(&mut self) {
        if self.limiter.holds_back() {
            for message in self.limiter.due(Instant::now()) {
                self.reporter.print_message(&message);
            }
        }
    }

    /// Prints what is still held back. The daemon calls this before it ends.
    pub(super) fn tell_rest(&mut self) {
        for message in self.limiter.rest(Instant::now()) {
            self.reporter.print_message(&message);
        }
    }
}
