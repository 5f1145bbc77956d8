//! What a check found: data first, rendered as text or JSON.

use std::fmt::Write;

use hpcap::visible;
use serde::Serialize;

/// Severity of a finding, most serious first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Frames are lost because of it, or capturing is impossible.
    Problem,
    /// Capturing works, and would be safer or faster otherwise.
    Advice,
    /// The machine does not say.
    Unknown,
    /// There is nothing to do.
    Ok,
}

impl State {
    /// The word for the state in the first column.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Advice => "advice",
            Self::Unknown => "unknown",
            Self::Ok => "ok",
        }
    }
}

/// A result of a check, before it has the name of the check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    state: State,
    subject: Option<String>,
    found: String,
    next: Option<String>,
}

impl Outcome {
    /// A good result.
    #[must_use]
    pub fn ok(found: impl Into<String>) -> Self {
        Self::new(State::Ok, found)
    }

    /// A result that could be better.
    #[must_use]
    pub fn advice(found: impl Into<String>) -> Self {
        Self::new(State::Advice, found)
    }

    /// A problem: frames are lost because of it.
    #[must_use]
    pub fn problem(found: impl Into<String>) -> Self {
        Self::new(State::Problem, found)
    }

    /// The result of a check that the machine does not answer.
    #[must_use]
    pub fn unknown(found: impl Into<String>) -> Self {
        Self::new(State::Unknown, found)
    }

    fn new(state: State, found: impl Into<String>) -> Self {
        Self {
            state,
            subject: None,
            found: found.into(),
            next: None,
        }
    }

    /// Sets the interface or queue that the result is about.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets the next command to type.
    #[must_use]
    pub fn next(mut self, command: impl Into<String>) -> Self {
        self.next = Some(command.into());
        self
    }
}

/// A finding of a check. The names of the fields are the names in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// Name of the check, such as `pcie-link`.
    pub check: &'static str,
    /// Severity of the finding.
    pub state: State,
    /// The interface or the queue that it is about; `None` for the whole machine.
    pub subject: Option<String>,
    /// What was found.
    pub found: String,
    /// Why it matters for a capture.
    pub why: &'static str,
    /// The next command to type.
    pub next: Option<String>,
    /// The place in the documentation that says more.
    pub more: String,
}

impl Finding {
    /// Gives `outcome` the name of its check, and why the check matters.
    #[must_use]
    pub fn new(check: &'static str, why: &'static str, outcome: Outcome) -> Self {
        Self {
            check,
            state: outcome.state,
            subject: outcome.subject,
            found: outcome.found,
            why,
            next: outcome.next,
            more: format!("docs/tuning.md#{check}"),
        }
    }

    /// Writes the finding as text: one line if there is nothing to do, otherwise with the reason
    /// and the next command.
    pub(super) fn write(&self, out: &mut String) {
        let about = self
            .subject
            .as_ref()
            .map_or(String::new(), |s| format!("{s}: "));
        let text = format!("{about}{}", self.found);
        let _ = writeln!(
            out,
            "{:<8} {:<18} {}",
            self.state.name(),
            self.check,
            visible(&text)
        );
        if self.state == State::Ok {
            return;
        }
        let _ = writeln!(out, "{:9}why: {} ({})", "", self.why, self.more);
        if let Some(next) = &self.next {
            let _ = writeln!(out, "{:9}next: {}", "", visible(next));
        }
    }
}
