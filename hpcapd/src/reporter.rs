//! What the daemon tells while it serves: as text, or as JSON, one object a line.

use std::time::Instant;

use hpcap::loss::Loss;
use hpcap::message::{Level, Limiter, Messages, Stream};
use hpcap::queue::LedgerSnapshot;
use hpcap::report::write_ledger;
use hpcap::units::Bytes;
use hpcap::visible::{visible, visible_json, visible_lines};
use hpcap::{Queue, QueueName};
use serde_json::{Value, json};

/// Where the daemon's messages go. Cloning it shares the queue of messages.
#[derive(Debug, Clone)]
pub(super) struct Voice {
    messages: Messages,
    json: bool,
    quiet: bool,
}

/// The line that says how many messages were dropped.
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

impl Voice {
    /// With `quiet`, it tells only what people should know of.
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

    /// Something to read about queue `name`.
    pub(super) fn say(&self, name: QueueName, text: &str) {
        if self.json {
            let line = json!({"event": "message", "queue": name.to_string(), "message": text});
            self.print(&line.to_string());
        } else {
            self.messages
                .warn(format!("hpcapd: {name}: {}", visible_lines(text)));
        }
    }

    /// Frames of queue `name` are being lost, or were.
    pub(super) fn loss(&self, name: QueueName, loss: &Loss) {
        if !self.json {
            return self.say(name, &loss.to_string());
        }
        let mut event = serde_json::to_value(loss).unwrap_or_default();
        event["event"] = "loss".into();
        event["queue"] = name.to_string().into();
        event["message"] = loss.to_string().into();
        self.print(&event.to_string());
    }

    /// A queue is served at `socket`.
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

    /// The ledger of a queue that has ended.
    pub(super) fn ended(&self, name: QueueName, ledger: &LedgerSnapshot) {
        if !self.quiet {
            self.ledger("ended", name, ledger);
        }
    }

    /// The ledger of a queue that goes on.
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

/// A voice for what clients can cause as often as they like.
#[derive(Debug)]
pub(super) struct Limited {
    voice: Voice,
    limiter: Limiter,
}

impl Limited {
    pub(super) fn new(voice: &Voice) -> Self {
        Self {
            voice: voice.clone(),
            limiter: Limiter::new(),
        }
    }

    /// Something about queue `name`, of `kind`.
    pub(super) fn say(&mut self, name: QueueName, kind: &str, text: &str) {
        let kind = format!("{name}: {kind}");
        // The name goes along: lines that are held back are told without it otherwise.
        let text = format!("{name}: {text}");
        if let Some(text) = self.limiter.pass(&kind, text, Instant::now()) {
            self.tell(&text);
        }
    }

    /// Tells what was held back, once its time has come.
    pub(super) fn tell_due(&mut self) {
        if self.limiter.holds_back() {
            for text in self.limiter.due(Instant::now()) {
                self.tell(&text);
            }
        }
    }

    /// Tells what is held back, because the end has come.
    pub(super) fn tell_rest(&mut self) {
        for text in self.limiter.rest(Instant::now()) {
            self.tell(&text);
        }
    }

    fn tell(&self, text: &str) {
        let Some((name, rest)) = text.split_once(": ") else {
            return;
        };
        if let Ok(name) = name.parse() {
            self.voice.say(name, rest);
        }
    }
}
