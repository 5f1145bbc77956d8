//! The problems of a configuration, and their places.

use std::fmt;

use hpcap::visible::visible;
use hpcap::{Error, Kind};
use serde::Serialize;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// Severity of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The configuration cannot be used.
    Error,
    /// The configuration can be used, and something about it is doubtful.
    Warning,
}

/// Something wrong in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// Severity of the problem.
    pub level: Level,
    /// Path of the file.
    pub file: String,
    /// The place in the file.
    #[serde(flatten)]
    pub place: Place,
    /// The section and the key, such as `interface 2, caplen`.
    pub key: String,
    /// The value as it is written in the file.
    pub found: Option<String>,
    /// The problem.
    pub why: String,
    /// What the key allows; `None` for problems of another kind.
    pub allowed: Option<String>,
    /// The advice.
    pub advice: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { line, column } = self.place;
        write!(f, "{}:{line}:{column}: ", visible(&self.file))?;
        if self.level == Level::Warning {
            f.write_str("warning: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", visible(&self.key))?;
        }
        if let Some(found) = &self.found {
            write!(f, "found {}: ", visible(found))?;
        }
        f.write_str(&visible(&self.why))?;
        if let Some(allowed) = &self.allowed {
            write!(f, "\n  allowed: {allowed}")?;
        }
        for line in self.advice.iter().flat_map(|advice| advice.lines()) {
            write!(f, "\n  {}", visible(line))?;
        }
        Ok(())
    }
}

/// The problems of a file, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join("\n"))
    }
}

impl std::error::Error for Problems {}

/// Returns one error for the whole file, with a line for each problem.
impl From<Problems> for Error {
    fn from(problems: Problems) -> Self {
        let file = problems.0.first().map_or("", |p| p.file.as_str());
        let tried = format!("use the configuration {file}");
        let why = match problems.0.len() {
            1 => "it has an error".to_owned(),
            n => format!("it has {n} errors"),
        };
        Error::new(Kind::Format, tried, why).advise(problems.to_string())
    }
}

/// Returns the place of byte `offset` of `text`.
pub(crate) fn place_of(text: &str, offset: usize) -> Place {
    let end = (0..=offset.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    let before = &text[..end];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Place {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

/// Shortens a piece of a file to a length that fits a message.
pub(crate) fn excerpt(piece: &str) -> String {
    const LONGEST: usize = 60;
    let line = piece.trim();
    match line.char_indices().nth(LONGEST) {
        None => line.to_owned(),
        Some((end, _)) => format!("{}...", &line[..end]),
    }
}
