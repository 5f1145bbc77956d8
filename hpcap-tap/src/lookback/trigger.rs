//! The kinds of events.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use hpcap::{Error, Result};

/// An event at which the time machine writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// Frames were lost before the ring.
    Loss,
    /// SIGUSR1.
    Signal,
    /// The end of a shell command with exit code 0.
    Command(OsString),
    /// A frame that matches a filter in tcpdump's syntax.
    Filter(String),
}

impl Trigger {
    /// Understands the word that a user has typed. A command need not be UTF-8.
    ///
    /// # Errors
    /// Returns a usage error for a filter that is not UTF-8.
    pub fn of(word: &OsStr) -> Result<Self> {
        let bytes = word.as_bytes().trim_ascii();
        if let Some(command) = bytes.strip_prefix(b"command:") {
            let command = OsStr::from_bytes(command.trim_ascii());
            return Ok(Self::Command(command.to_owned()));
        }
        let Ok(text) = str::from_utf8(bytes) else {
            let tried = format!("event {}", word.display());
            return Err(Error::usage(tried, "a filter is UTF-8"));
        };
        Ok(match text {
            "loss" => Self::Loss,
            "signal" => Self::Signal,
            text => {
                let filter = text.strip_prefix("filter:").unwrap_or(text);
                Self::Filter(filter.trim().to_owned())
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn other_words_are_filters() {
        for (text, trigger) in [
            ("loss", Trigger::Loss),
            ("signal", Trigger::Signal),
            ("command: sleep 1", Trigger::Command("sleep 1".into())),
            ("filter:loss", Trigger::Filter("loss".into())),
            ("udp port 53", Trigger::Filter("udp port 53".into())),
            (
                "ether host 1:2:3:4:5:6",
                Trigger::Filter("ether host 1:2:3:4:5:6".into()),
            ),
        ] {
            assert_eq!(Trigger::of(text.as_ref()).unwrap(), trigger);
        }
    }

    #[test]
    fn command_keeps_bytes_that_are_not_utf_8() {
        let command = OsStr::from_bytes(b"/x\xff 1");
        let word = [b"command: ", command.as_bytes()].concat();
        let trigger = Trigger::of(OsStr::from_bytes(&word)).unwrap();
        assert_eq!(trigger, Trigger::Command(command.to_owned()));
        let error = Trigger::of(OsStr::from_bytes(b"udp\xff")).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}
