//! The kinds of events.

use std::convert::Infallible;
use std::str::FromStr;

/// An event at which the time machine writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// Frames were lost before the ring.
    Loss,
    /// SIGUSR1.
    Signal,
    /// The end of a shell command with exit code 0.
    Command(String),
    /// A frame that matches a filter in tcpdump's syntax.
    Filter(String),
}

impl FromStr for Trigger {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.trim() {
            "loss" => Self::Loss,
            "signal" => Self::Signal,
            text => match text.split_once(':') {
                Some(("command", command)) => Self::Command(command.trim().to_owned()),
                Some(("filter", filter)) => Self::Filter(filter.trim().to_owned()),
                _ => Self::Filter(text.to_owned()),
            },
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
            assert_eq!(text.parse::<Trigger>().unwrap(), trigger);
        }
    }
}
