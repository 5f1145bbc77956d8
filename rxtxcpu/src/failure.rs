//! Why the program ends without having done what it was asked for.

use std::fmt;
use std::process::ExitCode;

use hpcap::error::Error;
use hpcap::visible::visible_lines;

/// A failure, in the words of the original where it has words for it.
#[derive(Debug)]
pub enum Failure {
    /// The command line asks for something impossible. The short usage follows the text.
    Usage(String),
    /// Something failed that the original has a text for. Advice follows on further lines.
    Known {
        /// The original's text.
        text: String,
        /// What to do.
        advice: Option<String>,
    },
    /// Anything else.
    Other(Error),
}

impl Failure {
    /// Whether the command line is to blame.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Usage(_))
    }

    /// 2 for a wrong command line, otherwise 1.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Known { .. } => 1,
            Self::Other(error) => error.exit_code(),
        })
    }

    /// A failure that the original has a text for.
    #[must_use]
    pub fn known(text: impl Into<String>) -> Self {
        Self::Known {
            text: text.into(),
            advice: None,
        }
    }

    /// A failure to write to `file`.
    #[must_use]
    pub fn of_writing(file: &str, error: &std::io::Error) -> Self {
        let why = plain(error);
        Self::known(format!("error writing to savefile '{file}': {why}"))
    }
}

/// The kernel's words for an error, without its number.
#[must_use]
pub fn plain(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(errno) => nix::errno::Errno::from_raw(errno).desc().to_owned(),
        None => error.to_string(),
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) => write!(f, "{}", visible_lines(text)),
            Self::Known { text, advice } => {
                write!(f, "{}", visible_lines(text))?;
                match advice {
                    Some(advice) => write!(f, "\n  {}", visible_lines(advice)),
                    None => Ok(()),
                }
            }
            Self::Other(error) => error.fmt(f),
        }
    }
}
