//! All queues of an adapter, as the command line names them: `hpcap0:* DEST...`.

use std::ffi::OsString;

use hpcap::{Error, QueueName, Result};

use super::{Destination, check_options, destination};
use crate::cli::Cli;

/// The queues of an adapter, and where their frames go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSet {
    /// Number of the adapter.
    pub adapter: u32,
    /// Folders that the queues use in turn, or [`Destination::Null`]. There is at least one.
    destinations: Vec<Destination>,
}

impl QueueSet {
    /// Takes the set from the command line; `None` if the operands name one queue, or sources.
    ///
    /// # Errors
    /// [`Kind::Usage`](hpcap::Kind::Usage) for a destination that cannot hold several queues, and for options that do not
    /// fit it.
    pub fn of(cli: &Cli) -> Result<Option<Self>> {
        let [queues, words @ ..] = cli.operands.as_slice() else {
            return Ok(None);
        };
        if !cli.source.is_empty() {
            return Ok(None);
        }
        let Some(adapter) = QueueName::adapter_of_all(&queues.to_string_lossy())? else {
            return Ok(None);
        };
        let queues = queues.to_string_lossy();
        let destinations: Vec<Destination> = words
            .iter()
            .map(|word| of_several(&queues, word))
            .collect::<Result<_>>()?;
        if destinations.is_empty() {
            return Err(Error::usage(
                "operands",
                format!("{queues} DEST is expected, such as: hpcapdd '{queues}' /data"),
            ));
        }
        for destination in &destinations {
            check_options(cli, destination)?;
        }
        Ok(Some(Self {
            adapter,
            destinations,
        }))
    }

    /// Where the frames of `queue` go.
    #[must_use]
    pub fn destination(&self, queue: QueueName) -> &Destination {
        &self.destinations[queue.queue as usize % self.destinations.len()]
    }
}

impl std::fmt::Display for QueueSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "hpcap{}:*", self.adapter)
    }
}

/// Parses a destination of several queues.
fn of_several(queues: &str, word: &OsString) -> Result<Destination> {
    let advice = match destination(word)? {
        Destination::Stdout => format!("hpcap-tap '{queues}' -w - writes the frames of all queues to stdout"),
        Destination::File(_) => {
            "name a folder; raw2pcap FOLDER -o FILE makes one file of the recordings, in order of time".to_owned()
        }
        fits => return Ok(fits),
    };
    let tried = format!("destination \"{}\" for {queues}", word.display());
    Err(Error::usage(tried, "each queue has files of its own").advise(advice))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn set(line: &str) -> Result<Option<QueueSet>> {
        QueueSet::of(&Cli::try_parse_from(line.split(' ')).unwrap())
    }

    #[test]
    fn queues_use_the_folders_in_turn() {
        let set = set("hpcapdd hpcap3:* /a /b").unwrap().unwrap();
        assert_eq!(set.to_string(), "hpcap3:*");
        for (queue, folder) in [(0, "/a"), (1, "/b"), (2, "/a"), (65_535, "/b")] {
            let destination = set.destination(QueueName::new(3, queue));
            assert_eq!(*destination, Destination::Folder(folder.into()), "{queue}");
        }
    }

    #[test]
    fn one_queue_is_no_set() {
        for line in [
            "hpcapdd hpcap0 /d",
            "hpcapdd 0 1 /d",
            "hpcapdd --source gen: /d",
        ] {
            assert_eq!(set(line).unwrap(), None, "{line}");
        }
    }

    #[test]
    fn one_place_cannot_hold_several_queues() {
        for line in [
            "hpcapdd hpcap0:*",
            "hpcapdd hpcap0:* -",
            "hpcapdd hpcap0:* x.pcapng",
            "hpcapdd hpcap0:* /a y.raw",
            "hpcapdd hpcap0:* null --files 2",
            "hpcapdd eth0:* /a",
        ] {
            assert_eq!(set(line).unwrap_err().kind(), hpcap::Kind::Usage, "{line}");
        }
    }
}
