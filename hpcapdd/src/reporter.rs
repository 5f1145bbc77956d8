//! Where events go: text or JSON, stdout or stderr, and the progress line of a terminal.

use std::io::{IsTerminal, Write};

use hpcap::visible::visible_json;

use crate::events::Event;
use crate::text::text;

/// What the user wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Text; progress on a terminal, or always with `progress`.
    Text {
        /// A progress line even where stderr is no terminal.
        progress: bool,
    },
    /// One JSON object a line.
    Json,
    /// Warnings only.
    Quiet,
}

/// Prints events. A reader that has gone away is no error: the recording matters more.
#[derive(Debug)]
pub struct Reporter {
    style: Style,
    /// stdout carries the frames.
    stdout_taken: bool,
    terminal: bool,
    /// A progress line stands on the terminal, without its end.
    line_open: bool,
}

impl Reporter {
    /// For this process's stdout and stderr; `stdout_taken` when frames go to stdout.
    #[must_use]
    pub fn new(style: Style, stdout_taken: bool) -> Self {
        Self {
            style,
            stdout_taken,
            terminal: std::io::stderr().is_terminal(),
            line_open: false,
        }
    }

    /// Whether anybody would see progress.
    #[must_use]
    pub fn wants_progress(&self) -> bool {
        match self.style {
            Style::Text { progress } => progress || self.terminal,
            Style::Json => true,
            Style::Quiet => false,
        }
    }

    /// Tells.
    pub fn tell(&mut self, event: &Event) {
        match self.style {
            Style::Json => self.json(event),
            Style::Text { .. } => self.text(event),
            Style::Quiet => {
                if matches!(event, Event::Warning { .. }) {
                    self.text(event);
                }
            }
        }
    }

    fn json(&mut self, event: &Event) {
        let Ok(mut line) = serde_json::to_string(event) else {
            return;
        };
        line.push('\n');
        let line = visible_json(&line);
        self.put(&line, !self.stdout_taken);
    }

    fn text(&mut self, event: &Event) {
        match event {
            Event::Progress(_) if !self.wants_progress() => {}
            Event::Progress(_) if self.terminal => {
                let mut err = std::io::stderr().lock();
                let _ = write!(err, "\r{}\x1b[K", text(event));
                let _ = err.flush();
                self.line_open = true;
            }
            Event::FileComplete(_) => self.put(&format!("{}\n", text(event)), !self.stdout_taken),
            _ => self.put(&format!("{}\n", text(event)), false),
        }
    }

    fn put(&mut self, line: &str, to_stdout: bool) {
        if std::mem::take(&mut self.line_open) {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
        if to_stdout {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
        } else {
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        }
    }
}
