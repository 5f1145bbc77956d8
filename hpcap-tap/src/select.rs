//! The choice of queues from a command line.

use std::ffi::OsStr;
use std::fmt;
use std::fmt::Write;
use std::str::FromStr;

use hpcap::queue::QueueAddress;
use hpcap::visible::visible;
use hpcap::{Error, Kind, Queue, QueueName, Result};

/// The queues that a word of the command line means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// `*`: every queue of this machine.
    All,
    /// `hpcap0:*`: every queue of an adapter.
    Adapter(u32),
    /// The queues of a network interface; of these one only, if its number is given.
    Interface {
        /// Name of the interface.
        name: String,
        /// Number of the queue on its adapter.
        queue: Option<u32>,
    },
    /// One queue.
    One(QueueAddress),
}

impl Pattern {
    /// Parses a word of a command line.
    ///
    /// # Errors
    /// Returns [`Kind::Usage`] when the word means no queue.
    pub fn of(word: &OsStr) -> Result<Self> {
        match word.to_str() {
            Some(text) => text.parse(),
            None => QueueAddress::try_from(word).map(Self::One),
        }
    }
}

impl FromStr for Pattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "*" {
            return Ok(Self::All);
        }
        if let Some(adapter) = QueueName::adapter_of_all(text)? {
            return Ok(Self::Adapter(adapter));
        }
        QueueAddress::try_from(text).map(Self::One).map_err(|e| {
            e.or_advise("`*` means all queues, `hpcap0:*` those of adapter 0; hpcap-tap -D lists the queues")
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Adapter(adapter) => write!(f, "hpcap{adapter}:*"),
            Self::Interface { name, queue: None } => write!(f, "the queues of {name}"),
            Self::Interface {
                name,
                queue: Some(queue),
            } => write!(f, "queue {queue} of {name}"),
            Self::One(address) => address.fmt(f),
        }
    }
}

impl Pattern {
    /// Opens the queues that the pattern means, at least one.
    ///
    /// # Errors
    /// Returns the errors of [`Queue::open`], and [`Kind::NotFound`] when the pattern means no queue
    /// that is served.
    pub fn open(&self) -> Result<Vec<(QueueAddress, Queue)>> {
        let wanted = |queue: &Queue| match self {
            Self::Interface {
                name,
                queue: number,
            } => {
                let info = queue.info();
                info.interface == *name && number.is_none_or(|n| n == info.name.queue)
            }
            _ => true,
        };
        let names = match self {
            Self::One(address) => {
                return Ok(vec![(address.clone(), Queue::open(address.clone())?)]);
            }
            _ => Queue::list(),
        };
        let (names, unseen) = names;
        let in_pattern = |name: &QueueName| match self {
            Self::Adapter(adapter) => name.adapter == *adapter,
            _ => true,
        };
        let mut queues = Vec::new();
        let meant: Vec<QueueName> = names.iter().copied().filter(in_pattern).collect();
        for (name, opened) in meant.iter().copied().zip(Queue::open_all(&meant)) {
            match opened {
                Ok(queue) if wanted(&queue) => queues.push((QueueAddress::Name(name), queue)),
                Ok(_) => {}
                // A socket that a dead producer has left behind is no queue.
                Err(e) if e.kind() == Kind::Gone => {}
                Err(e) => return Err(e),
            }
        }
        if queues.is_empty() {
            return Err(self.nothing(&names, unseen));
        }
        Ok(queues)
    }

    /// Returns the error for a pattern that matches none of the queues `names`.
    fn nothing(&self, names: &[QueueName], unseen: Vec<Error>) -> Error {
        let tried = format!("open {self}");
        if let Some(error) = unseen.into_iter().next() {
            return error;
        }
        let why = if names.is_empty() {
            "no producer serves a queue on this machine".to_owned()
        } else {
            let names: Vec<String> = names.iter().map(QueueName::to_string).collect();
            format!(
                "none of the queues is meant: there are {}",
                names.join(", ")
            )
        };
        Error::new(Kind::NotFound, tried, why)
            .advise("start a queue: hpcapd af_packet:INTERFACE; hpcapctl status lists what runs")
    }
}

/// Returns the list of queues for `-D`, one a line.
///
/// # Errors
/// Returns the error of a folder that may hide queues, when no queue is found.
pub fn list() -> Result<String> {
    let (names, unseen) = Queue::list();
    let mut text = String::new();
    for (name, opened) in names.iter().zip(Queue::open_all(&names)) {
        match opened {
            Ok(queue) => {
                let info = queue.info();
                let from = visible(&info.interface);
                let _ = writeln!(text, "{name}\t{from}\t{}", visible(&info.source));
            }
            Err(e) => {
                let _ = writeln!(
                    text,
                    "{name}\t\t({})",
                    visible(&e.why_and_advice().replace('\n', " "))
                );
            }
        }
    }
    match unseen.into_iter().next() {
        Some(error) if text.is_empty() => Err(error),
        _ => Ok(text),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn pattern_reads_back_as_it_prints() {
        for text in ["*", "hpcap3:*", "hpcap0", "hpcap1:2", "/run/x/hpcap0.sock"] {
            assert_eq!(text.parse::<Pattern>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn name_of_an_interface_is_refused() {
        for text in ["eth0", "", "eth0:*", "hpcap*"] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }
}
