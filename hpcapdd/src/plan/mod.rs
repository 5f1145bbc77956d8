//! Takes from the command line what to do, and checks it.

mod contract;
mod options;
mod queues;
mod several;
mod source;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use hpcap::{Error, QueueName, Result};
use hpcap_host::Interface;
use hpcap_source::SourceSpec;

use crate::cli::Cli;
use crate::form;

pub use contract::{contract, start};
pub use options::check_options;
pub use queues::QueueSet;
pub use several::check_several;
pub use source::Source;

/// Where the frames come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A queue of the kernel module or of a daemon.
    Queue(QueueName),
    /// Sources that this process captures from.
    Sources(Vec<Source>),
}

/// Where the frames go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Files in half-hour folders below this folder.
    Folder(PathBuf),
    /// One file.
    File(PathBuf),
    /// No output: the frames are only counted.
    Null,
    /// A pcapng stream on stdout.
    Stdout,
}

/// The part of the stream that is kept, frame by frame.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Filter expression in tcpdump's syntax.
    pub filter: Option<String>,
    /// Bytes kept of each frame.
    pub caplen: Option<u32>,
    /// Whether tags are left out.
    pub plain: bool,
}

impl Selection {
    /// Whether the stream is kept as it is.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

/// Splits the operands into origin and destination.
///
/// # Errors
/// [`Kind::Usage`](hpcap::Kind::Usage) if the operands have none of the three forms.
pub fn endpoints(cli: &Cli) -> Result<(Origin, Destination)> {
    let words: Vec<&OsStr> = cli.operands.iter().map(AsRef::as_ref).collect();
    match (cli.source.as_slice(), words.as_slice()) {
        ([_, ..], [dest]) => {
            let sources = cli
                .source
                .iter()
                .map(|text| SourceSpec::text_of(text).parse())
                .collect::<Result<_>>()?;
            Ok((Origin::Sources(sources), destination(dest)?))
        }
        ([_, ..], _) => Err(Error::usage(
            "operands",
            "with -i or --source only DEST is expected, such as: hpcapdd -i eth0 /data \
             (a filter follows -f, or -w DEST)",
        )),
        ([], [queue, dest]) => Ok((Origin::Queue(queue_name(queue, dest)?), destination(dest)?)),
        ([], [interface, queue, dest]) => {
            let name = original_name(interface, queue)?;
            Ok((Origin::Queue(name), destination(dest)?))
        }
        ([], _) => Err(Error::usage(
            "operands",
            "QUEUE DEST are expected, such as: hpcapdd hpcap0 /data (or -i INTERFACE -w DEST)",
        )),
    }
}

/// Parses the name of a queue. If `text` is something else that can be captured, the error says how
/// to capture it.
fn queue_name(word: &OsStr, dest: &OsStr) -> Result<QueueName> {
    let (text, dest) = (SourceSpec::text_of(word), dest.display());
    text.parse().map_err(|error: Error| {
        if text.parse::<SourceSpec>().is_ok() {
            error.advise(format!("it is a source: hpcapdd --source {text} {dest}"))
        } else if matches!(Interface::by_name(&text), Ok(Some(_))) {
            error.advise(format!(
                "{text} is a network interface: hpcapdd -i {text} -w {dest}"
            ))
        } else if Path::new(word).is_file() {
            error.advise(format!(
                "{text} is a file: hpcapdd --source pcap:{text} {dest}"
            ))
        } else {
            error
        }
    })
}

/// Parses `<if> <queue>`, the form of the original hpcapdd: numbers, or `hpcapN` for the first.
fn original_name(interface: &OsStr, queue: &OsStr) -> Result<QueueName> {
    let (interface, queue) = (interface.to_string_lossy(), queue.to_string_lossy());
    let number = interface.strip_prefix("hpcap").unwrap_or(&interface);
    format!("hpcap{number}:{queue}").parse().map_err(|_| {
        Error::usage(
            format!("queue \"{interface} {queue}\""),
            "expected the numbers of adapter and queue, such as: hpcapdd 0 1 /data",
        )
    })
}

fn destination(word: &OsStr) -> Result<Destination> {
    match word.to_str() {
        Some("") => Err(Error::usage(
            "destination \"\"",
            "expected a folder, a file, null or -",
        )),
        Some("null") => Ok(Destination::Null),
        Some("-") => Ok(Destination::Stdout),
        _ => form::place(Path::new(word)),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    fn parsed(line: &str) -> Result<(Origin, Destination)> {
        endpoints(&Cli::try_parse_from(line.split(' ')).unwrap())
    }

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn operands_have_three_forms() {
        let folder = || Destination::Folder("/data".into());
        for (line, origin, dest) in [
            (
                "hpcapdd hpcap0 /data",
                Origin::Queue(QueueName::new(0, 0)),
                folder(),
            ),
            (
                "hpcapdd hpcap3:2 null",
                Origin::Queue(QueueName::new(3, 2)),
                Destination::Null,
            ),
            (
                "hpcapdd hpcap0 -",
                Origin::Queue(QueueName::new(0, 0)),
                Destination::Stdout,
            ),
            (
                "hpcapdd 0 1 /data",
                Origin::Queue(QueueName::new(0, 1)),
                folder(),
            ),
            (
                "hpcapdd hpcap2 1 null",
                Origin::Queue(QueueName::new(2, 1)),
                Destination::Null,
            ),
            (
                "hpcapdd --source gen: /data",
                Origin::Sources(vec!["gen:".parse().unwrap()]),
                folder(),
            ),
            (
                "hpcapdd --source gen: -",
                Origin::Sources(vec!["gen:".parse().unwrap()]),
                Destination::Stdout,
            ),
        ] {
            assert_eq!(parsed(line).unwrap(), (origin, dest), "{line}");
        }
    }

    #[test]
    fn anything_else_is_a_usage_error() {
        for line in [
            "hpcapdd /data",
            "hpcapdd eth0 /data",
            "hpcapdd x 1 /data",
            "hpcapdd 0 x /data",
            "hpcapdd hpcap0:1 1 /data",
            "hpcapdd --source gen: hpcap0 /data",
            "hpcapdd a b c d",
        ] {
            assert_eq!(
                parsed(line).unwrap_err().kind(),
                hpcap::Kind::Usage,
                "{line}"
            );
        }
        for line in [
            "hpcapdd",
            "hpcapdd hpcap0 /d --bytes x",
            "hpcapdd hpcap0 /d --frames 0",
            "hpcapdd hpcap0 /d --ring 1G",
            "hpcapdd hpcap0 /d --quiet --json",
        ] {
            let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
