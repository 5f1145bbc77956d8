//! Renders events as text or JSON and sends them to stdout or stderr.

use std::io::IsTerminal;
use std::sync::mpsc::Sender;
use std::time::Instant;

use hpcap::QueueName;
use hpcap::message::{Level, Limiter, Messages, Stream, kind_of};

use hpcap::visible::visible_json;
use hpcap_service::{Part, Service};
use serde_json::Value;

use crate::report::event::{Event, Progress, Summary};
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

/// Counts of the recording of one of several queues, for the sum of all.
#[derive(Debug)]
pub enum QueueCounts {
    /// The counts so far.
    Progress(Progress),
    /// The counts of a recording that has ended.
    Summary(Summary),
}

/// The queue whose recording is reported beside those of other queues.
#[derive(Debug)]
struct OneOfSeveral {
    queue: QueueName,
    counts: Sender<(QueueName, QueueCounts)>,
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
    /// `None` if nothing else is recorded by this process.
    one_of_several: Option<OneOfSeveral>,
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

/// An event of the recording of `queue`, which has its name.
fn json_of(queue: QueueName, event: &Event) -> String {
    let mut value = serde_json::to_value(event).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.insert("queue".to_owned(), queue.to_string().into());
    }
    visible_json(&value.to_string()).into_owned()
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
            one_of_several: None,
        }
    }

    /// A reporter for the recording of `queue`, one of several of this process. Its events name the queue, and what
    /// concerns all queues goes to `counts` and to the returned [`Part`].
    #[must_use]
    pub fn of_queue(
        messages: &Messages,
        style: Style,
        queue: QueueName,
        counts: Sender<(QueueName, QueueCounts)>,
    ) -> (Self, Part) {
        let (service, part) = Service::part();
        let reporter = Self {
            service,
            one_of_several: Some(OneOfSeveral { queue, counts }),
            ..Self::new(messages, style, false)
        };
        (reporter, part)
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
        let queue = self.one_of_several.as_ref().map(|one| one.queue);
        if let Some(one) = &self.one_of_several {
            let counts = match event {
                Event::Progress(progress) => Some(QueueCounts::Progress(progress.clone())),
                Event::Summary(summary) => Some(QueueCounts::Summary(summary.clone())),
                _ => None,
            };
            if let Some(counts) = counts {
                // Nobody adds up counts any more when the process ends.
                let _ = one.counts.send((one.queue, counts));
            }
            // One line has the progress of all queues.
            if event.level() == Level::Progress && self.style != Style::Json {
                return;
            }
        }
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
            Style::Json => queue.map_or_else(|| json(event), |queue| json_of(queue, event)),
            Style::Text { .. } | Style::Quiet => text(event, queue),
        };
        self.messages.tell(level, stream, line);
    }
}
