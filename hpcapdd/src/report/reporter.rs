//! Renders events as text or JSON and sends them to stdout or stderr.

use std::io::IsTerminal;
use std::time::Instant;

use hpcap::message::{Level, Limiter, Messages, Stream, kind_of};

use hpcap::visible::visible_json;
use hpcap_service::Service;

use crate::report::event::Event;
use crate::report::text::text;

/// The form of the output that the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Text. Progress lines appear on a terminal, and elsewhere only with `progress`.
    Text {
        /// Prints progress lines even where stderr is not a terminal.
        progress: bool,
    },
    /// One JSON object per line.
    Json,
    /// Only warnings, as text.
    Quiet,
}

/// Renders events and passes them to the printing thread, so that reporting never blocks, even if
/// nobody reads the streams. Repeated warnings of one kind become one line.
#[derive(Debug)]
pub struct Reporter {
    messages: Messages,
    limiter: Limiter<String>,
    style: Style,
    /// Whether stdout carries the frames.
    stdout_taken: bool,
    terminal: bool,
    service: Service,
}

/// Returns a function that makes the line about dropped messages, for [`hpcap::message::run`].
pub fn notice(style: Style) -> impl Fn(Stream, u64) -> String + Send + 'static {
    move |_, dropped| {
        let text = format!("{dropped} messages before this one were dropped: nobody read them");
        match style {
            Style::Json => json(&Event::warning(text)),
            Style::Text { .. } | Style::Quiet => format!("hpcapdd: {text}"),
        }
    }
}

fn json(event: &Event) -> String {
    visible_json(&serde_json::to_string(event).unwrap_or_default()).into_owned()
}

impl Reporter {
    /// A reporter for this process's stdout and stderr. `stdout_taken` says that stdout carries the
    /// frames.
    #[must_use]
    pub fn new(messages: &Messages, style: Style, stdout_taken: bool) -> Self {
        Self {
            messages: messages.clone(),
            limiter: Limiter::new(),
            style,
            stdout_taken,
            terminal: std::io::stderr().is_terminal(),
            service: Service::from_environment(),
        }
    }

    /// The service manager, which gets the state of the recorder, too.
    pub fn service(&mut self) -> &mut Service {
        &mut self.service
    }

    /// Reports an event, unless it is a warning and too many of its kind were reported just now.
    pub fn tell(&mut self, event: &Event) {
        if let Event::Warning { message } = event {
            let passed = self
                .limiter
                .pass(&kind_of(message), message.clone(), Instant::now());
            if let Some(message) = passed {
                self.put(&Event::Warning { message });
            }
        } else {
            self.put(event);
        }
    }

    /// Reports the warnings that were held back, one line for each kind whose period is over.
    pub fn tell_due(&mut self) {
        if self.limiter.holds_back() {
            for message in self.limiter.due(Instant::now()) {
                self.put(&Event::Warning { message });
            }
        }
    }

    /// Reports all warnings that are still held back, because the recorder ends.
    pub fn tell_rest(&mut self) {
        for message in self.limiter.rest(Instant::now()) {
            self.put(&Event::Warning { message });
        }
    }

    fn put(&self, event: &Event) {
        let stdout = match self.stdout_taken {
            true => Stream::Errors,
            false => Stream::Output,
        };
        let (level, stream) = match (self.style, event.level()) {
            (Style::Json, _) => (Level::Info, stdout),
            (_, Level::Warning) => (Level::Warning, Stream::Errors),
            (Style::Quiet, _) => return,
            (Style::Text { .. }, Level::Progress) if self.terminal => {
                (Level::Progress, Stream::Errors)
            }
            (Style::Text { progress: false }, Level::Progress) => return,
            _ if matches!(event, Event::FileComplete(_)) => (Level::Info, stdout),
            _ => (Level::Info, Stream::Errors),
        };
        let line = match self.style {
            Style::Json => json(event),
            Style::Text { .. } | Style::Quiet => text(event),
        };
        self.messages.tell(level, stream, line);
    }
}
